"""Command lines: every command with odd values of its options; one verdict or one message, and no file is spoiled."""

from __future__ import annotations

import random
import time
import warnings
from contextlib import chdir
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
import numpy as np
from click.testing import CliRunner

import lstm_trace as lt
from lstm_trace.cli import VERBS, main
from lstm_trace.cli.commands import OutputPath
from lstm_trace.examples import examples, text

from .damage import ODD, flipped, torn

#: Commands that stand for exit code 1: it is a verdict.
_JUDGES = {"diff", "verify", "identify", "corpus verify", "doctor"}
_LONG = {"serve", "doctor"}  # the one ends when it is stopped, the other has no options
_ODD = tuple(str(value) for value in ODD if not isinstance(value, str) or "\x00" not in value)
_TEXTS: dict[str, tuple[str, ...]] = {
    "--record": ("h_t", "h_t,c_t", "f_t * c_prev", "h"),
    "--only": ("h_t", "i_t,f_t", "tanh(c_t)", "max(a, b)"),
    "--steps": ("0", "1:", ":2", "-1", "2:1", "9:"),
    "--of": ("2/c_t[1]", "0/forward/2/0/h_t[0]", "h_t", "1/h_t[0]", "0/0/c_t[1]", "L", "1/L", "b_i[0]"),
    "--hold": ("c_t[0]=0", "f_t=1", "h_t=*0.5", "1/c_t[1]=2", "c_t=nan", "h_t=t.json"),
    "--gradient-of": ("1/h_t[0]", "L", "h_t"),
    "--attribute": ("2/h_t[0]", "c_t[1]", "2/c_t[1]"),
    "--digits": ("4", "W=2", "h_t=3", "0"),
    "--title": ("A title", "<b>&$x_1$"),
    "--unit": ("0", "0,1", "1"),
    "--units": ("c_t[0]", "c_t[0],c_t[1]", "h_t[0]"),
    "--line": ("h_t", "c_t"),
    "--layout": ("keras", "torch", "names", "onnx"),
    "--option": ("merge=sum", "gate_activation=hard_sigmoid", "candidate_activation=relu,x=1", "=,"),
    "--arithmetic": ("float32", "q4.12", "bfloat16", "by-hand-3"),
    "--occlusion": ("all", "none", "3"),
    "--optimizer": ("sgd", "adam", "momentum"),
    "--constant": ("momentum=0.9", "beta1=2"),
    "--parameters": ("W_xi", "W_xi,b_f"),
    "--to": ("0", "mean", "zero"),
    "--tokens": ("characters", "words", "whitespace"),
    "--sequences": ("paragraphs", "lines", "file"),
    "--vocabulary": ("model:vocabulary",),
    "--unknown": ("other", "error"),
    "--target": ("t", "token", "length"),
    "--metric": ("output", "label"),
    "--sort": ("std", "memory", "mean"),
    "--sample": ("5", "all", "10%"),
    "--format": ("json", "md", "html", "csv", "text", "xlsx", "svg"),
    "--heading-level": ("2", "7"),
    "--name": ("lstm", "0"),
}
_SUFFIXES = (
    ".json", ".safetensors", ".md", ".html", ".txt", ".tex", ".csv", ".tsv", ".jsonl", ".svg", ".png", ".xlsx",
    ".parquet", ".odd",
)  # fmt: skip
_SKIPPED = {"--scheduler", "--workers", "--help"}  # these start processes
_HOW_LONG = 30.0  # seconds for one command; those of a person take two


def check(rng: random.Random, folder: Path) -> str:
    """One command: exit code 0, 1 for a verdict, or 2 with one message and nothing written."""
    name, command = rng.choice(_commands())
    home = folder / f"{rng.getrandbits(64):x}"
    home.mkdir()
    arguments = _arguments(rng, command, home)
    before, begin = _stamp(), time.perf_counter()
    with warnings.catch_warnings(), chdir(_folder()):  # bare names of `--hold` are found there
        warnings.simplefilter("ignore")  # as for a person; what `main` does not hide of its own is on stderr
        ran = CliRunner().invoke(main, [*name.split(), *arguments], input=_stdin(rng))
    said = f"lstm-trace {name} {' '.join(map(repr, arguments))}\n{ran.stderr[:1000]}"
    assert time.perf_counter() - begin < _HOW_LONG, f"{time.perf_counter() - begin:.0f} s: {said}"
    assert _stamp() == before, f"an input was changed: {said}"
    assert ran.exit_code in (0, 1, 2), f"exit code {ran.exit_code}: {said}"
    assert ran.exit_code != 1 or name in _JUDGES, f"exit code 1 is no verdict of it: {said}"
    assert "a bug in lstm-trace" not in ran.stderr, said
    pictures = ran.stdout_bytes[:8].startswith((b"\x89PNG", b"PK"))  # not for a terminal
    assert pictures or "\x1b" not in ran.stdout + ran.stderr, f"an escape is printed: {said}"
    left = sorted(str(path.relative_to(home)) for path in home.rglob("*") if path.is_file())
    assert not any(".part" in one for one in left), f"{left}: {said}"
    if ran.exit_code == 2:
        assert ran.stderr.startswith("error: "), said
        assert ran.stderr.count("\nerror: ") == 0, f"several messages: {said}"
        assert len(ran.stderr) < 20_000, f"a message of {len(ran.stderr)} characters: {said[:500]}"
        assert not ran.stdout, f"refused, with {ran.stdout[:200]!r} on standard output: {said}"
        assert not left or name == "corpus run", f"refused, with {left} written: {said}"
        return "refused"
    assert "error: " not in ran.stderr, said
    return "a verdict" if ran.exit_code else "done"


@cache
def _commands() -> list[tuple[str, click.Command]]:
    """Every command by its words."""
    found: list[tuple[str, click.Command]] = []
    for verb in VERBS:
        if verb in _LONG:
            continue
        command = main.load(verb)  # type: ignore[attr-defined]
        verbs = getattr(command, "verbs", None)
        if verbs is None:
            found.append((verb, command))
        elif find_spec("pyarrow"):
            found += [(f"{verb} {one}", command.get_command(click.Context(command), one)) for one in verbs]
    return found


def _arguments(rng: random.Random, command: click.Command, home: Path) -> list[str]:
    """Arguments with a few options; most of them are of the kind that is expected."""
    found: list[str] = []
    options = [each for each in command.params if isinstance(each, click.Option) and each.opts[-1] not in _SKIPPED]
    needed = [each for each in options if each.required and rng.random() < 0.97]
    for option in needed + rng.sample(options, min(len(options), rng.choice((0, 0, 0, 1, 1, 1, 2, 3, 5)))):
        flag = rng.choice(option.opts)
        found += [flag] if option.is_flag else [flag, _value(rng, option, home)]
    for argument in command.params:
        if isinstance(argument, click.Argument):
            count = rng.choice((1, 1, 1, 2, 3)) if argument.nargs == -1 else rng.random() < 0.98
            for _ in range(count):
                found.insert(rng.choice((0, len(found))), _value(rng, argument, home))
    return found if rng.random() < 0.97 else rng.sample(found, len(found))


def _value(rng: random.Random, parameter: click.Parameter, home: Path) -> str:
    """A value for a parameter: what it is for, in most cases."""
    kind: Any = parameter.type
    if rng.random() < 0.12:
        return rng.choice(_ODD)
    if isinstance(kind, OutputPath) or (isinstance(kind, click.Path) and parameter.name == "output"):
        return rng.choice(("-", *(str(home / f"out{suffix}") for suffix in _SUFFIXES), str(home), "/dev/full"))
    if isinstance(kind, click.Path):
        return rng.choice((*map(str, _inputs()), "-") if rng.random() < 0.97 else ("nowhere.json", str(home)))
    if isinstance(kind, click.Choice):
        return str(rng.choice(list(kind.choices)))
    if isinstance(kind, click.types.IntParamType):
        return str(rng.choice((0, 1, 2, 3, 7, -1, 10**6, 1 << 70)))
    if isinstance(kind, click.types.FloatParamType):
        return rng.choice(("0", "0.5", "1e-6", "-1", "nan", "inf", "1e308"))
    if parameter.name == "name" and isinstance(parameter, click.Argument):
        return rng.choice(sorted(examples()))
    texts = _TEXTS.get(parameter.opts[-1], ()) or _TEXTS.get(parameter.opts[0], ())
    return rng.choice(texts or _ODD)


def _stdin(rng: random.Random) -> bytes:
    content = text(rng.choice(sorted(examples()))).encode()
    return rng.choice((content, flipped(rng, content), torn(rng, content), b"", bytes(range(256))))


def _stamp() -> list[tuple[str, int, int]]:
    """Names, sizes and times of the inputs: none of them may be written."""
    found = ((path, path.stat()) for root in (_folder(), _folder() / "states") for path in root.glob("*"))
    return sorted((path.name, stat.st_size, stat.st_mtime_ns) for path, stat in found if path.is_file())


@cache
def _inputs() -> list[Path]:
    """Files of all kinds, some of them good ones of another kind, and a folder."""
    return [*sorted(_folder().iterdir()), _folder()]


@cache
def _folder() -> Path:
    """The inputs, made once in each process."""
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="lstm-trace-fuzz-"))
    for name in examples():
        (folder / f"{name}.yaml").write_text(text(name), encoding="utf-8")
    rng = np.random.default_rng(1)
    trace = lt.run(folder / "three-steps.yaml")
    trace.save(folder / "t.json")
    trace.save(folder / "t.safetensors")
    lt.run(folder / "gru.yaml").save(folder / "gru.json")
    lt.backward(lt.run(folder / "three-steps.yaml"), of="2/h_t[0]").save(folder / "back.json")
    trace.to_frame("long").to_csv(folder / "values.csv", index=False)
    parts = [(f"{name}_l0", shape) for name, shape in (("weight_ih", (8, 3)), ("weight_hh", (8, 2)), ("bias_ih", (8,)))]
    arrays = {name: rng.normal(size=shape) for name, shape in (*parts, ("bias_hh_l0", (8,)))}
    np.savez(folder / "model.npz", **arrays)
    x = rng.normal(size=(5, 3))
    np.save(folder / "x.npy", x)
    np.savetxt(folder / "x.csv", x, delimiter=",")
    np.save(folder / "h.npy", lt.run(folder / "model.npz", x)["h_t"][:, 0])
    np.save(folder / "lengths.npy", np.array([4]))
    (folder / "tokens.txt").write_text("a\nb\n=1\nd\ne\n")
    (folder / "text.txt").write_text('He said "no".\n\nAnd "yes" they said.\n')
    (folder / "damaged.json").write_bytes((folder / "t.json").read_bytes()[:900])
    (folder / "empty.yaml").touch()
    if find_spec("pyarrow"):
        given = ["--inputs", folder / "text.txt", "--sequences", "paragraphs", "--unknown", "other"]
        lines = [*map(str, ["corpus", "run", folder / "quotes.yaml", *given, "-o", folder / "states"])]
        ran = CliRunner().invoke(main, lines)
        assert ran.exit_code == 0, ran.output
    return folder
