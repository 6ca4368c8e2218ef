"""Tests of results as documents."""
