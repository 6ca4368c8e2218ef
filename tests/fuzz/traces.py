"""Trace files, gradients among them, as JSON and .safetensors, damaged in their keys, header, numbers or bits."""

from __future__ import annotations

import json
import random
import struct
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

import lstm_trace as lt
from lstm_trace.errors import LstmTraceError

from .damage import changed, flipped, torn
from .problems import example, random_problem, same
from .views import looked_at

_MADE = 60  # different traces, of each kind of file


def check(rng: random.Random, folder: Path) -> str:
    """Refused by an error of ours; or a trace that verify judges, that survives a file and can be looked at."""
    kind = rng.choice((".json", ".safetensors"))
    content = _file(kind, rng.randrange(_MADE))
    what = rng.randrange(8)
    if what == 0:
        content = flipped(rng, content)
    elif what == 1:
        content = torn(rng, content)
    elif what > 2:
        content = _changed(rng, kind, content)
    path = folder / f"t{kind}"
    path.write_bytes(content)
    try:
        trace = lt.load(path)
    except LstmTraceError as error:
        message = str(error)
        assert what != 2, f"a whole trace is refused: {message}"
        assert len(message) < 20_000, f"a message of {len(message)} characters"
        return "refused"
    status = lt.verify(trace).verdict
    assert what != 2 or status != "failed"
    again = folder / f"again{rng.choice(('.json', '.safetensors'))}"
    trace.save(again)
    same(trace, lt.load(again))
    looked_at(rng, trace)
    return f"read, {status}"


@cache
def _file(kind: str, k: int) -> bytes:
    rng = random.Random(f"{kind}/{k}")  # noqa: S311 - it has to be the same each time
    while True:
        data = rng.choice((example, random_problem))(rng)
        try:
            trace = lt.run(data)
            if rng.random() < 0.4:
                trace = lt.backward(trace, seeds=_seeds(rng, trace))
        except LstmTraceError:  # options that exclude each other, or not all was asked for that a gradient needs
            continue
        with TemporaryDirectory() as folder:
            path = Path(folder) / f"t{kind}"
            trace.save(path)
            return path.read_bytes()


def _seeds(rng: random.Random, trace: lt.Trace) -> dict[str, np.ndarray]:
    """Weights of one line."""
    stage, line, values = rng.choice([*trace.recorded()])
    return {f"{stage.scope}/{line.name}": np.array([rng.gauss(0, 1) for _ in range(values.size)]).reshape(values.shape)}


def _changed(rng: random.Random, kind: str, content: bytes) -> bytes:
    """A file with its plain data changed; of .safetensors the numbers, the header, or the manifest in it."""
    if kind == ".json":
        return json.dumps(changed(rng, json.loads(content))).encode()
    (size,) = struct.unpack("<Q", content[:8])
    if rng.random() < 0.4:
        return content[: 8 + size] + flipped(rng, content[8 + size :])
    header = json.loads(content[8 : 8 + size])
    told = header.get("__metadata__", {})
    key = rng.choice(list(told)) if told else ""
    if told and rng.random() < 0.7:
        try:
            told[key] = json.dumps(changed(rng, json.loads(told[key])))
        except ValueError:
            told[key] = told[key][::-1]
    else:
        header = changed(rng, header)
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + content[8 + size :]
