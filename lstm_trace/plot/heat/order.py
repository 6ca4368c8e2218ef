"""The order of the units in a picture: by what they do together, how long they remember, or when they become active."""

from __future__ import annotations

from typing import Literal

import numpy as np

from ...base.arrays import Array
from ...cell.network import Stage
from ...errors import OptionError
from ...explanation.activity import halvings, keeping
from ..subject import Subject

Order = Literal["index", "cluster", "memory", "activity"]
ORDERS = ("index", "cluster", "memory", "activity")


def ordered(found: Subject, stage: Stage, how: str) -> tuple[Array, str]:
    """The units of a stage in an order, and the line by which they have it.

    cluster: by the angle of their places along the two main axes of the correlations of a state (Friendly 2002,
    Corrgrams, section 3.2), so that units that move together stand together; units that never move come last. memory:
    the longest half-life first. activity: first those whose state is first at half of its largest size. Steps of
    padding, and values that are no numbers, are left out.

    Raises OptionError where the stage has no state, or no gate that keeps one.
    """
    recorded = found.trace.lines.get(stage.scope, {})
    wanted = keeping(stage) if how == "memory" else stage.carried
    lines = [line for line in stage.cell.lines if line.name in wanted and line.name in recorded]
    if not lines:
        what = "gate that keeps a state" if how == "memory" else "state"
        raise OptionError(f"order={how!r}: {stage.scope} has no {what} that was recorded; order='index' needs none")
    values = found.values(stage, lines[0])[found.valid]
    values = np.where(np.isfinite(values), values, 0.0)
    if how == "memory":
        return np.argsort(halvings(values).sum(axis=0), kind="stable"), lines[0].name
    if how == "activity":
        size = np.abs(values)
        return np.argsort((size >= size.max(axis=0) / 2).argmax(axis=0), kind="stable"), lines[0].name
    return _clustered(values), lines[0].name


def _clustered(values: Array) -> Array:
    """Units in the order of their angles; from the widest gap between two neighbours on."""
    size = np.abs(values).max(axis=0, initial=0.0)
    scaled = values / np.where(size > 0, size, 1.0)  # or squares may overflow
    centred = scaled - scaled.mean(axis=0) if len(values) else scaled
    spread = np.sqrt((centred * centred).sum(axis=0))
    moving = np.flatnonzero(spread > 1e-9 * np.sqrt(max(len(values), 1)))
    still = np.flatnonzero(~np.isin(np.arange(values.shape[1]), moving))
    if len(moving) < 3:
        return np.concatenate([moving, still])
    angle = np.arctan2(*_axes(centred[:, moving] / spread[moving]))
    order = np.argsort(angle, kind="stable")
    gaps = np.diff(angle[order], append=angle[order[0]] + 2 * np.pi)
    order = np.roll(order, -int(gaps.argmax()) - 1)
    return np.concatenate([moving[order if order[0] < order[-1] else order[::-1]], still])


def _axes(scaled: Array) -> tuple[Array, Array]:
    """(units,) each: the second and the first main axis of the correlations of the columns."""
    steps, units = scaled.shape
    if units <= steps:
        axes = np.linalg.eigh(scaled.T @ scaled)[1][:, -2:]
    else:  # those of the smaller matrix lead there, too
        axes = scaled.T @ np.linalg.eigh(scaled @ scaled.T)[1][:, -2:]
        axes /= np.maximum(np.sqrt((axes * axes).sum(axis=0)), 1e-300)
    return (axes[:, 0] if axes.shape[1] > 1 else np.zeros(units)), axes[:, -1]
