"""`lstm-trace bench`: the bench as one page, which needs no server."""

from __future__ import annotations

from typing import Annotated

from ...base.option import Option
from ..commands import FILE, command
from ..options import Language, OfFile


@command("bench")
def bench(
    sources: Annotated[tuple[str, ...], Option(metavar="[SOURCE]..."), FILE] = (),
    *,
    output: OfFile = "-",
    language: Language = None,
) -> None:
    """Write the bench as one HTML file that computes in the browser: change a cell, and follow every number.

    Each SOURCE (a problem or a trace) is offered first, then the examples. The file loads nothing: it works from a
    disk, a web space or a learning platform, offline, and on a phone. A page computes at most 64 units and 200,000
    values; for larger models see `lstm-trace serve`.

    Args:
        output: Write to this file.
        language: Language of the page, until another is chosen: en, de, ….
    """
    from ...model.sources import open_source
    from ...offline.bench import bench as made, named

    made(named(sources, map(open_source, sources)), language).save(output)
