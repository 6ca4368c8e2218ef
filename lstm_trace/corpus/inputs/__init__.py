"""Readers of many sequences: Parquet, JSON lines, folders of .npz, text."""

from __future__ import annotations

from .forms import opened

__all__ = ["opened"]
