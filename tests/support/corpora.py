"""Folders of states for tests of the service: texts with a planted counter, and ids and tokens that mean harm."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..tracking import planted

STRANGE = "strange #1"
#: Ids and tokens of strangers: markup, paths, controls, the writing direction turned round.
HOSTILE = (
    "<img src=x onerror=document.body.remove()>", "</script><script>alert(1)</script>", "../../etc/passwd", "a/b?c#d&e",
    "%2e%2e", "\u202egnp.exe", "\x1b[31m", "ü 中 \U0001f600", "'\"`${1}", "\n\n",
)  # fmt: skip


def folders(top: Path) -> list[str]:
    """Folders of states: texts with quotes, hostile ones, one of a like name, and one that a test damages."""
    quotes(top / "quotes")
    strange(top / STRANGE)
    (top / "other").mkdir()
    silent(top / "other" / "quotes")
    shutil.copytree(top / "quotes", top / "damaged")
    return [str(top / name) for name in ("quotes", STRANGE, "other/quotes", "damaged")]


def quotes(folder: Path) -> list[str]:
    """The states of planted texts, in several parts; the texts."""
    from lstm_trace import corpus

    texts = planted.write(folder.with_suffix(".parquet"))
    corpus.run(planted.weights(), folder.with_suffix(".parquet"), folder, steps_per_part=600)
    return texts


def strange(folder: Path) -> None:
    """Sequences whose ids and tokens are hostile, and many short ones."""
    write(folder, [*HOSTILE, *(f"s{k:03}" for k in range(240))], HOSTILE)


def silent(folder: Path) -> None:
    """Two directions, and no tokens; the steps begin at 5."""
    rng = np.random.default_rng(3)
    shapes = {"x": (3, 2), "h": (3, 3)}
    weights = {
        f"0/{direction}/W_{side}{gate}": rng.normal(size=shape)
        for direction in ("forward", "reverse")
        for side, shape in shapes.items()
        for gate in "ifco"
    }
    write(folder, [7, 3, 9], None, weights, 5)


def long(folder: Path) -> None:
    """One sequence that is too long to be shown at once, some tokens of which are empty."""
    write(folder, ["long"], ["a", "b", "", " "], steps=2300)


def write(
    folder: Path, ids: Sequence[Any], tokens: Sequence[str] | None, weights: Any = None, begin: int = 0, steps: int = 4
) -> None:
    """The states of sequences. tokens: of the steps, over and over."""
    import pyarrow as pa
    from pyarrow import parquet

    from lstm_trace import corpus

    rng = np.random.default_rng(11)
    rows, path = steps * len(ids), folder.with_suffix(".parquet")
    x = rng.normal(size=(rows, 2))
    t = np.tile(np.arange(begin, begin + steps), len(ids))
    columns: dict[str, Any] = {"seq_id": [one for one in ids for _ in range(steps)], "t": t}
    if tokens is not None:
        columns["token"] = [tokens[k % len(tokens)] for k in range(rows)]
    parquet.write_table(pa.table(columns | {f"x_{k}": x[:, k] for k in range(2)}), path)
    plain = {f"W_{side}{gate}": rng.normal(size=(3, n)) for side, n in (("x", 2), ("h", 3)) for gate in "ifco"}
    corpus.run(weights or plain, path, folder)
