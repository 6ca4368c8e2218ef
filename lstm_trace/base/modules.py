"""ES modules of the package as one classic script, for pages that are one file and load nothing."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping

from .compact import compact
from .page import asset

#: `import { a, b as c } from "./x.js";`, `import * as x from "./x.js";` and `import "./x.js";`, each on its own line.
_IMPORT = re.compile(r'^import\s+(?:\{([^}]*)\}\s*from\s+|\*\s+as\s+(\w+)\s+from\s+)?"([^"]+)";[^\S\n]*$', re.M)
_DECLARED = re.compile(r"^export\s+((?:async\s+)?(?:function\*?|class|const|let)\s+)(\w+)", re.M)
_LISTED = re.compile(r"(?:^|(?<=[;}]))export\s*\{([^}]*)\};?\s*$", re.M)
_OTHER = re.compile(r"^(?:import\b(?!\()|export\b).*", re.M)


def inlined(entry: str, replaced: Mapping[str, str] | None = None) -> str:
    """Return a module and all that it imports as one classic script, in which each module is a function called once.

    Modules run in the order in which a browser runs them. They may have named imports and exports, as ours have, and an
    exported name keeps the value that it has when its module has run. A dynamic `import()` is left as it is, so that a
    page without a server must not reach one. Comments, and blanks that mean nothing, are left out.

    Args:
        entry: path of the module in the package, such as `service/static/main.js`.
        replaced: paths of modules, and of those that take their place.

    Returns:
        The script, which may stand in a `<script>` element.

    Raises:
        ValueError: for modules that import each other in a circle, or an import or export of another form.
    """
    return _Inliner(replaced or {}).script(entry)


class _Inliner:
    def __init__(self, replaced: Mapping[str, str]) -> None:
        self.replaced = replaced
        self.names: dict[str, str] = {}  # of modules that have run, by path
        self.under_way: list[str] = []
        self.parts: list[str] = []

    def script(self, entry: str) -> str:
        self._module(entry)
        whole = compact("".join(self.parts))
        # neither may stand in a script element; in texts and patterns, where alone they occur, this means the same
        whole = re.sub(r"</(script)", r"<\\/\1", whole.replace("<!--", r"<\!--"), flags=re.I)
        return f'"use strict";\n(() => {{\n{whole}}})();\n'

    def _module(self, path: str) -> str:
        """The name of what a module exports, once its text and those of its imports are among the parts."""
        path = self.replaced.get(path, path)
        if path in self.under_way:
            raise ValueError(f"modules import each other in a circle: {' -> '.join([*self.under_way, path])}")
        if path not in self.names:
            self.under_way.append(path)
            text, exports = self._text(path)
            self.under_way.pop()
            self.names[path] = name = f"module_{len(self.names)}"
            self.parts.append(
                f"// {path}\nconst {name} = (() => {{\n{text}\nreturn {{ {', '.join(exports)} }};\n}})();\n"
            )
        return self.names[path]

    def _text(self, path: str) -> tuple[str, list[str]]:
        """The body of the function that a module becomes, and the entries of the object that it returns."""
        folder = posixpath.dirname(path)
        heads: list[str] = []
        exports: list[str] = []

        def imported(found: re.Match[str]) -> str:
            listed, whole, source = found.groups()
            name = self._module(posixpath.normpath(posixpath.join(folder, source)))
            if listed is not None:
                heads.append(f"const {{ {', '.join(_renamed(listed))} }} = {name};")
            elif whole:
                heads.append(f"const {whole} = {name};")
            return ""

        def declared(found: re.Match[str]) -> str:
            exports.append(found[2])
            return f"{found[1]}{found[2]}"

        def exported(found: re.Match[str]) -> str:
            exports.extend(": ".join(reversed(one.split(": "))) for one in _renamed(found[1]))
            return ""

        text = _IMPORT.sub(imported, asset(path))
        text = _LISTED.sub(exported, _DECLARED.sub(declared, text))
        if other := _OTHER.search(text):
            raise ValueError(f"{path}: expected a named import or export, found: {other[0]}")
        return "\n".join([*heads, text.strip()]), exports


def _renamed(listed: str) -> list[str]:
    """`a, b as c` as the entries of a pattern: `a`, `b: c`."""
    return [": ".join(one.split(" as ")) for one in (part.strip() for part in listed.split(",")) if one]
