"""The checker: the test vectors, moved values, names, numbers, and hostile files."""

from __future__ import annotations

import ast
import json
import math
import os
import random
import re
import struct
import sys
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lstm_trace.checker import check
from lstm_trace.checker.check import Check, ReadCell, ReadTrace, RefusedError, UnknownError

from .. import ROOT

VECTORS = ROOT / "schemas" / "vectors"
VERDICTS = json.loads((VECTORS / "verdicts.json").read_text(encoding="utf-8"))
TRACES = sorted((ROOT / "traces").glob("*/trace.json"))
PAGE = (ROOT / "docs" / "trace-format.md").read_text(encoding="utf-8")
NAMES = {0: "verified", 1: "failed", 3: "inconclusive"}


def checked(document: dict[str, Any], folder: Path, **options: Any) -> Check:
    path = folder / "trace.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return Check(ReadTrace(path), **options)


def answer(path: Path) -> tuple[str, str | None]:
    """The verdict on a file, and the address of the first wrong value."""
    try:
        found = Check(ReadTrace(path))
    except RefusedError:
        return "refused", None
    return NAMES[found.status], found.findings[0].split(": recorded")[0] if found.findings else None


@pytest.mark.parametrize("vector", VERDICTS, ids=lambda vector: vector["file"])
def test_vectors(vector: dict[str, Any]) -> None:
    verdict, first = answer(VECTORS / vector["file"])
    assert verdict in (vector["verdict"], vector.get("or"))
    assert first == vector["first"]


@pytest.mark.parametrize("path", TRACES, ids=lambda path: path.parent.name)
def test_every_value_of_the_example_traces_is_proved(path: Path) -> None:
    found = Check(ReadTrace(path))
    values = sum(np.size(v) for lines in json.loads(path.read_text("utf-8"))["lines"].values() for v in lines.values())
    assert not found.refuted
    assert found.status == 0
    assert found.proved + sum(found.unknown.values()) == values


# -- moved values ----------------------------------------------------------------------------------------------------


def moved(value: float, steps: int) -> float:
    for _ in range(abs(steps)):
        value = math.nextafter(value, math.copysign(math.inf, steps))
    return value


def sigmoid(x: float) -> Fraction:
    return 1 / (1 + exponential(-Fraction(x)))


def exponential(x: Fraction) -> Fraction:
    """The series, at 200 bits."""
    term = total = Fraction(1)
    for n in range(1, 90):
        term = Fraction(round(term * x / n * 2**200), 2**200)
        total += term
    return total


def allowed(name: str, k: int, i: int, lines: dict[str, Any], document: dict[str, Any]) -> tuple[Fraction, Fraction]:
    """The exact value and the bound of a line of traces/three-steps, from its operands, written out for each line."""
    weights, gate = document["parameters"]["0/forward"], name[2:3] if name[1:3] != "_t" else name[0]
    gate = {"c_tilde": "c", "c_t": "c", "h_t": "o"}.get(name, gate)
    before = {s: lines[f"{s}_t"][k - 1][0] if k else document["inputs"][f"{s}0"]["0/forward"][0] for s in "hc"}
    now = {key: [Fraction(v) for v in value[k][0]] for key, value in lines.items()}
    if "@" in name:
        matrix, vector = name.split(" @ ")
        values = document["inputs"]["x"][k][0] if vector == "x_t" else before["h"]
        terms = [Fraction(w) * Fraction(v) for w, v in zip(weights[matrix][i], values, strict=True)]
        n, u = len(terms), Fraction(1, 2**53)
        return sum(terms, Fraction(0)), n * u / (1 - n * u) * sum(map(abs, terms)) + n * Fraction(2) ** -1074
    ulp, tiny = Fraction(1, 2**52), Fraction(2) ** -1022
    if name in ("i_t", "f_t", "o_t"):
        exact = sigmoid(float(now[f"z_{gate}"][i]))
        return exact, 6 * ulp * abs(exact) + tiny
    if name in ("c_tilde", "tanh(c_t)"):
        exact = 2 * sigmoid(2 * float(now["z_c" if name == "c_tilde" else "c_t"][i])) - 1
        return exact, 4 * ulp * abs(exact) + tiny
    if name.startswith("z_"):  # two sums, each rounded
        products = now[f"W_x{gate} @ x_t"][i], now[f"W_h{gate} @ h_prev"][i]
        return Fraction(float(sum(products)) + weights[f"b_{gate}"][i]), Fraction(0)
    factors = {
        "f_t * c_prev": lambda: now["f_t"][i] * Fraction(before["c"][i]),
        "i_t * c_tilde": lambda: now["i_t"][i] * now["c_tilde"][i],
        "c_t": lambda: now["f_t * c_prev"][i] + now["i_t * c_tilde"][i],
        "h_t": lambda: now["o_t"][i] * now["tanh(c_t)"][i],
    }
    return Fraction(float(factors[name]())), Fraction(0)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.few(1)
def test_a_moved_value_is_refuted_exactly_if_it_is_beyond_its_bound(seed: int, tmp_path: Path) -> None:
    text = (ROOT / "traces" / "three-steps" / "trace.json").read_text(encoding="utf-8")
    refuted = 0
    generator = random.Random(seed)  # noqa: S311
    for _ in range(40):
        document = json.loads(text)
        lines = document["lines"]["0/forward"]
        name = generator.choice(list(lines))
        k, i = generator.randrange(document["steps"]), generator.randrange(len(lines[name][0][0]))
        steps = generator.choice([-1, 1]) * generator.choice([1, 2, 3, 4, 5, 6, 7, 8, 16, 64, 2**12])
        lines[name][k][0][i] = moved(lines[name][k][0][i], steps)
        exact, bound = allowed(name, k, i, lines, document)
        found = checked(document, tmp_path)
        address = f"0/forward/{k}/0/{name}[{i}]"
        wrong = abs(Fraction(lines[name][k][0][i]) - exact) > bound
        assert wrong == any(text.startswith(f"{address}: ") for text in found.findings), (address, steps)
        assert not wrong or found.findings[0].startswith(f"{address}: ")
        refuted += wrong
    assert 20 <= refuted < 40


@pytest.mark.parametrize("path", TRACES, ids=lambda path: path.parent.name)
@pytest.mark.few(0)
def test_every_value_matters(path: Path, tmp_path: Path) -> None:
    """Each line, and each parameter that is read, is moved far at one place: the file is refuted there or later."""
    text = path.read_text(encoding="utf-8")
    generator = random.Random(7)  # noqa: S311
    for scope, lines in json.loads(text)["lines"].items():
        for name in lines:
            document = json.loads(text)
            rows = document["lines"][scope][name]
            row = rows[generator.randrange(len(rows))][generator.randrange(document["batch"])]
            i = generator.randrange(len(row))
            row[i] = row[i] * 1.01 + 1e-3
            found = checked(document, tmp_path)
            known = not any(f"{scope}/{name} " in reason for reason in found.unknown)
            assert known == any(f"{name}[" in finding for finding in found.findings[:1]), name


def test_a_weight_that_was_changed_is_found(tmp_path: Path) -> None:
    document = json.loads((ROOT / "traces" / "three-steps" / "trace.json").read_text(encoding="utf-8"))
    for matrix in ("W_xi", "W_ho"):
        damaged = json.loads(json.dumps(document))
        damaged["parameters"]["0/forward"][matrix][1][0] += 1e-9
        first = checked(damaged, tmp_path).findings[0]
        assert re.match(rf"0/forward/\d/0/{matrix} @ \w+\[1\]: ", first)


def test_a_sample_judges_so_many_values_of_each_line(tmp_path: Path) -> None:
    document = json.loads((ROOT / "traces" / "quotes" / "trace.json").read_text(encoding="utf-8"))
    every = sum(np.size(values) for values in document["lines"]["0/forward"].values())
    found = checked(document, tmp_path, sample=3)
    assert (found.proved, found.left) == (3 * len(document["lines"]["0/forward"]), every - found.proved)
    document["lines"]["0/forward"]["h_t"] = (np.array(document["lines"]["0/forward"]["h_t"]) + 1e-9).tolist()
    assert checked(document, tmp_path, sample=3).refuted >= 3
    assert checked(document, tmp_path, sample=10**6).left == 0


# -- names -----------------------------------------------------------------------------------------------------------


def page_names() -> list[tuple[str, list[str]]]:
    table = PAGE.partition("generated: trace-names")[2].partition("end -->")[0]
    rows = [row.strip("| ").split(" | ") for row in table.splitlines() if row.startswith("| `")]
    return [(row[0].strip("` "), re.findall(r"`([^`]+)`", row[1])) for row in rows]


@pytest.mark.parametrize(("text", "names"), page_names())
def test_lines_have_the_names_of_the_page(text: str, names: list[str]) -> None:
    functions = dict(row.split(" = ") for row in PAGE.partition("trace-functions")[2].split("```")[1].splitlines()[1:])
    used = [f"{call} = {body}\n" for call, body in functions.items() if f"{call.partition('(')[0]}(" in text]
    cell = ReadCell("".join(used) + text.replace("; ", "\n"))
    assert [name for name in cell.lines if name in names or name == "a"] == [*dict.fromkeys([*names])]


def test_the_functions_of_the_page_can_be_read() -> None:
    text = PAGE.partition("generated: trace-functions")[2].partition("```text\n")[2].partition("```")[0]
    calls = [row.partition(" = ")[0] for row in text.splitlines()]
    assert len(calls) > 30
    for number, call in enumerate(calls):
        name, _, rest = call.partition("(")
        values = ", ".join(
            "x_t" if "=" not in argument else argument.partition("=")[2] for argument in rest[:-1].split(", ")
        )
        lines = ReadCell(f"{text}\ny{number} = {name}({values})").lines
        assert f"y{number}" in lines
        assert len(lines) > 1 or lines[f"y{number}"].op in [*check.UNARY, "*", "/", "where"]


@pytest.mark.parametrize(
    "text",
    [
        "h_t = x_t ** 2",
        "h_t = x_t if x_t else u",
        "h_t = [x_t]",
        "h_t = __import__('os')",
        "h_t = x_t.y",
        "h_t = 1e999",
        "h_t = f(x_t)",
        "h_t = tanh(x_t, x_t)",
        "h_t = x_t / u + 1",
        "h_t = a\na = x_t",
        "h_t = x_t\nh_t = u",
        "h_t",
        "h_t = " + "(" * 5000 + "x_t" + ")" * 5000,
        "h_t = " + "-" * 5000 + "x_t",
        "h_t = " + "x_t + " * 5000 + "x_t",
        "f(z) = f(z)\nh_t = f(x_t)",
        "tanh(z) = z\nh_t = tanh(x_t)",
        "h_t = x_t\ncarry: s <- 0",
        "lambda = x_t",
        "h_t = True",
        "h_t = clip(x_t)",
        "h_t = clip(x_t, u, 1)",
        "h_t = max()",
        "h_t = x_t < u < v",
        "h_t = x_t[-1]",
        "h_t = tanh(a=x_t)",
        "f0(z) = z * z + 1\n" + "".join(f"f{n + 1}(z) = f{n}(f{n}(z) * 2)\n" for n in range(40)) + "h_t = f40(x_t)",
        "input: x_t\ninput: u\nh_t = x_t",
        "h_t = x_t\nhold: u",
        "h_t = x_t @",
        "h_t = x_t # ok\nh_u = (",
        "h_t = 'a'",
        "h_t = 1j",
    ],
)
def test_texts_that_are_no_equations_are_refused(text: str) -> None:
    start = time.process_time()
    with pytest.raises((RefusedError, RecursionError, UnknownError)):
        ReadCell(text)
    assert time.process_time() - start < 2


# -- numbers ---------------------------------------------------------------------------------------------------------


def test_numbers_are_rounded_to_nearest() -> None:
    generator = random.Random(3)  # noqa: S311
    for _ in range(2000):
        value = Fraction(generator.getrandbits(80) + 1, generator.getrandbits(70) + 1)
        value *= Fraction(2) ** generator.choice([0, 0, -1060, -140, -20, 15, 120, 1000]) * generator.choice([-1, 1])
        n, d = value.numerator, value.denominator
        try:
            nearest = n / d  # correctly rounded, as the documentation of Python says
        except OverflowError:
            nearest = math.copysign(math.inf, n)
        assert check.nearest(value) == nearest
        exact = Fraction(generator.uniform(-1, 1)) * Fraction(2) ** generator.choice(
            [-150, -126, -24, -14, 0, 15, 16, 127, 128]
        )
        with np.errstate(over="ignore"):
            for form, kind in (("float32", np.float32), ("float16", np.float16)):  # from float64, rounded once
                assert check.nearest(exact, form) == kind(float(exact))
    for bits in (
        0x3F808000,
        0x3F818000,
        0x3F808001,
        0x7F7FFFFF,
        0x00004000,
        0x0000C000,
        0x00004001,
    ):  # ties of bfloat16
        value = Fraction(struct.unpack("<f", struct.pack("<I", bits))[0])
        rounded = struct.unpack("<f", struct.pack("<I", (bits + 0x7FFF + (bits >> 16 & 1)) >> 16 << 16))[0]
        assert check.nearest(value, "bfloat16") == rounded


def test_other_arithmetics_round_as_the_page_says() -> None:
    hand, fixed = check.Rounding("by-hand-2", "float64"), check.Rounding("q3.2", "float64")
    assert [check.nearest(hand.rounded(Fraction(n, 1000))) for n in (125, -125, 124, 1, 5, -5)] == [
        0.13,
        -0.13,
        0.12,
        0,
        0.01,
        -0.01,
    ]
    assert [check.nearest(fixed.rounded(Fraction(n, 8))) for n in (1, 3, -1, 5, 30, 31, 40, -33, -99)] == [
        0,
        0.5,
        0,
        0.5,
        3.75,
        3.75,
        3.75,
        -4,
        -4,
    ]
    assert fixed.rounded(math.inf) == Fraction(15, 4)
    assert hand.read([0.1, 0.25])[0] == Fraction(1, 10)
    half = check.Rounding("float16", "float64")
    assert half.read([0.1, math.inf]) == [0.0999755859375, math.inf]  # rounded first, beside an infinity too
    assert fixed.read([-math.inf, 0.3]) == [-4, Fraction(1, 4)]
    assert hand.read([math.inf, 0.1]) == [math.inf, 0.1]
    for name in ("by-hand-16", "q0.4", "q20.13", "float64", "decimal", "q1", "by-hand-", "q1.-1"):
        with pytest.raises(RefusedError, match="unknown arithmetic"):
            check.Rounding(name, "float64")


# -- files -----------------------------------------------------------------------------------------------------------


def program(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["check.py", *arguments])
    code = check.main()
    out, err = capsys.readouterr()
    return code, out, err


def tensor_file(header: object, data: bytes = b"", size: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if size is None else size).to_bytes(8, "little") + text + data


def tensor(kind: str, shape: list[int], end: int, name: str = "inputs/x", data: bytes = b"0" * 8) -> bytes:
    return tensor_file({**META, name: {"dtype": kind, "shape": shape, "data_offsets": [0, end]}}, data)


META = {"__metadata__": {"format": "lstm-trace/1", "manifest": "{}"}}
HOSTILE = {
    "empty.json": b"",
    "text.json": b"not json",
    "list.json": b"[1]",
    "deep.json": b"[" * 200_000,
    "utf.json": b"\xff\xfe{}",
    "twice.json": b'{"format": 1, "format": 2}',
    "nan.json": b'{"a": NaN}',
    "big.json": b'{"steps": ' + b"9" * 20_000 + b"}",
    "escape.json": b'{"\\u001b[31m": 1, "format": "lstm-trace/1"}',
    "none.json": b"null",
    "deeper.json": b'{"a":' * 100_000,
    "short.safetensors": b"abc",
    "header.safetensors": b"\xff" * 8 + b"{}",
    "no.safetensors": tensor_file({}),
    "negative.safetensors": tensor("F64", [-1], 8),
    "offsets.safetensors": tensor("F64", [1, 1, 1], 1 << 60, data=b""),
    "huge.safetensors": tensor("F64", [1 << 40, 1 << 40, 1], 8),
    "name.safetensors": tensor("F64", [1], 8, name="../x"),
    "dtype.safetensors": tensor("I64", [1, 1, 1], 8),
    "rest.safetensors": tensor_file(META, b"rest"),
    "kind.safetensors": tensor_file({**META, "inputs/x": 3}),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_file_that_is_no_trace_has_one_message(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_bytes(HOSTILE[name])
    start = time.process_time()
    code, out, err = program([str(tmp_path / name)], monkeypatch, capsys)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert len(err) < 400
    assert "\x1b" not in err
    assert time.process_time() - start < 2


@pytest.mark.parametrize(
    ("key", "value"), [("stages", [None]), ("stages", [[]]), ("parameters", []), ("sums", []), ("lines", [])]
)
def test_a_wrong_type_is_one_plain_message(
    key: str, value: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "trace.json"
    path.write_text(json.dumps(one_line("h_t = x_t", [1.0]) | {key: value}), encoding="utf-8")
    code, out, err = program([str(path)], monkeypatch, capsys)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "Error" not in err


def test_a_function_at_infinity_has_its_limit(tmp_path: Path) -> None:
    document = one_line("h_t = tanh(x_t)", [-1.0])
    document["inputs"]["x"] = [[["-Infinity"]]]
    assert checked(document, tmp_path).status == 0
    document["lines"]["0/forward"]["h_t"] = [[[0.5]]]
    assert checked(document, tmp_path).status == 1


def test_an_unforeseen_exception_is_one_message_and_does_not_look_refuted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(check.Rounding, "judged", lambda *parts: 1 // 0)
    code, out, err = program([str(ROOT / "traces" / "three-steps" / "trace.json")], monkeypatch, capsys)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "cannot be judged: ZeroDivisionError" in err


def test_a_document_that_contradicts_itself_is_refused(tmp_path: Path) -> None:
    document = json.loads((ROOT / "traces" / "batch" / "trace.json").read_text(encoding="utf-8"))

    def refused(why: str, *path: Any, value: Any) -> None:
        changed = place = json.loads(json.dumps(document))
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value
        with pytest.raises(RefusedError, match=re.escape(why)):
            checked(changed, tmp_path)

    scope = "0/forward"
    refused("unknown or missing keys", "colour", value=1)
    refused("steps is missing", "steps", value=None)
    refused("steps is missing", "steps", value=True)
    refused("wrong shape", "steps", value=document["steps"] + 1)
    refused("wrong dtype", "dtype", value="float80")
    refused("wrong dtype", "dtype", value="bfloat16")
    refused("a stage is unknown", "stages", 0, "direction", value="up")
    refused("has no source", "stages", 0, "sources", value={})
    refused("has no source", "stages", 0, "sources", value={"x_t": f"{scope}/h_t"})
    refused("not lines of its cell", "stages", 0, "computed", value=["h_t", "i_t"])
    refused("nothing computes or reads", "stages", 0, "computed", value=["h_t"])
    refused("nothing computes or reads", "parameters", scope, "W_new", value=[[1.0]])
    refused("should have the width", "parameters", scope, "W_xi", value=[[1.0]] * 3)
    refused("should have the width", "parameters", scope, "W_xi", value=[[1.0] * 7])
    refused("do not fit matvec", "parameters", scope, "W_xi", value=[1.0] * 7)
    refused("nothing computes or reads", "lines", scope, "g_t", value=document["lines"][scope]["i_t"])
    refused("ragged", "lines", scope, "i_t", 0, value=[])
    refused("numbers", "lines", scope, "i_t", 0, 0, 0, value="one")
    refused("numbers", "lines", scope, "i_t", 0, 0, 0, value=True)
    steps, batch = document["steps"], document["batch"]
    both = {"lengths": [1] * batch, "mask": [[1] * batch] * steps}
    refused("both lengths and mask", "inputs", value={**document["inputs"], **both})
    refused("lengths", "inputs", value={**document["inputs"], "lengths": [99] * document["batch"]})
    refused("mask", "inputs", value={**document["inputs"], "mask": [[2] * batch] * steps})
    refused("no such stage", "inputs", "given", value={"7/forward": {"f_t": [[[1.0]]]}})
    refused("there is no array inputs/colour", "inputs", "colour", value=1)


def test_what_would_take_for_ever_is_refused_or_short(tmp_path: Path) -> None:
    start = time.process_time()
    document: dict[str, Any] = {"format": "lstm-trace/1", "cell": {}, "steps": 10**12, "batch": 10**12, "stages": []}
    with pytest.raises(RefusedError, match="more steps than the file has bytes"):
        checked(document, tmp_path)
    rows = ["a0 = outer(x_t, x_t)", *(f"a{n} = a{n - 1} * a{n - 1}" for n in range(1, 300))]
    stage = {"layer": 0, "direction": "forward", "equations": "\n".join(rows), "sources": {"x_t": "x"}}
    document |= {"steps": 1, "batch": 1, "stages": [stage], "inputs": {"x": [[[1.0, 1.0]]]}}
    document["lines"] = {"0/forward": {f"a{n}": [[[1.0] * 4]] for n in range(300)}}
    assert checked(document, tmp_path).proved == 1200
    document["lines"]["0/forward"]["a299"][0][0][2] = 2.0
    assert checked(document, tmp_path).findings[0].startswith("0/forward/0/0/a299[1,0]: ")
    assert time.process_time() - start < 2


def test_damaged_tensors_and_holds_are_refused(tmp_path: Path) -> None:
    data = (VECTORS / "tensors.safetensors").read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    path = tmp_path / "trace.safetensors"
    for why, file in (
        ("do not fill", data + b"x"),
        (
            "offsets",
            tensor_file({**header, "inputs/x": {**header["inputs/x"], "data_offsets": [-8, 8]}}, data[8 + size :]),
        ),
        ("longer than the file", data[:100]),
    ):
        path.write_bytes(file)
        with pytest.raises(RefusedError, match=why):
            ReadTrace(path)
    document = json.loads((VECTORS / "held.json").read_text(encoding="utf-8"))
    scope, names = next((scope, names) for scope, names in document["inputs"]["given"].items())
    name = next(name for name in names if name.startswith("hold_"))
    names[name][0][0][0] = 0.5
    with pytest.raises(RefusedError, match=f"{scope}/{name} is not 0 or 1"):
        checked(document, tmp_path)


def test_minus_zero_is_zero() -> None:
    assert list(ReadCell("h_t = tanh(x_t * -0)").lines) == ["x_t * 0", "h_t"]


def test_two_stages_that_read_each_other_are_refused(tmp_path: Path) -> None:
    stages = [
        {
            "layer": n,
            "direction": "forward",
            "equations": "input: u_t\nh_t = u_t",
            "sources": {"u_t": f"{1 - n}/forward/h_t"},
        }
        for n in (0, 1)
    ]
    lines = {f"{n}/forward": {"h_t": [[[5.0]]]} for n in (0, 1)}
    document = {"format": "lstm-trace/1", "cell": {}, "steps": 1, "batch": 1, "stages": stages, "lines": lines}
    with pytest.raises(RefusedError, match="has no source"):
        checked(document, tmp_path)


def one_line(equations: str, value: object, **other: object) -> dict[str, Any]:
    stage = {"layer": 0, "direction": "forward", "equations": equations, "sources": {"x_t": "x"}}
    document = {"format": "lstm-trace/1", "cell": {}, "steps": 1, "batch": 1, "stages": [stage]}
    return {**document, "inputs": {"x": [[[1.0]]]}, "lines": {"0/forward": {"h_t": [[value]]}}, **other}


def test_of_one_step_only_the_initial_value_of_a_state_is_read(tmp_path: Path) -> None:
    """`c_t` carries `h_prev` and is not in the file: of two steps, `h_t` cannot be decided."""
    text = "h_t = 2 * h_prev\nc_t = x_t\ncarry: h_prev <- c_t"
    document = one_line(text, [6.0])
    document["inputs"]["h0"] = {"0/forward": [[3.0]]}
    assert checked(document, tmp_path).status == 0
    document["lines"]["0/forward"]["h_t"] = [[[7.0]]]
    assert checked(document, tmp_path).status == 1
    document |= {"steps": 2, "inputs": document["inputs"] | {"x": [[[1.0]]] * 2}}
    document["lines"]["0/forward"]["h_t"] = [[[6.0]]] * 2
    assert checked(document, tmp_path).status == 3


@pytest.mark.parametrize(
    ("name", "x", "value"),
    [("q12.4", 720.0, 2047.9375), ("q12.4", -720.0, 0.0), ("q31.1", 1e9, 2**30 - 0.5), ("q32.0", 1000.0, 2**31 - 1)],
)
def test_fixed_point_is_limited_however_large_the_exact_value_is(
    name: str, x: float, value: float, tmp_path: Path
) -> None:
    document = one_line("h_t = exp(x_t)", [value], arithmetic=name)
    document["inputs"]["x"] = [[[x]]]
    assert checked(document, tmp_path).status == 0
    document["lines"]["0/forward"]["h_t"] = [[[value - 1.0]]]
    assert checked(document, tmp_path).status == 1


@pytest.mark.parametrize("text", ["h_t = W", "h_t = W @ x_t", "input: x_t, g\nh_t = g + x_t"])
def test_a_premise_without_values_is_not_decided(text: str, tmp_path: Path) -> None:
    document = one_line(text, [1.0])
    document["stages"][0]["sources"]["g"] = "given"
    found = checked(document, tmp_path)
    assert (found.status, found.proved) == (3, 0)
    assert "which is not in the file" in next(iter(found.unknown))
    del document["inputs"]
    assert checked(document, tmp_path).status == 3


def test_an_equation_is_printed_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "trace.json"
    path.write_text(json.dumps(one_line("h_t = x_t" + " " * 3000 + "+ 5" + " + x_t" * 600, [606.0])), encoding="utf-8")
    code, out, _ = program([str(path)], monkeypatch, capsys)
    assert code == 0
    assert "    h_t = x_t + 5" + " + x_t" * 600 + "\n" in out


def test_small_files_take_little_time_and_memory(tmp_path: Path) -> None:
    """Lengths of 10^15 positions, composites of composites, a sum of far more products than the file has numbers."""
    start, last = time.process_time(), 10**15 - 2
    document = one_line("h_t = x_t + 1", [2.0], first=last)
    document["inputs"]["lengths"] = [last + 1]
    assert checked(document, tmp_path).proved == 1
    document["inputs"]["lengths"] = [last + 0.5]
    with pytest.raises(RefusedError, match="lengths"):
        checked(document, tmp_path)
    rows = ["f(x, y, z, k) = k * y", *(f"g{n}(x, y) = g{n + 1}(x, f(x, y, y, 2))" for n in range(40)), "g40(x, y) = x"]
    with pytest.raises(RefusedError, match="too"):
        checked(one_line("\n".join([*rows, "h_t = g0(x_t, x_t)"]), [1.0]), tmp_path)
    text = "h_t = p\nsum: d <- " + " + ".join(["p"] * 200)
    document = one_line(text, [1.0], parameters={"0/forward": {"p": [1] * 1000}}, steps=5000)
    document |= {"lines": {}, "inputs": {}, "sums": {"0/forward": {"d": [5] * 1000}}}
    assert "far more factors" in next(iter(checked(document, tmp_path).unknown))
    names = [f"a{n}" for n in range(9000)]
    chain = [f"{name} = {before} + 1" for name, before in zip(names[1:], names, strict=False)]
    with pytest.raises(RefusedError, match="too"):
        checked(one_line("\n".join([*chain, f"matrix: {', '.join(names)}"]), [1.0]), tmp_path)
    carried = ", ".join(f"s{n} <- a{n}" for n in range(1200))
    text = "\n".join(
        ["a0 = x_t", *(f"a{n} = s{n - 1} + 1" for n in range(1, 1200)), f"carry: {carried}", "matrix: x_t"]
    )
    assert checked(one_line(text, [1.0], lines={"0/forward": {"a0": [[[1.0]]]}}), tmp_path).proved == 1
    assert time.process_time() - start < 4


def test_terms_of_a_sum_may_be_outer_products_and_vectors(tmp_path: Path) -> None:
    for text in ("outer(a, b) + q", "q + outer(a, b)"):
        rows = [
            "a = concat(x_t, x_t)",
            "b = concat(x_t, 2 * x_t)",
            "q = concat(a, b)",
            "h_t = W @ b",
            f"sum: d <- {text}",
        ]
        document = one_line("\n".join([*rows, "gradient: d <- W"]), [3.0, 3.0])
        document["parameters"] = {"0/forward": {"W": [[1.0, 1.0]] * 2}}
        document["lines"]["0/forward"] |= {"a": [[[1, 1]]], "b": [[[1, 2]]], "q": [[[1, 1, 1, 2]]]}
        document["sums"] = {"0/forward": {"d": [[2.0, 3.0], [2.0, 4.0]]}}
        found = checked(document, tmp_path)
        assert (found.refuted, found.status) == (0, 3)  # 2 * x_t is not in the file
        document["sums"]["0/forward"]["d"][1][0] = 2.5
        assert checked(document, tmp_path).findings[0].startswith("0/forward/d[1,0]: recorded 2.5, derived 2.0 ")
        document["sums"]["0/forward"]["d"] = [2.0, 3.0, 2.0, 4.0]
        with pytest.raises(RefusedError, match="wrong shape"):
            checked(document, tmp_path)


@pytest.mark.parametrize(
    ("terms", "operands"),
    [
        ("-a", ("-a", 1.0)),
        ("-a + outer(-a, b)", ("-a", 1.0, "-a", "b")),
        ("a - b + c", ("a - b", 1.0, "c", 1.0)),
        ("outer(a, b) + -outer(a, b)", ("a", "b", "-outer(a, b)", 1.0)),
        ("a - (b + c)", ("a - (b + c)", 1.0)),
        ("a + (b + c) + b", ("a", 1.0, "b + c", 1.0, "b", 1.0)),
    ],
)
def test_a_minus_in_a_sum_over_steps_belongs_to_an_operand(terms: str, operands: tuple[object, ...]) -> None:
    cell = ReadCell(f"input: a, b, c\nh_t = a\nsum: d <- {terms}")
    assert cell.sums["d"].operands == operands
    assert {name for name in operands if isinstance(name, str) and len(name) > 1} <= set(cell.lines)


@pytest.mark.parametrize(
    ("equations", "number", "why"),
    [
        ("h_t = x_t + 1", "1e999", "numbers"),
        ("h_t = x_t + 1", "NaN", "numbers"),
        ("h_t = x_t + 1", "1" * 10_000, "not JSON"),
        ("f(z) = z\nf(z) = z + 1\nh_t = f(x_t)", "2", "not a new name"),
        ("f(z, z) = z\nh_t = f(x_t, 2)", "2", "wrong arguments"),
        ("h_t = x_t[False:True]", "1", "whole numbers"),
        ("h_t = x_t[1:0]", "1", "width"),
        ("h_t = x_t[0:2]", "1", "do not fit slice"),
        ("h_t = ~x_t + 1", "2", "not allowed"),
        ("h_t = x_t\ncarry: s := h_t", "1", "not a new name"),
        ("h_t = x_t\nsum: d <- outer(x_t)", "1", "wrong operands"),
        ("h_t = x_t\nsum: d <- outer(x_t, z=x_t)", "1", "not allowed"),
    ],
)
def test_what_the_format_does_not_allow_is_refused(equations: str, number: str, why: str, tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    path.write_text(json.dumps(one_line(equations, ["NUMBER"])).replace('"NUMBER"', number), encoding="utf-8")
    with pytest.raises(RefusedError, match=why):
        Check(ReadTrace(path))
    path.write_text(json.dumps(one_line("h_t = x_t", [1.0])), encoding="utf-16")
    with pytest.raises(RefusedError, match="not JSON"):
        ReadTrace(path)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.json")
        with pytest.raises(RefusedError, match="no file"):
            ReadTrace(tmp_path / "pipe.json")


@pytest.mark.parametrize("name", ["inputs/initial", "inputs/given", "inputs/h0", "initial/0/forward", "lines/h_t"])
def test_tensors_have_the_names_of_the_page(name: str, tmp_path: Path) -> None:
    manifest = json.dumps({k: v for k, v in one_line("h_t = x_t", [1.0]).items() if k not in ("inputs", "lines")})
    header = {"__metadata__": {"manifest": manifest}, name: {"dtype": "F64", "shape": [1], "data_offsets": [0, 8]}}
    path = tmp_path / "trace.safetensors"
    path.write_bytes(tensor_file(header, bytes(8)))
    with pytest.raises(RefusedError, match=f"no array {name}"):
        ReadTrace(path)


def test_the_report_has_verdict_premises_and_equations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    good = ROOT / "traces" / "three-steps" / "trace.json"
    document = json.loads(good.read_text(encoding="utf-8"))
    code, out, err = program([str(good)], monkeypatch, capsys)
    assert (code, err) == (0, "")
    assert out.startswith(f"{check.shown(good)}: proved: 126 values proved, 0 refuted, 0 not decided\n")
    assert "W_xi [2, 3]" in out or "W_xi [2, " in out
    assert all(f"    {row}\n" in out for row in document["stages"][0]["equations"].splitlines())
    document["lines"]["0/forward"]["h_t"][1][0][1] += 1e-12
    bad = tmp_path / "bad.json"
    bad.write_text(json.dumps(document), encoding="utf-8")
    code, out, _ = program([str(good), str(bad), "--quiet"], monkeypatch, capsys)
    assert code == 1
    assert "\n  refuted: 0/forward/1/0/h_t[1]: recorded " in out
    assert "W_xi" not in out.replace("W_xi @", "")
    code, out, err = program([str(tmp_path / "gone.json"), str(bad), "--quiet"], monkeypatch, capsys)
    assert (code, err.count("\n")) == (2, 1)
    assert "refuted" in out


def test_the_file_stands_alone() -> None:
    source = Path(check.__file__).read_text(encoding="utf-8")
    imported = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(source))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or "."]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported <= set(sys.stdlib_module_names) | {"__future__"}
    assert not re.search(r"\b(eval|exec|compile|pickle|__import__)\(", source.replace("re.compile(", ""))
