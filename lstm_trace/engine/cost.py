"""What a computation may hold at once, in bytes, and how long it may take, in seconds by `rerun.run_seconds`.

The estimate is for one thread and one row; where rows are one batch of float32 they take about 0.3 times as long.
What is measured is two layers in both directions, T = 2000, H = 256, float32 (`benchmarks/commands.py`).
"""

from __future__ import annotations

from collections.abc import Iterator

#: Bytes of the values of runs that are made at once: an ablation then peaks at 270 MB; with four times as many bytes it
#: takes 0.85 times as long, and 440 MB.
BATCH_BYTES = 1 << 27
#: Bytes of recorded values, counted as float64, that are worked on at once: with a quarter of them a comparison takes
#: 8 % longer, and a profile no less.
PIECE_BYTES = 1 << 23
#: Bytes of a trace of which a difference is split beside a comparison: the split takes as much memory again, and `diff`
#: of two traces of 180 MB has its peak at 880 MB without it.
SPLIT_BYTES = 80_000_000

#: For what is computed beside what was asked for; with it, `explain contribution` takes 4 s.
EXTRA_SECONDS = 1.5
#: For what was asked for, where how much of it is left to us: an ablation of so many units takes 7 s.
USUAL_SECONDS = 20.0
#: For what was asked for by name: nothing is printed meanwhile, so more than a minute would look like a fault.
MOST_SECONDS = 60.0


def at_once(size: int) -> int:
    """How many runs, each of so many bytes, are made at once; at least one."""
    return max(BATCH_BYTES // max(size, 1), 1)


def pieces(steps: int, width: int, backwards: bool = False) -> Iterator[slice]:
    """All steps in slices of about PIECE_BYTES, each step of `width` values; the last steps first if `backwards`.

    >>> million = PIECE_BYTES // 8
    >>> list(pieces(5, million // 2)), list(pieces(5, million // 3, backwards=True))
    ([slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)], [slice(3, 5, None), slice(0, 3, None)])
    """
    size = max(PIECE_BYTES // (8 * max(width, 1)), 1)
    found = [slice(at, min(at + size, steps)) for at in range(0, steps, size)]
    yield from reversed(found) if backwards else found
