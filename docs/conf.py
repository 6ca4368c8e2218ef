"""The site: `make docs`. The pages are the .md files as they stand; the reference is made from the code, here."""

from __future__ import annotations

import inspect
import json
import re
import sys
from pathlib import Path
from typing import Any

import click

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from lstm_trace import __version__, api  # noqa: E402
from lstm_trace.cli import VERBS, main  # noqa: E402
from lstm_trace.results import EXPLANATIONS  # noqa: E402

project, release = "lstm-trace", __version__
copyright = "the lstm-trace developers"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
napoleon_use_rtype = False
html_theme, html_title = "furo", f"lstm-trace {release}"
html_show_sphinx = html_copy_source = False
html_use_index = False
myst_heading_anchors, myst_enable_extensions = 4, ["deflist"]
highlight_language = "none"
suppress_warnings = ["misc.highlighting_failure"]  # a … in an example is no code
autodoc_member_order, autodoc_typehints, autoclass_content = "bysource", "signature", "class"
default_role, smartquotes = "code", False

#: What is made before a build, beside the pages; git ignores it.
MADE = Path(__file__).parent / "made"
#: Files at the top of the repository that are pages of the site.
TOP = {f"{name}.md": name.lower() for name in ("README", "ARCHITECTURE", "CONTRIBUTING", "CHANGELOG")}
#: A notebook is a page as well, by this name, with the outputs that it keeps; it can be downloaded.
NOTEBOOKS = {"docs/notebook.ipynb": "notebook", "docs/tour.ipynb": "tour-notebook"}
#: The bench as one file, which the front page leads to.
BENCH = "bench.html"
html_extra_path = [*(Path(path).name for path in NOTEBOOKS), f"{MADE.name}/{BENCH}"]
REFERENCE = {"commands": "Commands", "python": "Python"}


def linked(text: str, here: str) -> str:
    """The text with links that hold in the site.

    Args:
        text: Markdown of a page in the folder `here`: "docs" or "", the top of the repository.
        here: as above; pages of the top become pages in `MADE`.

    Returns:
        Links between pages lead to pages. Other files of the repository are named without a link.
    """

    def link(match: re.Match[str]) -> str:
        mark, words, target, anchor = match.groups()
        if "://" in target or not target:
            return match[0]
        path = (ROOT / here / target).resolve().relative_to(ROOT).as_posix()
        inside = Path(path).parts[0] == "docs" and (mark or path.endswith(".md"))
        made = {**TOP, **NOTEBOOKS}
        if not inside and path not in made:
            return words
        page = path.removeprefix("docs/") if inside else f"{MADE.name}/{made[path]}.md"
        return f"{mark}[{words}]({'' if here else '../'}{page}{anchor or ''})"

    return re.sub(r"(!?)\[([^\]]*)\]\(([^)#\s]*)(#[^)\s]*)?\)", link, text)


def read_page(app: Any, page: str, source: list[str]) -> None:
    """Adapt a page as it is read: its links; of the index the navigation, which its own lists are, and the bench."""
    if page.startswith(MADE.name):
        return
    source[0] = linked(source[0], "docs")
    if page == "index":
        before, mark, after = source[0].partition("**Try it**")
        assert mark, "docs/index.md: expected **Try it**, which leads to the bench"
        source[0] = f'{before}**<a href="{BENCH}">Try it</a>**{after}'
        for caption, body in re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", source[0], re.M | re.S):
            pages = [f"{words} <{target}>" for words, target in re.findall(r"^- \[(.*?)\]\((.*?)\.md\)", body, re.M)]
            if caption == "Reference":
                pages += [f"{title} <{MADE.name}/{name}>" for name, title in REFERENCE.items()]
            source[0] += "\n".join(["", "```{toctree}", ":hidden:", f":caption: {caption}", "", *pages, "```", ""])


def commands() -> str:
    """Every command with its options, as Markdown."""
    rows = ["# Commands", "", "What `lstm-trace COMMAND --help` says."]
    top = click.Context(main, info_name="lstm-trace")
    for verb in VERBS:
        command = main.get_command(top, verb)
        context = click.Context(command, info_name=verb, parent=top)
        usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
        rows += ["", f"## {verb}", "", "```", usage, "```", ""]
        for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
            rows += ["```", paragraph[1:].strip(), "```", ""] if paragraph[0] == "\b" else [paragraph, ""]
        options = [option for option in command.params if isinstance(option, click.Option)]
        for names, said in filter(None, (option.get_help_record(context) for option in options)):
            rows += [f"`{names}`", f": {said}", ""]
    return "\n".join(rows) + "\n"


def python() -> str:
    """The public names, for autodoc."""
    listed = inspect.getsource(api).partition("__all__ = [")[2]
    rows = ["Python", "======", "", "What ``import lstm_trace as lt`` offers.", ""]
    for title, names in re.findall(r"^    # (.*)\n((?:    \".*\n)+)", listed, re.M):
        rows += [title, "-" * len(title), ""]
        for name in re.findall(r"\w+", names):
            thing = getattr(api, name)
            kind = "class" if isinstance(thing, type) else "function" if inspect.isfunction(thing) else "data"
            fault = kind == "class" and issubclass(thing, Exception)
            rows += [f".. auto{kind}:: lstm_trace.{name}", *(["   :members:"] if kind == "class" and not fault else [])]
            bases = () if fault else getattr(thing, "__bases__", ())
            rows += ["   :inherited-members:"] if any(b.__module__.startswith("lstm_trace") for b in bases) else []
            if thing is api.explain:
                rows += ["", *(f".. autofunction:: lstm_trace.explain.{how}" for how in ("__call__", *EXPLANATIONS))]
            rows += [""]
    return "\n".join(rows)


def notebook(path: str) -> str:
    """A notebook as Markdown, with what its cells show."""
    style = ".shown{overflow-x:auto}.shown table{border-collapse:collapse}.shown :is(td,th){padding:.2em .7em}"
    style += ".shown .lstm-plot{min-width:40rem}"
    link = f'<a href="../{Path(path).name}" download>Download this notebook</a>'
    rows = [f"```{{raw}} html\n<style>{style}</style>\n<p>{link}</p>\n```"]
    for cell in json.loads((ROOT / path).read_text("utf-8"))["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            rows.append(linked(re.sub(r"\]\((?=[\w-]+\.md)", "](docs/", source), ""))
            continue
        rows.append(f"```python\n{source}\n```")
        rows += map(output, cell["outputs"])
    first = next(k for k, row in enumerate(rows) if row.startswith("# "))
    return "\n\n".join([rows.pop(first), *rows]) + "\n"


def output(found: dict[str, Any]) -> str:
    """What a cell shows, in the best form that there is."""
    data = {kind: "".join(text) for kind, text in found.get("data", {}).items()}
    if "image/png" in data:
        data["text/html"] = f'<img alt="" src="data:image/png;base64,{data["image/png"].strip()}">'
    shown = data.get("text/html") or data.get("image/svg+xml")
    if shown is None:
        return f"````\n{''.join(found.get('text', [])) or data['text/plain']}\n````"
    return f'`````{{raw}} html\n<div class="shown">{shown}</div>\n`````'


def without_options(
    app: Any, what: str, name: str, item: Any, options: Any, signature: str | None, returned: str | None
) -> tuple[str | None, str | None]:
    """A signature without what its annotations say to the command line."""
    option = r"~?[\w.]*Option\((?:[^()]|\([^()]*\))*\)"
    said = re.sub(rf"~?(?:typ(?:ing|es)\.)?Annotated\[(.+?), {option}\]", r"\1", signature or "")
    return said or signature, returned


def plain(app: Any, what: str, name: str, item: Any, options: Any, lines: list[str]) -> None:
    """Docstrings are text, code in backticks and indented examples: no other markup of reStructuredText."""
    found: list[str] = []
    example = indented = section = False
    for line in lines:
        section = bool(re.fullmatch(r"\w+:", line)) or (section and (not line or line[0] == " "))
        example = line.lstrip().startswith(">>>") or (example and bool(line.strip()))
        begins = line[:1] == " " and not section and found and not found[-1]
        indented = begins or (indented and line[:1] in ("", " "))
        if begins:
            found += ["::", ""]
        if not (example or indented):
            parts = line.split("`")
            parts[::2] = [re.sub(r"([\\*|]|(?<=\w)_(?!\w))", r"\\\1", part) for part in parts[::2]]
            line = "``".join(parts)
        found.append(line)
    lines[:] = found


def setup(app: Any) -> None:
    """Make what is made, and watch what is read."""
    MADE.mkdir(exist_ok=True)
    pages = {f"{TOP[name]}.md": linked((ROOT / name).read_text("utf-8"), "") for name in TOP}
    pages |= {f"{name}.md": notebook(path) for path, name in NOTEBOOKS.items()}
    for name, text in {**pages, "commands.md": commands(), "python.rst": python()}.items():
        if not (MADE / name).exists() or (MADE / name).read_text("utf-8") != text:
            (MADE / name).write_text(text, encoding="utf-8")
    main(["bench", "-o", str(MADE / BENCH)], standalone_mode=False)
    app.connect("source-read", read_page)
    app.connect("autodoc-process-docstring", plain, priority=100)  # before napoleon
    app.connect("autodoc-process-signature", without_options)
