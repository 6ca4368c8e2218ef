"""The small corpus of `tests/corpus`."""

from __future__ import annotations

from ..corpus.conftest import *  # noqa: F403
