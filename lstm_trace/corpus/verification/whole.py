"""Whether the files of the parts are as they were written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import FileError
from .. import part_file

if TYPE_CHECKING:
    from ..rows import Span
    from ..states import States


def faults(states: States, span: Span, every_byte: bool = True) -> list[str]:
    """What is wrong with the files of a part, in sentences. every_byte: see `part_file.fault`."""
    found: list[str] = []
    for name in states.manifest.files_of(span.number):
        try:
            said = part_file.fault(states.folder / name, states.manifest.key, span.number, every_byte)
        except FileError as error:
            found += error.problems
            continue
        found += [f"{name} {said}: {part_file.AGAIN}"] if said else []
    return found


def damaged(states: States) -> dict[int, list[str]]:
    """By number, what is wrong with the parts that are there, by the length and the metadata of their files alone."""
    found = {span.number: faults(states, span, every_byte=False) for span in states.spans}
    return {number: said for number, said in found.items() if said}
