"""ES modules of the package as one classic script, for pages that are one file and load nothing."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping

from .compact import joined, tokens
from .names import Tokens, declared, is_declaration, renamed, short_names, statements, variables
from .packaged import asset

#: `import { a, b as c } from "./x.js";`, `import * as x from "./x.js";` and `import "./x.js";`, each on its own line.
_IMPORT = re.compile(r'^import\s+(?:\{([^}]*)\}\s*from\s+|\*\s+as\s+(\w+)\s+from\s+)?"([^"]+)";[^\S\n]*$', re.M)
_LISTED = re.compile(r"(?:^|(?<=[;}]))export\s*\{([^}]*)\};?\s*$", re.M)
#: What is neither; `export const a = 1;` and the like remain.
_OTHER = re.compile(r"^(?:import\b(?!\()|export\b(?!\s+(?:async\s+)?(?:function\*?|class|const|let)\s+\w)).*", re.M)

_SHORT = re.compile(r"\$\w+")  # a name of `short_names`


def inlined(entry: str, replaced: Mapping[str, str] | None = None) -> str:
    """Return a module and all that it imports as one classic script, in which all modules are one function called once.

    Modules run in the order in which a browser runs them. They may have named imports and exports, as ours have, and an
    exported name keeps the value that it has when its module has run. A dynamic `import()` is left as it is, so that a
    page without a server must not reach one. What a module declares has a short name; comments, blanks that mean
    nothing, and what an imported module declares and nothing needs are left out.

    Args:
        entry: path of the module in the package, such as `service/static/main.js`.
        replaced: paths of modules, and of those that take their place.

    Returns:
        The script, which may stand in a `<script>` element.

    Raises:
        ValueError: for modules that import each other in a circle, an import or export of another form, or a name that
            a module does not export.
    """
    return _Inliner(replaced or {}).script(entry)


class _Inliner:
    def __init__(self, replaced: Mapping[str, str]) -> None:
        self.replaced = replaced
        self.exports: dict[str, dict[str, str]] = {}  # of modules that have run, by path: their names in the script
        self.under_way: list[str] = []
        self.parts: list[tuple[frozenset[str], Tokens]] = []  # statements, each with the names that nothing else gives
        self.names = short_names("$")

    def script(self, entry: str) -> str:
        self._module(entry)
        parts = "\n".join(map(joined, self._needed()))
        # neither may stand in a script element; in texts and patterns, where alone they occur, this means the same
        whole = re.sub(r"</(script)", r"<\\/\1", parts.replace("<!--", r"<\!--"), flags=re.I)
        return f'"use strict";\n(() => {{\n{whole}\n}})();\n'

    def _module(self, path: str) -> dict[str, str]:
        """The names of what a module exports, once its text and those of its imports are among the parts."""
        path = self.replaced.get(path, path)
        if path in self.under_way:
            raise ValueError(f"modules import each other in a circle: {' -> '.join([*self.under_way, path])}")
        if path not in self.exports:
            self.under_way.append(path)
            parts, self.exports[path] = self._statements(path)
            self.under_way.pop()
            self.parts += parts
        return self.exports[path]

    def _needed(self) -> Iterator[Tokens]:
        """The statements that do something, and the declarations of what they name, as do those of these."""
        mentioned = [set(_SHORT.findall(" ".join(text for _, text in part))) for _, part in self.parts]
        of = {name: k for k, (names, _) in enumerate(self.parts) for name in names}
        open_parts = [k for k, (names, _) in enumerate(self.parts) if not names]
        kept = set(open_parts)
        while open_parts:
            for k in {of[name] for name in mentioned[open_parts.pop()] if name in of} - kept:
                kept.add(k)
                open_parts.append(k)
        return (part for k, (_, part) in enumerate(self.parts) if k in kept)

    def _statements(self, path: str) -> tuple[list[tuple[frozenset[str], Tokens]], dict[str, str]]:
        """The statements of a module, and its exports."""
        folder = posixpath.dirname(path)
        heads: list[tuple[frozenset[str], Tokens]] = []
        names: dict[str, str] = {}  # in the script, of what the module imports and declares
        listed: dict[str, str] = {}  # what it exports, as the module calls it

        def imported(found: re.Match[str]) -> str:
            entries, whole, source = found.groups()
            theirs = self._module(where := posixpath.normpath(posixpath.join(folder, source)))
            for of, own in _pairs(entries or ""):
                if of not in theirs:
                    raise ValueError(f"{path}: {where} does not export {of}")
                names[own] = theirs[of]
            if whole:
                names[whole] = next(self.names)
                head = f"const {names[whole]}={{{','.join(map(':'.join, theirs.items()))}}};"
                heads.append((frozenset([names[whole]]), [("", head)]))
            return ""

        def exported(found: re.Match[str]) -> str:
            listed.update((name, own) for own, name in _pairs(found[1]))
            return ""

        text = _LISTED.sub(exported, _IMPORT.sub(imported, asset(path)))
        if other := _OTHER.search(text):
            raise ValueError(f"{path}: expected a named import or export, found: {other[0]}")
        found = tokens(text)
        for own, is_exported in declared(found):
            names[own] = next(self.names)
            if is_exported:
                listed[own] = own
        names.update(zip(sorted(variables(found) - names.keys()), short_names("_"), strict=False))
        parts = heads
        for one in statements(found):
            # those of the module that a page begins with are all needed, as what is not only declared
            left = is_declaration(one) and len(self.under_way) > 1
            own_names = frozenset(names[own] for own, _ in declared(one)) if left else frozenset()
            parts.append((own_names, [token for token in renamed(one, names) if token[1] != "export"]))
        return parts, {name: names[own] for name, own in listed.items()}


def _pairs(listed: str) -> list[tuple[str, str]]:
    """`a, b as c` as pairs: a and a, b and c."""
    parts = (part.strip().split(" as ") for part in listed.split(","))
    return [(one[0], one[-1]) for one in parts if one[0]]
