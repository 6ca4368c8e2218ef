"""Kept runs and their descriptions: plain functions of paths and plain values that return JSON or a path."""
