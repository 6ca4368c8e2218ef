"""Scales of colours: values to numbers of colours and back, blocks of them, and colours that can be told apart."""

from __future__ import annotations

import numpy as np
import pytest

from lstm_trace.base.arrays import Array
from lstm_trace.plot.coloured_text import BROKEN, FIRST, LEVELS, PADDING, Scale, extremes, from_zero, gate, symmetric


def value(scale: Scale, level: Array) -> Array:
    """The value in the middle of those that have a colour; NaN for the colours of padding and no number."""
    share = (level.astype(np.float64) - FIRST) / (LEVELS - 1)
    return np.where(level < FIRST, np.nan, scale.low * (1 - share) + scale.high * share)


def test_a_value_is_read_back_to_half_a_colour() -> None:
    draw = np.random.default_rng(3)
    values = draw.normal(size=(7, 11))
    for scale, found in ((gate(), np.abs(np.tanh(values))), (symmetric(values), values)):
        levels = scale.levels(found)
        assert levels.min() >= FIRST
        inside = np.clip(found, scale.low, scale.high)
        assert np.abs(value(scale, levels) - inside).max() <= (scale.high - scale.low) / (LEVELS - 1) / 2 + 1e-12
    assert value(symmetric(values), np.array([FIRST, 255])).tolist() == [symmetric(values).low, symmetric(values).high]


def test_padding_and_what_is_no_number_have_colours_of_their_own() -> None:
    values = np.array([[0.0, np.nan, 1.0], [np.inf, 0.5, -np.inf]])
    assert gate().levels(values, np.array([True, True, False])).tolist() == [
        [FIRST, BROKEN, PADDING],
        [BROKEN, FIRST + round(0.5 * (LEVELS - 1)), PADDING],
    ]
    assert np.isnan(value(gate(), np.array([PADDING, BROKEN]))).all()


def test_the_scale_of_states_is_robust_and_says_what_lies_beyond() -> None:
    values = np.linspace(-1, 1, 1_000)
    assert symmetric(values).high == 1
    assert symmetric(values).beyond == 0
    far = np.concatenate([values, [50.0, -70.0]])
    scale = symmetric(far)
    assert scale.high == -scale.low == np.sort(np.abs(far))[int(np.ceil(0.99 * 1_001))]
    assert scale.beyond == sum(abs(v) > scale.high for v in far)
    assert (scale.count, scale.most) == (1_002, 70.0)
    assert symmetric(np.array([np.nan, np.inf, 3.0])).high == 3.0


@pytest.mark.parametrize("values", [[], [0.0, 0.0], [np.nan], [1.7e308, -1.7e308], [5e-324], [0.0] * 300 + [4.0]])
def test_scales_of_strange_values(values: list[float]) -> None:
    found = np.array(values)
    with np.errstate(all="raise", under="ignore"):
        for scale in (symmetric(found), from_zero(np.abs(found))):
            assert scale.low < scale.high
            levels = scale.levels(np.abs(found))
            assert ((levels >= FIRST) | (levels == BROKEN)).all()
    if found.size and np.isfinite(found).all():
        assert symmetric(found).levels(np.array([0.0]))[0] in (128, 129)  # zero is in the middle
        assert symmetric(found).beyond < found.size / 2


def test_sizes_far_apart_have_a_logarithmic_scale() -> None:
    near, far = from_zero(np.array([0.0, 0.5, 2.0])), from_zero(np.array([0.0, 3e-9, 1.0]))
    assert (near.low, near.high, near.logarithmic) == (0.0, 2.0, False)
    assert (far.low, far.high, far.logarithmic) == (1e-4, 1.0, True)
    levels = far.levels(np.array([0.0, 1e-9, 1e-2, 1.0]))
    assert levels[[0, 1, 3]].tolist() == [FIRST, FIRST, 255]
    assert levels[2] in (128, 129)
    assert from_zero(np.array([1e-300, 1.0])).low == 1e-4  # what is smaller matters no more


def test_a_few_small_sizes_leave_the_scale_as_it_is() -> None:
    """Otherwise a thousandfold of one field would make all others nearly alike."""
    many = np.linspace(0.2, 11.0, 40)
    few, more = np.append(many, [1e-3] * 4), np.append(many, [1e-3] * 5)
    assert (from_zero(few).low, from_zero(few).high, from_zero(few).logarithmic) == (0.0, 11.0, False)
    assert from_zero(more).logarithmic


def test_a_block_has_the_colour_that_is_furthest_from_the_middle() -> None:
    draw = np.random.default_rng(2)
    levels = draw.integers(FIRST, 256, (7, 10)).astype(np.uint8)
    levels[0, 0], levels[:, 9] = BROKEN, PADDING
    levels[4, 4:8] = PADDING
    found = extremes(levels, 3, 4, 128.5)
    assert found.shape == (3, 3)
    for i in range(3):
        for j in range(3):
            block = [int(v) for v in levels[3 * i : 3 * i + 3, 4 * j : 4 * j + 4].ravel() if v != PADDING]
            wanted = BROKEN if BROKEN in block else max((abs(v - 128.5) for v in block), default=None)
            got = int(found[i, j])
            assert got == wanted if wanted in (BROKEN,) else wanted is None or abs(got - 128.5) == wanted
    assert (extremes(levels, 1, 1, 0.0) == levels).all()
    assert extremes(np.zeros((2, 2), np.uint8), 2, 2, 128.5).tolist() == [[PADDING]]


@pytest.mark.parametrize("scale", [gate(), symmetric(np.array([1.0]))])
def test_the_colours_are_told_apart_by_their_lightness(scale: object) -> None:
    """Along a scale of one colour lightness falls; along one of two it is highest in the middle and falls both ways."""
    palette = scale.palette.astype(float) / 255  # type: ignore[attr-defined]
    assert palette.shape == (256, 3)
    linear = np.where(palette <= 0.04045, palette / 12.92, ((palette + 0.055) / 1.055) ** 2.4)
    light = (linear @ [0.2126, 0.7152, 0.0722])[FIRST:]
    half = len(light) // 2
    parts = [light] if not scale.two else [light[half:], light[:half][::-1]]  # type: ignore[attr-defined]
    for part in parts:
        assert (np.diff(part) < 1e-3).all()
        assert part[0] > 4 * part[-1]
    assert len({tuple(colour) for colour in palette}) > 200
