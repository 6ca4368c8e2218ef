"""Which readings of the weights are tried, the likely ones first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import permutations, product
from typing import Any

import numpy as np

from ..base.arrays import Array
from ..cell.network import scope_and_name
from ..cell.variants import named
from ..errors import MissingError, OptionError, raise_all
from ..model.model import NETWORK
from ..trace.address import STATE
from ..weights.found import Found
from .interpretations import GATES, Blocks, Reading

#: Bounds that people clip with; others are given with `clips`.
CLIPS = (1.0, 3.0, 5.0, 10.0, 50.0)


#: Options of a model that clip, with what each clips in a reading.
CLIP_FACTS = {"clip": "gates", "cell_clip": "cell", "output_clip": "output"}
#: Options of a model that readings have; with any other a model is refused.
SEARCHED = frozenset((
    *CLIP_FACTS, "bias", "peephole", "coupled", "forget_bias",
    "gate_activation", "candidate_activation", "output_activation",
))  # fmt: skip


def as_stored(found: Found) -> Reading:
    """The reading that a model's options mean. Raises OptionError for those that no reading has."""
    names = {scope_and_name(key)[1] for key in found.weights}
    cell = {name: value for name, value in found.options.items() if name not in NETWORK}
    full, usual = named("lstm", cell, names)[1], named("lstm", {}, names)[1]
    problems = [
        f"identify does not search models with {name}: {value if isinstance(value, str) else str(value).lower()}"
        for name, value in full.items()
        if name not in SEARCHED and value != usual[name]
    ]
    clips = [(name, full[name]) for name in CLIP_FACTS if full[name] is not None]
    if len(clips) > 1:
        said = " and ".join(f"{name}: {bound:g}" for name, bound in clips)
        problems.append(f"identify does not search models with more than one clip; this one has {said}")
    if found.defaults.lengths is not None:
        problems.append("identify does not search models that fix the lengths of their sequences")
    raise_all(OptionError, problems)
    squashes = full["candidate_activation"], full["output_activation"]
    return Reading(
        forget_bias=full["forget_bias"],
        gate_activation=full["gate_activation"],
        activation=squashes[0] if squashes[0] == squashes[1] else squashes,
        clip=(CLIP_FACTS[clips[0][0]], clips[0][1]) if clips else None,
        direction=found.directions[0],
    )


def initial_state(found: Found, short: str) -> Array | None:
    """The initial state (B, H) that a model fixes."""
    states = found.defaults.initial.get(STATE[short])
    return None if states is None else np.asarray(states)[0]


def blocks_of(found: Found) -> Blocks:
    """The weights of a model stacked gate by gate, in the order of its file. Raises MissingError without all gates."""
    weights = {scope_and_name(key)[1]: np.asarray(values, np.float64) for key, values in found.weights.items()}
    layout = found.stored
    order, peepholes = (GATES, "ifo") if layout is None or layout.separate else (layout.order, layout.peephole)
    if found.options.get("coupled"):
        order, peepholes = order.replace("f", ""), peepholes.replace("f", "")

    def stacked(pattern: str, letters: str = order) -> Array:
        missing = [name for gate in letters if (name := pattern.format(gate)) not in weights]
        if missing:
            raise MissingError(f"identify needs the weights of every gate; missing: {', '.join(missing)}")
        return np.stack([weights[pattern.format(gate)] for gate in letters])

    names = ("b_x{}", "b_h{}") if "b_xi" in weights or "b_hi" in weights else ("b_{}",) if "b_i" in weights else ()
    biases = tuple(stacked(name) for name in names if name.format("i") in weights)
    peephole = stacked("w_c{}", peepholes) if found.options.get("peephole") else None
    joined = (layout.joined if layout else None) or ""
    return Blocks(stacked("W_x{}"), stacked("W_h{}"), biases, peephole, joined, order, peepholes)


def plain_readings(blocks: Blocks, plain: Reading, h0: Array | None, c0: Array | None) -> list[Reading]:
    """The readings of transposes, biases, direction, states and activations that ports confuse most often."""
    square = blocks.input.shape[1] == blocks.input.shape[2]
    kinds: dict[str, list[Any]] = {
        "input": ["as stored", "transposed"] if square else ["as stored"],
        "recurrent": ["as stored", "transposed"],
        "bias": ["used"] if not blocks.biases else ["used", "dropped", "halved"],
        "direction": ["forward", "reverse"],
        "states": ["hc", "ch"] if h0 is not None or c0 is not None else ["hc"],
    }
    for name in ("gate_activation", "activation", "clip"):  # what a port may have lost
        kinds[name] = list(dict.fromkeys((getattr(plain, name), getattr(Reading(), name))))
    if blocks.joined:
        kinds["joined"] = ["xh", "hx"]
    if len(blocks.biases) > 1:
        kinds["bias"] += ["first", "second"]
    return [replace(plain, **dict(zip(kinds, values, strict=True))) for values in product(*kinds.values())]


def unusual_facts(blocks: Blocks, plain: Reading, clips: Sequence[float]) -> Iterator[dict[str, Any]]:
    """Facts that a port rarely gets wrong, one at a time: other activations, a clip, an order of the peepholes."""
    found: list[dict[str, Any]] = [{"gate_activation": name} for name in ("hard_sigmoid", "hard_sigmoid_keras")]
    found += [{"activation": name} for name in ("relu", "softsign", "linear")]
    found += [{"clip": (what, bound)} for what in CLIP_FACTS.values() for bound in clips]
    yield from (facts for facts in found if any(getattr(plain, name) != value for name, value in facts.items()))
    if blocks.peephole is not None:
        orders = map("".join, permutations(blocks.peepholes))
        yield from ({"peephole": order} for order in orders if order != blocks.peepholes)
        yield from ({"peephole": "dropped"}, {"output_peephole": "old"})


def count_unusual(reading: Reading, plain: Reading) -> int:
    """How many facts differ from the way in which the weights were read."""
    return len([f for f in reading.differences(plain) if f != "batch_first"])
