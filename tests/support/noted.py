"""A table of strings that knows which of them were looked up."""

from __future__ import annotations


class Noted(dict[str, str]):
    """The strings of a language, with those that were looked up."""

    def __init__(self, table: dict[str, str]) -> None:
        super().__init__(table)
        self.met: set[str] = set()

    def __getitem__(self, key: str) -> str:
        self.met.add(key)
        return super().__getitem__(key)
