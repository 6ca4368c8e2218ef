"""Errors of ours are also ValueError, KeyError and OSError: no handler of these in the package takes one by mistake.

A handler is safe if nothing within its `try` is of the package, or if one before it passes errors of ours on. The
others are listed, each with its reason.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import lstm_trace
from lstm_trace import errors

from .test_rooms import statements

PACKAGE = Path(lstm_trace.__file__).parent
OURS = {name: kind for name, kind in vars(errors).items() if isinstance(kind, type)}
#: The exceptions of Python that errors of ours are, with their base classes.
SHARED = {
    base.__name__ for kind in OURS.values() if issubclass(kind, errors.LstmTraceError) for base in kind.__mro__
} - {*OURS, "Exception", "BaseException", "object"}
#: Why errors of ours cannot arise within a `try`, or are meant to be handled there.
REASONS = {
    "what is called uses the file system alone, or a pipe": [
        "base/unread.py: refuse", "base/writing.py: _claimed", "base/writing.py: _sweep", "base/writing.py: written",
        "corpus/running.py: _folder",
        "engine/jit/machine.py: _content", "engine/jit/machine.py: cache_directory",
        "engine/jit/machine.py: write_entry", "service/server.py: _free_after", "service/server.py: _listening",
        "store/files.py: as_store_error", "store/store.py: delete", "store/store.py: open",
        "trace/files/trace_file.py: is_trace", "workers/process.py: call", "workers/process.py: main",
        "workers/process.py: wait_ready",
    ],
    "what is called raises a plain ValueError or LookupError, which is meant": [
        "base/arrays.py: to_arrays", "base/writing.py: write", "cell/parse.py: _sorted", "documents/wire.py: decoded",
        "engine/inputs.py: common_dtype", "formulas/printer.py: _written", "formulas/user_tex.py: translated",
        "mistakes/trials.py: _rewritten", "model/build.py: _unfit", "model/problem.py: _read",
        "one_value/derivation.py: verified", "remote/client.py: _answer", "report/compact/stages.py: _of_unit",
        "weights/formats/keras.py: _one", "weights/option_text.py: _valued",
    ],
    "an error of ours is of another kind": [
        "tracking/probe.py: _labels", "weights/onnx/constants.py: _external", "weights/onnx/constants.py: load",
        "corpus/cluster.py: by_cluster",
    ],
    "an error of ours is meant as well": [
        "cli/commands.py: convert", "runs/corpus_states.py: units", "runs/kept.py: opened", "runs/kept.py: record",
        "runs/runs.py: open", "trace/files/manifest.py: readable",
    ],
}  # fmt: skip


def calls_ours(body: list[ast.stmt], own: set[str]) -> bool:
    """Whether statements call something that the package defines, or yield to unknown code."""
    for node in (node for statement in body for node in ast.walk(statement)):
        if isinstance(node, ast.Yield | ast.YieldFrom):
            return True
        if isinstance(node, ast.Call):
            name = node.func
            while isinstance(name, ast.Attribute | ast.Subscript | ast.Call):
                name = name.func if isinstance(name, ast.Call) else name.value
            if isinstance(name, ast.Name) and name.id in own:
                return True
    return False


def named(kind: ast.expr | None) -> set[str]:
    """The last names of the exceptions of a handler."""
    if kind is None:
        return {"BaseException"}
    return {ast.unparse(one).rpartition(".")[2] for one in (kind.elts if isinstance(kind, ast.Tuple) else [kind])}


def handlers() -> Iterator[str]:
    """The file and function of each handler that could take an error of ours."""
    for path in sorted(PACKAGE.rglob("*.py")):
        if not re.search(r"except\b|suppress\(", text := path.read_text("utf-8")):
            continue  # most files, which take some time to parse
        tree = ast.parse(text)
        own = {"self", "cls"}
        for node in statements(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                own.add(node.name)
            elif isinstance(node, ast.ImportFrom) and node.level:
                own |= {name.asname or name.name for name in node.names}
        where = f"{path.relative_to(PACKAGE).as_posix()}: "
        for function in statements(tree):
            if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            for node in statements(function):
                passed = False
                for handler in node.handlers if isinstance(node, ast.Try) else ():
                    kinds = named(handler.type)
                    passed |= bool(kinds & {"LstmTraceError", "FileError", "ShapeError"})
                    if kinds & SHARED and not passed and calls_ours(node.body, own):
                        yield where + function.name
                if isinstance(node, ast.With) and calls_ours(node.body, own):
                    for item in (item.context_expr for item in node.items if isinstance(item.context_expr, ast.Call)):
                        if ast.unparse(item.func) == "suppress" and set(map(ast.unparse, item.args)) & SHARED:
                            yield where + function.name


def test_every_handler_that_could_take_an_error_of_ours_has_a_reason() -> None:
    assert {"ValueError", "KeyError", "LookupError", "FileNotFoundError", "OSError"} == SHARED
    found, known = set(handlers()), {where for those in REASONS.values() for where in those}
    assert sorted(found - known) == [], "pass errors of ours on (except LstmTraceError: raise), or say why not"
    assert sorted(known - found) == []
