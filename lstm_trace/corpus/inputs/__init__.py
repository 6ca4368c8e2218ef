"""Readers of many sequences: Parquet, JSON lines, folders of .npz, text."""

from __future__ import annotations

from .forms import SequenceReading, opened

__all__ = ["SequenceReading", "opened"]
