"""The order of the rooms: an import never runs up the list, inside of a function either, and none goes in a circle."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

from . import ROOT

PACKAGE = ROOT / "lstm_trace"
#: From low to high. A name with a dot is a room within a room, or a file that stands above its room.
ROOMS = (
    "printable", "errors", "base", "examples", "checker", "cell", "cell.variants", "cell.network", "trace",
    "trace.files", "formulas", "languages", "documents", "engine.plan", "engine.jit", "engine", "weights",
    "weights.onnx", "weights.formats", "weights.live_modules", "model", "verification", "backpropagation",
    "explanation", "mistakes", "lifting", "view", "frames", "plot", "report.content", "report.in_words",
    "report.compact", "report.sections", "report.diagram", "report.page", "report", "one_value", "results", "export",
    "export.excel", "offline", "corpus", "tracking", "workers", "store", "runs", "service", "service.routes",
    "service.app", "service.server", "remote", "api", "testing", "cli", "cli.verbs",
)  # fmt: skip
#: The page of the service; what others wrote keeps the size that it was published in.
PAGE, VENDORED = PACKAGE / "service" / "static", PACKAGE / "service" / "static" / "vendor"
#: The room of JavaScript below the page, which computes without one.
LINES = PACKAGE / "lines"
#: A folder is listed at a glance, and a file is one subject, read from top to bottom.
MOST_FILES, MOST_LINES = 20, 500
#: The checker is one file, to be kept beside traces, and read as a whole.
WHOLE = {"checker/check.py": 800}

FILES = {
    ".".join(p.relative_to(PACKAGE).with_suffix("").parts).removesuffix("__init__").rstrip("."): p
    for p in PACKAGE.rglob("*.py")
}


def room(module: str) -> int:
    """The place in `ROOMS` of the longest name that `module` begins with; the package's face stands above all."""
    parts = module.split(".")
    for k in (2, 1):
        if ".".join(parts[:k]) in ROOMS:
            return ROOMS.index(".".join(parts[:k]))
    assert module in ("", "__main__"), f"{module} stands in no room of the list"
    return len(ROOMS)


parsed = cache(ast.parse)


@cache
def imports(module: str, text: str) -> tuple[str, ...]:
    """The modules of ours that run when `text` is imported or called: all but those for types alone."""
    return tuple(_imports(module, text))


def statements(tree: ast.AST) -> Iterator[ast.AST]:
    """Those that run, in functions too, and none for types alone; expressions, most of a tree, are not visited."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            yield from statements(ast.Module(node.orelse, []))
        elif isinstance(node, (ast.stmt, ast.excepthandler, ast.match_case)):
            yield node
            yield from statements(node)


def _imports(module: str, text: str) -> Iterator[str]:
    package = module if FILES[module].name == "__init__.py" else module.rpartition(".")[0]
    for node in statements(parsed(text)):
        if isinstance(node, ast.Import):
            yield from (a.name.removeprefix("lstm_trace.") for a in node.names if a.name.startswith("lstm_trace."))
        if not isinstance(node, ast.ImportFrom):
            continue
        if node.level == 0:
            if (node.module or "").split(".")[0] != "lstm_trace":
                continue
            start = (node.module or "").split(".")[1:]
        else:
            above = package.split(".") if package else []
            start = above[: len(above) - node.level + 1] + (node.module.split(".") if node.module else [])
        for alias in node.names:
            whole = ".".join([*start, alias.name])
            yield whole if whole in FILES else ".".join(start)


def runs_up(module: str, text: str) -> list[str]:
    return [
        f"{module} imports {other}, which stands above it"
        for other in imports(module, text)
        if room(other) > room(module) and other != ""
    ]


def test_no_import_runs_up() -> None:
    found = [fault for module, path in FILES.items() for fault in runs_up(module, path.read_text(encoding="utf-8"))]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("cell.parse", "from ..trace.trace import Trace"),
        ("trace.trace", "def report():\n    from ..report import report"),
        ("trace.rows", "from .files.schema import FORMAT"),
        ("engine.plan.plan", "from ..run import Job"),
        ("report.sections.solution", "import lstm_trace.report.report"),
        ("weights.read", "from .formats import arrays"),
        ("explanation.memory", "from lstm_trace import api"),
    ],
)
def test_an_arrow_that_is_turned_up_is_found(module: str, line: str) -> None:
    assert runs_up(module, FILES[module].read_text(encoding="utf-8") + f"\n{line}\n")
    typed = f"if TYPE_CHECKING:\n    from {'.' * (module.count('.') + 1)}api import run"
    assert not runs_up(module, f"{typed}\n")


def test_no_import_goes_in_a_circle() -> None:
    left = {
        module: set(imports(module, path.read_text(encoding="utf-8"))) - {"", module} for module, path in FILES.items()
    }
    while free := {module for module, needed in left.items() if not needed & left.keys()}:
        left = {module: needed for module, needed in left.items() if module not in free}
    assert not left, f"these import each other: {', '.join(sorted(left))}"


def test_folders_and_files_are_small() -> None:
    for folder in {path.parent for path in FILES.values()}:
        held = [path for path in folder.glob("*.py") if path.name != "__init__.py"]
        assert len(held) <= MOST_FILES, f"{folder.name} has {len(held)} files"
    assert not long(FILES.values())


def test_folders_and_files_of_the_page_are_small() -> None:
    files = [path for room in (PAGE, LINES) for path in room.rglob("*") if path.is_file()]
    files = [path for path in files if VENDORED not in path.parents]
    folders = Counter(str(path.parent.relative_to(PACKAGE)) for path in files)
    assert not {folder: held for folder, held in folders.items() if held > MOST_FILES}
    assert not long(path for path in files if path.suffix in (".js", ".css"))


def test_the_lines_import_nothing_above_them() -> None:
    """Neither the page nor its document, and none of each other in a circle."""
    left = {}
    for path in LINES.glob("*.js"):
        text = path.read_text(encoding="utf-8")
        asked = re.findall(r"""(?:^import|^export) [^;]*?from "([^"]+)";|\bimport\("([^"]+)"\)(?!\.)""", text, re.M)
        left[f"./{path.name}"] = {one or other for one, other in asked}
        assert not re.search(r"\b(document|window|globalThis|fetch|eval|Function)\b[.(]", text), path.name
    assert not {name: found - left.keys() for name, found in left.items() if found - left.keys()}
    while free := {name for name, needed in left.items() if not needed & left.keys()}:
        left = {name: needed for name, needed in left.items() if name not in free}
    assert not left, f"these import each other: {', '.join(sorted(left))}"


def long(files: Iterable[Path]) -> dict[str, int]:
    """The files that have too many lines, and how many."""
    lines = {str(path.relative_to(PACKAGE)): path.read_text(encoding="utf-8").count("\n") for path in files}
    return {name: n for name, n in lines.items() if n > WHOLE.get(name, MOST_LINES)}


def test_every_room_says_what_it_is_for() -> None:
    for folder in {path.parent for path in FILES.values()}:
        assert ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))), folder


def test_tests_mirror_the_rooms() -> None:
    apart = {
        "support",
        "browser",
        "frameworks",
        "fuzz",
        "golden",
        "load",
        "office",
    }  # jobs of their own, and what tests share
    for path in [*(ROOT / "tests").rglob("test_*.py"), *(ROOT / "tests").rglob("slow_*.py")]:
        parts = Path(path).relative_to(ROOT / "tests").parts[:-1]
        assert not parts or parts[0] in apart or (PACKAGE / Path(*parts)).is_dir(), path


@pytest.mark.few(0)
def test_every_class_has_a_name_of_its_own() -> None:
    files: dict[str, list[str]] = {}
    for path in FILES.values():
        for node in statements(parsed(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                files.setdefault(node.name, []).append(str(path.relative_to(PACKAGE)))
    assert not {name: found for name, found in files.items() if len(found) > 1}


def test_what_a_module_of_the_lines_exports_is_imported() -> None:
    """By name, or with all that it has. What only its module reads is not exported, so that it is seen when unused."""
    texts = [path.read_text("utf-8") for path in PACKAGE.rglob("*.js")]
    texts += [path.read_text("utf-8") for path in (ROOT / "tests").rglob("*") if path.suffix in (".py", ".mjs")]
    lists = re.findall(r"\b@?import \{([^}]*)\}", "".join(texts))
    used = {name.split(" as ")[0].strip() for names in lists for name in names.split(",")}
    used |= set(re.findall(r'\.js"\)\.(\w+)', "".join(texts)))
    whole = set(re.findall(r'(?:import \* as \w+ from "|f"\{\w+\})[^"]*/(\w+\.js)"', "".join(texts)))
    exported = re.compile(r"^export (?:async )?(?:function\*?|class|const|let) (\w+)", re.M)
    modules = [
        path for path in (*LINES.rglob("*.js"), *(PAGE / "bench" / "local").rglob("*.js")) if path.name not in whole
    ]
    found = [(path.name, name) for path in modules for name in exported.findall(path.read_text("utf-8"))]
    assert len(found) > 100
    assert [one for one in found if one[1] not in used] == []
