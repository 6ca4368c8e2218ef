"""Kept runs, and what is said of them: plain functions of paths and plain values that return JSON or a path."""
