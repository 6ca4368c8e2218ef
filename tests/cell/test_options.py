"""Every option changes an equation, stands in the documented table, or is refused with a message of its own."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.cell.named_cells import KINDS, LSTM, SLSTM
from lstm_trace.cell.variants import named
from lstm_trace.errors import LstmTraceError, OptionError
from lstm_trace.model.model import NETWORK

from .. import ROOT
from ..engine.test_family import H, drawn, weights
from ..support.every_cell import NEEDED, OTHER_VALUES
from ..support.family_oracle import Reading, sequence


@pytest.mark.parametrize(("kind", "option"), [(kind, f.name) for kind, spec in KINDS.items() for f in fields(spec)])
def test_every_option_changes_an_equation(kind: str, option: str) -> None:
    base = NEEDED.get(option, {})
    plain_text = named(kind, base)[0].text
    assert named(kind, {**base, option: OTHER_VALUES.get(option, True)})[0].text != plain_text


def test_the_default_is_the_textbook_cell() -> None:
    assert (
        named("lstm", {"bias": "one"})[0].text
        == """\
z_i = W_xi @ x_t + W_hi @ h_prev + b_i
i_t = sigmoid(z_i)
z_f = W_xf @ x_t + W_hf @ h_prev + b_f
f_t = sigmoid(z_f)
z_c = W_xc @ x_t + W_hc @ h_prev + b_c
c_tilde = tanh(z_c)
z_o = W_xo @ x_t + W_ho @ h_prev + b_o
o_t = sigmoid(z_o)
c_t = f_t * c_prev + i_t * c_tilde
h_t = o_t * tanh(c_t)
carry: h_prev <- h_t, c_prev <- c_t
output: h_t
"""
    )


def test_numbers_of_any_library_are_options() -> None:
    cell, options = named("lstm", {"clip": np.float32(0.5), "forget_bias": np.int64(1)})
    assert "clip(z_f, -0.5, 0.5)" in cell.text
    assert (options["clip"], options["forget_bias"]) == (0.5, 1.0)
    assert type(options["clip"]) is float


ROW = re.compile(r"^\| `(\w+)` \| (.+?) \| (.+?) \| (.+?) \| (.+?) \|$", re.M)


@pytest.mark.parametrize("kind", [*KINDS, "network"])
def test_the_documented_table_is_the_code(kind: str) -> None:
    text = (ROOT / "docs" / "options.md").read_text(encoding="utf-8")
    head = f"The {kind}" if kind == "network" else f"The cell `{kind}`"
    table = next(part for part in re.split(r"^## ", text, flags=re.M) if part.startswith(head))
    rows = {name: default.strip("`") for name, _, _, default, _ in ROW.findall(table)}
    if kind == "network":
        assert set(rows) == set(NETWORK)
        return
    defaults = {f.name: f.default for f in fields(KINDS[kind])}
    assert list(rows) == list(defaults)
    said = {True: "true", False: "false", None: "none"}
    for name, default in defaults.items():
        if name == "bias":
            assert rows[name] == "what the weights have"
        else:
            assert (
                rows[name] == said.get(default, str(default))
                if not isinstance(default, float)
                else (float(rows[name]) == default)
            )


# -- bad input -------------------------------------------------------------------------------------------------------

BAD: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    ("clip of zero", {}, {"clip": 0}, "option clip must be a positive number; found 0"),
    ("negative cell clip", {}, {"cell_clip": -1.0}, "option cell_clip must be a positive number; found -1.0"),
    ("infinite output clip", {}, {"output_clip": float("inf")}, "option output_clip must be a positive number"),
    ("clip as text", {}, {"clip": "3"}, "option clip must be a positive number; found '3'"),
    ("a flag as text", {}, {"peephole": "yes"}, "option peephole must be true or false; found 'yes'"),
    ("unknown option", {}, {"peepholes": True}, "has no option peepholes (did you mean peephole?)"),
    ("option of another cell", {}, {"kind": "slstm", "peephole": True}, "the cell 'slstm' has no option peephole"),
    ("unknown cell", {}, {"kind": "lstmm"}, "unknown cell 'lstmm'; did you mean 'lstm'?"),
    ("unknown activation", {}, {"gate_activation": "sigmod"}, "(did you mean sigmoid?); found 'sigmod'"),
    ("activation of numbers", {}, {"gate_activation": "elu(1, 2)"}, "must be written elu(alpha) with numbers"),
    ("activation without numbers", {}, {"gate_activation": "tanh(1)"}, "is tanh without numbers"),
    ("activation of code", {}, {"gate_activation": "elu(__import__)"}, "must be written elu(alpha) with numbers"),
    ("forget bias beside coupled", {}, {"coupled": True, "forget_bias": 1}, "has no effect with coupled: true"),
    ("projection bias alone", {}, {"projection_bias": True}, "changes nothing without projection: true"),
    ("projection clip alone", {}, {"projection_clip": 1}, "changes nothing without projection: true"),
    ("epsilon alone", {}, {"layer_norm_epsilon": 0.1}, "changes nothing without layer_norm: true or layer_norm_cell"),
    ("carried alone", {}, {"layer_norm_carried": True}, "changes nothing without layer_norm_cell: true"),
    ("peephole weights", {"w_ci": np.ones(H)}, {}, "reads the weight 'w_ci': it needs the option peephole: true"),
    ("layer norm weights", {"gamma_i": np.ones(H)}, {}, "it needs the option layer_norm: true"),
    ("projection weights", {"W_hr": np.ones((2, H))}, {}, "it needs the option projection: true"),
    ("peepholes of an sLSTM", {"w_ci": np.ones(H)}, {"kind": "slstm"}, "the cell 'slstm' has no peephole"),
    ("both kinds of bias", {"b_xi": np.ones(H)}, {"bias": "one"}, "it needs the option bias: two"),
    ("forget weights, coupled", {}, {"coupled": True}, "the forget gate is 1 - i_t and has no weights"),
    ("unknown merge", {}, {"merge": "average"}, "option merge must be one of concat, sum, mean, product, none"),
    ("unknown padding", {}, {"padding": "nan"}, "option padding must be one of zero, repeat, carry"),
]  # fmt: skip


@pytest.mark.parametrize(("more", "cell", "message"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_bad_options_get_their_own_message(more: dict[str, Any], cell: dict[str, Any], message: str) -> None:
    w = weights(np.random.default_rng(5), {})
    with pytest.raises(LstmTraceError) as error:
        lt.prepare({**w, **more}, cell=cell)
    assert message in str(error.value)


@pytest.mark.parametrize(("rows", "said"), [(H, ""), (H + 2, " (it looks transposed)")])
def test_a_projection_as_wide_as_the_hidden_state_is_refused(rows: int, said: str) -> None:
    w = weights(np.random.default_rng(5), {"projection": True}) | {"W_hr": np.ones((rows, H))}
    with pytest.raises(LstmTraceError) as error:
        lt.prepare(w, options={"projection": True})
    assert str(error.value) == (
        f"W_hr has shape ({rows}, 5): P = {rows} projected units from H = 5; "
        f"a projection must be narrower than the hidden state{said}"
    )


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ([5, 1, 1], "lengths has 5; expected 0 to T = 4"),
        ([1, -1, 1], "lengths has -1; expected 0 to T = 4"),
        ([1, 1], "lengths has shape (2,); expected one for each of the B = 3 rows"),
        ([1.5, 1, 1], "lengths must be whole numbers; found [1.5, 1.0, 1.0]"),
    ],
)
def test_bad_lengths_get_their_own_message(lengths: list[float], message: str) -> None:
    w, x, _, _ = drawn(5, {})
    with pytest.raises(LstmTraceError) as error:
        lt.run(w, x, lengths=lengths)
    assert str(error.value) == message


def test_an_option_that_is_refused_names_every_fault_at_once() -> None:
    with pytest.raises(LstmTraceError) as error:
        LSTM(clip=-1, cell_clip=0, gate_activation="nope")
    assert [problem.split()[1] for problem in error.value.problems] == ["clip", "cell_clip", "gate_activation"]
    with pytest.raises(LstmTraceError, match="forget_activation must be sigmoid or exp"):
        SLSTM(forget_activation="tanh")  # type: ignore[arg-type]


def addressed(*directions: str) -> dict[str, Any]:
    """Weights of one layer with full addresses."""
    rng = np.random.default_rng(5)
    return {f"0/{d}/{name}": w for d in directions for name, w in weights(rng, {}).items()}


@pytest.mark.parametrize(
    ("there", "options", "message"),
    [
        (
            ["forward"],
            {"direction": "reverse"},
            "option direction is reverse, and the addresses of the weights say for",
        ),
        (
            ["reverse"],
            {"direction": "forward"},
            "option direction is forward, and the addresses of the weights say rev",
        ),
        (
            ["forward", "reverse"],
            {"direction": "reverse"},
            "the addresses of the weights say forward and reverse; leave",
        ),
        (
            ["forward"],
            {"merge": "sum"},
            "option merge has no effect with one direction (forward); found 'sum'",
        ),
        (
            ["reverse"],
            {"merge": "none"},
            "option merge has no effect with one direction (reverse); found 'no",
        ),
        (
            ["forward"],
            {"merge": ["sum"]},
            "option merge must be one of concat, sum, mean, product, none; found ['sum']",
        ),
    ],
)
def test_options_of_the_network_that_change_nothing(there: list[str], options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError) as error:
        lt.prepare(addressed(*there), options=options)
    assert message in str(error.value)
    assert len(error.value.problems) == 1


@pytest.mark.parametrize(
    ("there", "options"),
    [
        (["reverse"], {"direction": "reverse"}),
        (["forward"], {"direction": "forward", "merge": "concat", "padding": "zero"}),
        (["forward", "reverse"], {"merge": "sum"}),
        (["forward"], {"padding": "repeat"}),  # the lengths come with a run
        (["forward"], {"merge": None, "direction": None}),
    ],
)
def test_options_of_the_network_that_fit(there: list[str], options: dict[str, Any]) -> None:
    model = lt.prepare(addressed(*there), options=options)
    assert model.directions == tuple(there)
    assert model.merge == (options.get("merge") or "concat")


# -- another cell in the reverse direction ---------------------------------------------------------------------------

REVERSE: list[dict[str, Any]] = [
    {"reverse": {"gate_activation": "hard_sigmoid(0.3, 0.4)", "output_activation": "leaky_relu(0.2)"}},
    {"gate_activation": "hard_sigmoid", "clip": 0.5, "reverse": {"gate_activation": "sigmoid", "clip": None}},
    {"bias": "two", "reverse": {"peephole": True, "coupled": True}},
    {"projection": True, "reverse": {"forget_bias": 1.0, "cell_clip": 0.3}},
]


@pytest.mark.few(1)
@pytest.mark.parametrize("lengths", [None, [4, 2, 3]])
@pytest.mark.parametrize("options", REVERSE, ids=str)
def test_the_reverse_direction_has_its_own_options(
    options: dict[str, Any], lengths: list[int] | None, tmp_path: Path
) -> None:
    """Against scalar loops, each direction by its own options; saved, loaded and verified."""
    rng = np.random.default_rng(11)
    own = {"forward": {k: v for k, v in options.items() if k != "reverse"}}
    own["reverse"] = {k: v for k, v in {**own["forward"], **options["reverse"]}.items() if v is not None}
    w = {d: weights(rng, one) for d, one in own.items()}
    flat = {f"0/{d}/{name}": a for d, here in w.items() for name, a in here.items()}
    x, c0 = rng.normal(size=(4, 3, w["forward"]["W_xi"].shape[1])), rng.normal(size=(2, 3, H))
    h0 = rng.normal(size=(2, 3, w["forward"]["W_hi"].shape[1]))
    trace = lt.run(flat, x, h0=h0, c0=c0, lengths=lengths, options=options)
    for k, (direction, here) in enumerate(w.items()):
        reading = Reading(**{name: value for name, value in own[direction].items() if name != "bias"})
        lists = {name: a.tolist() for name, a in here.items()}
        for b in range(3):
            length = None if lengths is None else lengths[b]
            rows, h, c = sequence(
                lists, x[:, b].tolist(), h0[k, b].tolist(), c0[k, b].tolist(), reading, direction == "reverse", length
            )
            for t, row in enumerate(rows):
                if row is not None:
                    np.testing.assert_allclose(trace.at(direction=direction)["h_t"][t, b], row, rtol=0, atol=1e-12)
            np.testing.assert_allclose(trace.h_n[k, b], h, rtol=0, atol=1e-12)
            np.testing.assert_allclose(trace.c_n[k, b], c, rtol=0, atol=1e-12)
    for name in ("t.json", "t.safetensors"):
        trace.save(tmp_path / name)
        again = lt.load(tmp_path / name)
        assert again.header.options == trace.header.options
        assert again.header.options["reverse"] == options["reverse"]
        assert lt.verify(again).verdict == "verified"
    alike = lt.run(flat, x, h0=h0, c0=c0, lengths=lengths, options=options, plan="lines")
    assert lt.diff(trace, alike).same


def test_a_problem_whose_directions_differ() -> None:
    cell = {"kind": "lstm", "clip": 3, "reverse": {"candidate_activation": "relu"}}
    there = {name: a.tolist() for name, a in addressed("forward", "reverse").items()}
    trace = lt.run({"cell": cell, "weights": there, "x": [[0.5, -0.5], [1.0, 0.25]]})
    assert trace.stage("0/forward").cell.by_name["c_tilde"].op == "tanh"
    assert trace.stage("0/reverse").cell.by_name["c_tilde"].op == "relu"
    page = trace.report()
    assert "Further equations of layer 0, reverse:" in page


@pytest.mark.parametrize(
    ("there", "more", "options", "message"),
    [
        (["forward", "reverse"], {}, {"reverse": "relu"}, "option reverse must be a mapping of the options in which"),
        (["forward", "reverse"], {}, {"reverse": {}}, "option reverse changes nothing: both directions have these"),
        (["forward", "reverse"], {}, {"reverse": {"gate_activation": "sigmoid"}}, "option reverse changes nothing"),
        (
            ["forward", "reverse"],
            {},
            {"reverse": {"clip": -1}},
            "option reverse: option clip must be a positive number",
        ),
        (
            ["forward", "reverse"],
            {},
            {"reverse": {"merge": "sum"}},
            "option reverse: the cell 'lstm' has no option mer",
        ),
        (
            ["forward"],
            {},
            {"reverse": {"clip": 1}},
            "the weights have one direction (forward); give its options themse",
        ),
        (["reverse"], {}, {"reverse": {"clip": 1}}, "the weights have one direction (reverse)"),
        (
            ["forward", "reverse"],
            {"0/forward/w_ci": np.ones(H)},
            {"reverse": {"layer_norm_cell": True}},
            "reads the weight 'w_ci': it needs the option peephole: true",
        ),
        (
            ["forward", "reverse"],
            {},
            {"kind": "slstm", "reverse": {"stabilised": False}},
            "option reverse: both directions carry the same states; forward h_prev, c_prev, n_prev, m_prev, reverse h",
        ),
    ],
)
def test_bad_options_of_the_reverse_direction(
    there: list[str], more: dict[str, Any], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(LstmTraceError) as error:
        lt.prepare({**addressed(*there), **more}, cell={"kind": "lstm", **options})
    assert message in str(error.value)


def test_equations_have_no_reverse_option() -> None:
    cell = {"equations": "h_t = tanh(W @ x_t)", "reverse": {"clip": 1}}
    with pytest.raises(OptionError, match="a cell given by equations has no option reverse"):
        lt.prepare({"0/forward/W": np.ones((2, 2)), "0/reverse/W": np.ones((2, 2))}, cell=cell)
