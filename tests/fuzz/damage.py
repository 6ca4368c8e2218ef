"""Damage to plain data and to bytes, as a hand, a program or a disk may do it."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

#: Values that stand where they should not.
ODD = (
    None, True, False, 0, -1, 1, 2, 7, 1 << 40, 10**400, 0.5, -0.0, 1e308, 5e-324, "", " ", "nan", "Infinity", "x", "0",
    "\x00", "\x1b[2J", "\u202e", "W_xi", "0/forward", "0/0/h_t[0]", "../../x", "=1+1", "$\\input{x}$", "<b>", "é" * 300,
    "h_t", "lstm", "keras", [], {}, [[]], [None], ["a"], [1, [2]], [[1.0], [2.0, 3.0]], [[[0.0]]], [0] * 50, {"a": 1},
    {"": 0}, {"kind": "lstm", "peephole": True}, {"equations": "h_t = x_t"}, [1e308, -1e308], [[1e200, 1e200]],
)  # fmt: skip


def places(data: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The keys that lead to each value, of long lists the first and the last."""
    if at:
        yield at
    if isinstance(data, dict):
        for key in data:
            yield from places(data[key], (*at, key))
    elif isinstance(data, list):
        for k in sorted({0, len(data) - 1} if data else ()):
            yield from places(data[k], (*at, k))


def changed(rng: random.Random, data: Any) -> Any:
    """A copy of plain data with one to three values replaced, removed, renamed, repeated or exchanged.

    In half of the copies only numbers become other numbers, so that many of them are read.
    """
    data = json.loads(json.dumps(data))
    mild = rng.random() < 0.5
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        found = [at for at in places(data) if not mild or _is_number(_value(data, at))]
        if not found:
            break
        at = rng.choice(found)
        holder, key = _value(data, at[:-1]), at[-1]
        what = rng.randrange(6)
        if mild or (what == 4 and _is_number(holder[key])):
            number = holder[key]
            holder[key] = rng.choice((-number, number + 1, number - 1, 0, -0.0, 1e-30, 1e30))
        elif what == 0:
            del holder[key]
        elif what == 1 and isinstance(holder, dict):
            other = rng.choice((*(place[-1] for place in found if isinstance(place[-1], str)), "\x1b", "a" * 5000))
            holder[other] = holder.pop(key)
        elif what == 2:
            source = _value(data, rng.choice(found))
            holder[key] = json.loads(json.dumps(source))
        elif what == 3 and isinstance(holder, list):
            holder.insert(key, holder[key])
        else:
            holder[key] = deepcopy(rng.choice(ODD))  # the next change may go into it
    return data


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _value(data: Any, at: tuple[Any, ...]) -> Any:
    for key in at:
        data = data[key]
    return data


def flipped(rng: random.Random, content: bytes) -> bytes:
    """Bytes with one to three bits turned."""
    found = bytearray(content)
    for bit in rng.sample(range(8 * len(content)), min(rng.randint(1, 3), 8 * len(content))):
        found[bit // 8] ^= 1 << bit % 8
    return bytes(found)


def torn(rng: random.Random, content: bytes) -> bytes:
    """Bytes cut off, with a hole, with a piece twice, or with a piece of nothing."""
    a, b = sorted(rng.randrange(len(content) + 1) for _ in range(2))
    middle = rng.choice((b"", content[a:b] * 2, bytes(b - a)))
    return rng.choice((content[:a], content[a:], content[:a] + middle + content[b:]))
