"""Fills in what the documentation says of the package from the package itself: `python -m docs.generated`.

A page has a pair of comments, `<!-- generated: NAME -->` and `<!-- end -->`, on lines of their own; what `TEXTS[NAME]`
returns stands between them. `FILES` are whole files that are made likewise. `tests/test_generated.py` fails for what is
not current, and `make golden` writes it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from importlib import import_module
from inspect import cleandoc, getdoc
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import click

import lstm_trace
from docs import trace_format
from lstm_trace.base.unread import unread
from lstm_trace.cell.composites import BUILT_IN
from lstm_trace.cell.notations import notations, spellings
from lstm_trace.cli import main
from lstm_trace.errors import some
from lstm_trace.export.formats import TABLE_FORMATS
from lstm_trace.mistakes.table import ROWS
from lstm_trace.plot import kinds

ROOT = Path(__file__).parents[1]
PACKAGE = Path(lstm_trace.__file__).parent
PAGES = (*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md", ROOT / "ARCHITECTURE.md", ROOT / "CONTRIBUTING.md")
_MARKED = re.compile(r"(<!-- generated: ([\w-]+) -->\n).*?(<!-- end -->)", re.S)


def filled(page: str) -> str:
    """A page with all that is generated in it."""
    return _MARKED.sub(lambda found: f"{found[1]}\n{TEXTS[found[2]]().strip()}\n\n{found[3]}", page)


def table(heads: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    escaped = [[cell.replace("|", chr(92) + "|") for cell in row] for row in rows]
    lines = [heads, ["---"] * len(heads), *escaped]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


# -- pictures --------------------------------------------------------------------------------------------------------


def _pictures() -> dict[str, tuple[str, Callable[..., Any]]]:
    """The kinds of pictures that the files of `plot/kinds` have: module and function; new ones last."""
    modules = [import_module(f"{kinds.__name__}.{one.name}") for one in iter_modules(kinds.__path__)]
    every = {
        name: (module.__name__.rpartition(".")[2], made)
        for module in modules
        for name, made in vars(module).items()
        if getattr(made, "is_picture", False) and made.__module__ == module.__name__
    }
    order = list(kinds.KINDS)
    return dict(sorted(every.items(), key=lambda item: order.index(item[0]) if item[0] in order else len(order)))


def _described() -> dict[str, dict[str, Any]]:
    return {
        name: {
            "module": module,
            "about": (getdoc(made) or "").partition("\n\n")[0].replace("\n", " "),
            "options": kinds.described(made.__wrapped__),  # type: ignore[attr-defined]
        }
        for name, (module, made) in _pictures().items()
    }


def _kinds_json() -> str:
    return json.dumps(_described(), ensure_ascii=False, indent=1) + "\n"


#: How the stub writes the type of an option, by its control.
_TYPES = {
    "units": "int | Sequence[int] | None", "lines": "Sequence[str] | str | None", "gates": "Sequence[str] | str | None",
    "number": "int | None", "direction": "Direction | None", "steps": "slice | int | None", "share": "float",
    "language": "Language", "source": "Trace | Model", "baseline": "Trace | str | int", "runs": "str | int",
}  # fmt: skip


def _stub() -> str:
    """The methods of `trace.plot` for editors."""
    lines = [
        '"""The methods of `trace.plot`, made from the functions of `kinds/` by `make golden`."""', "",
        "from collections.abc import Sequence", "from typing import Literal", "",
        "from ..cell.network import Direction", "from ..languages import Language", "from ..model.model import Model",
        "from ..trace.trace import Trace", "from .figure import Figure", "", "class Plots:",
        "    trace: Trace", "    def __init__(self, trace: Trace) -> None: ...",
    ]  # fmt: skip
    pictures = _pictures()
    for name, made in (("__call__", pictures[kinds.USUAL][1]), *((name, made) for name, (_, made) in pictures.items())):
        options = []
        for one in kinds.described(made.__wrapped__):  # type: ignore[attr-defined]
            words = f"Literal[{', '.join(map(json.dumps, one['choices']))}]" if one["control"] == "choice" else "str"
            kind = _TYPES.get(one["control"], words) + (
                "" if one["required"] or one["default"] is not None else " | None"
            )
            kind = kind.replace("| None | None", "| None")
            usual = "None" if one["default"] is None else json.dumps(one["default"])
            options.append(f"{one['name']}: {kind}" + ("" if one["required"] else f" = {usual}"))
        lines += [f"    def {name}(", "        self,", *(f"        {one}," for one in options), "    ) -> Figure:"]
        doc = cleandoc(made.__doc__ or "").replace("\n", "\n        ").replace("        \n", "\n")
        lines += [f'        """{doc}', '        """', ""]
    return "\n".join([*lines, "def plots(trace: Trace) -> Plots: ..."]) + "\n"


def _plot_kinds() -> str:
    return table(["kind", "what it shows"], [[f"`{name}`", one["about"]] for name, one in _described().items()])


def _plot_options() -> str:
    """Each option with the kinds that have it; those with another meaning have a row of their own."""
    rows: dict[tuple[str, str], list[str]] = {}
    described = _described()
    for kind, one in described.items():
        for option in one["options"]:
            flag = {"lines": "line"}.get(option["name"], option["name"])
            rows.setdefault((flag, option["help"]), []).append(f"`{kind}`")
    return table(
        ["option", "kinds", "meaning; in brackets what holds without it"],
        [[f"`--{flag}`", "all" if len(have) == len(described) else ", ".join(have), meaning]
         for (flag, meaning), have in rows.items()],
    )  # fmt: skip


# -- commands and functions --------------------------------------------------------------------------------------------


def _commands(group: click.Group = main, path: str = "lstm-trace") -> Iterator[list[str]]:
    """Each command with its arguments and the first sentences of its help; a group has a row for each of its own."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from _commands(command, f"{path} {name}")
        else:
            words = command.collect_usage_pieces(click.Context(command))
            about = " ".join((command.help or "").partition("\n\n")[0].split())
            yield [f"`{' '.join([path, name, *(word for word in words if word != '[OPTIONS]')])}`", about]


def _json() -> str:
    """The keys of each JSON Schema of a result, with their descriptions."""
    rows = []
    for path in sorted((PACKAGE / "results" / "schemas").glob("*.json")):
        schema = json.loads(path.read_text(encoding="utf-8"))
        part = schema["items"]["anyOf"][0] if schema["type"] == "array" else schema
        said = ((f"`{key}`", one.get("description")) for key, one in part["properties"].items())
        keys = "; ".join(f"{key}: {meaning}" if meaning else key for key, meaning in said)
        rows.append([f"`{path.stem}`", schema["description"].replace(" with --format json", ""), keys])
    return table(["schema", "what it describes", "keys"], rows)


def _functions() -> str:
    rows = [[f"`{one.signature}`", f"`{one.body}`"] for name, one in BUILT_IN.items() if name != "quotient"]
    return table(["function", "definition"], rows)


def _notations() -> str:
    """The names of each notation's matrices, gate by gate, in each of its spellings; what else it calls otherwise."""
    rows = []
    for name, row in notations().items():
        cells, more = [], []
        for cell in ("lstm", "gru", "rnn"):
            each = [one.names for one in spellings(cell) if one.notation == name]
            pairs = [
                [dict.fromkeys((names[f"W_x{g[3:]}"], names[g])) for g in names if g.startswith("W_h")]
                for names in each
            ]
            cells.append("; or ".join(", ".join(f"`{' '.join(pair)}`" for pair in gates) for gates in pairs))
            own = row.get(cell, {})
            more += [f"`{ours}` is `{theirs}`" for ours, theirs in own.get("lines", {}).items()]
            more += [f"`{option}: {str(value).lower()}`" for option, value in own.get("options", {}).items()]
        more += ["matrices (columns, rows)"] if "transposed" in row["forms"][-1] else []
        more += [f"{form['input'].format('…')}: (columns, rows)" for form in row["forms"][:-1] if "transposed" in form]
        more += [row["note"]] if "note" in row else []
        rows.append([f"`{name}`", f"{row['title']} ({row['source']})", *cells, "; ".join(dict.fromkeys(more))])
    return table(["notation", "whose", "LSTM", "GRU", "plain RNN", "also"], rows)


# -- the service -----------------------------------------------------------------------------------------------------


def _formats() -> str:
    return table(["suffix", "what is written"], [[f"`{one.suffix}`", one.about] for one in TABLE_FORMATS.values()])


def _unread() -> str:
    """The formats that are not read, with what to do instead."""
    told = ((row.what, *row.advice("'FILE'").partition(": import")) for row in unread())
    return table(["what is not read", "instead"], [[a, f"{b}: `import{d}`" if c else b] for a, b, c, d in told])


def _routes() -> str:
    """The requests that the description of the API has: each with its parameters, and what it answers."""
    app, settings, workers = (import_module(f"lstm_trace.{n}") for n in ("service.app", "service.settings", "workers"))
    description = app.create_app(settings.Settings(), workers.Workers()).openapi()
    rows = []
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            query = [one["name"] for one in operation.get("parameters", ()) if one["in"] == "query"]
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
            body = description["components"]["schemas"][body["$ref"].rpartition("/")[2]] if "$ref" in body else body
            asked = ", ".join(f"`{name}`" for name in (*query, *body.get("properties", ())))
            said = " ".join(operation["description"].split())
            rows.append([f"`{method.upper()} {path.removeprefix('/api/v1')}`", asked, said])
    return table(["request", "parameters, or members of the body", "what it does"], rows)


def _mistakes() -> str:
    """The rows of the table of mistakes: what is rewritten, or the word, and the values that it has."""
    rows = []
    for row in ROWS.values():
        both = [f"`{one}`" for one in (row.change, row.also) if one]
        change = f"word: {row.word}" if row.word else " and ".join(both)
        rows.append([f"`{row.key}`", change, some([f"`{value}`" for value in row.values if value], 6)])
    return table(["row", "what is rewritten", "values ({k}), or what the word is given"], rows)


# -- all of it -------------------------------------------------------------------------------------------------------


TEXTS: dict[str, Callable[[], str]] = {
    "plot-kinds": _plot_kinds, "plot-options": _plot_options, "formats": _formats, "routes": _routes,
    "functions": _functions, "json": _json, "unread": _unread, "notations": _notations,
    "mistakes": _mistakes,
    "trace-example": trace_format.example,
    "trace-functions": trace_format.functions,
    "trace-operations": lambda: table(
        ["written", "operation", "value", "width", "bound"], trace_format.operations()
    ),
    "trace-names": lambda: table(["equations", "lines, in order of computation"], trace_format.names()),
    "commands": lambda: table(["command", "what it does"], list(_commands())),
}  # fmt: skip
FILES: dict[Path, Callable[[], str]] = {kinds.TABLE: _kinds_json, PACKAGE / "plot" / "plots.pyi": _stub}


def write() -> None:
    """Write everything that is not current."""
    for path, made in FILES.items():
        _keep(path, made())
    for page in PAGES:
        _keep(page, filled(page.read_text(encoding="utf-8")))


def _keep(path: Path, text: str) -> None:
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
