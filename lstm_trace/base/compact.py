"""Scripts without comments and blanks that mean nothing; names, texts and statements stay as they were written."""

from __future__ import annotations

import re

_TOKEN = re.compile(
    r"""(?P<blank>\s+)|(?P<comment>//[^\n]*|/\*(?:[^*]|\*(?!/))*\*/)"""
    r"""|(?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')|(?P<word>[\w$]+)|(?P<tick>`)|(?P<slash>/)|(?P<sign>.)""",
    re.S,
)
_PATTERN = re.compile(r"/(?:[^\\/\[\n]|\\.|\[(?:[^\\\]\n]|\\.)*\])+/\w*")
_TEMPLATE = re.compile(r"(?:[^`\\$]|\\.|\$(?!\{))*", re.S)
#: What a pattern may follow; after a name, a number or a closing bracket a slash divides.
_BEFORE_PATTERN = re.compile(r"([(,=:\[!&|?{};+\-*%~^<>\n]|^|\b(return|typeof|case|in|of|void|throw|await|yield))$")


def compact(script: str) -> str:
    """The script without comments, and without blanks but those between words, signs that would join, and lines.

    Raises ValueError for a template or text without an end.

    >>> compact("const a = 1 - -b; // one\\nconst c = `${ a } d` + 'e  f';")
    "const a=1- -b;const c=`${a} d`+'e  f';"
    """
    return _Compact(script).text()


class _Compact:
    def __init__(self, script: str) -> None:
        self.script, self.at = script, 0
        self.found: list[str] = []
        self.last = ""  # the last token
        self.blank = ""  # what stands between it and the next one
        self.open: list[int] = []  # for each template that is open: the braces within its expression

    def text(self) -> str:
        while self.at < len(self.script):
            token = _TOKEN.match(self.script, self.at)
            assert token is not None  # a sign is any character
            kind, text = token.lastgroup, token[0]
            if kind in ("blank", "comment"):
                self.blank += text if kind == "blank" or "\n" in text else " "
                self.at = token.end()
            elif kind == "tick":
                self._template("`", token.end())
            elif text == "}" and self.open and not self.open[-1]:
                self.open.pop()
                self._template("}", token.end())
            else:
                pattern = _PATTERN.match(self.script, self.at) if self._may_be_pattern(kind) else None
                if self.open and text in "{}":
                    self.open[-1] += 1 if text == "{" else -1
                self._put(pattern[0] if pattern else text)
                self.at += len(self.last)
        if self.open:
            raise ValueError("a template in the script has no end")
        return "".join(self.found)

    def _may_be_pattern(self, kind: str | None) -> bool:
        return kind == "slash" and bool(_BEFORE_PATTERN.search(self.last))

    def _template(self, start: str, at: int) -> None:
        """A part of a template: up to its end, or to its next expression."""
        found = _TEMPLATE.match(self.script, at)
        assert found is not None  # it may be empty
        end = "${" if self.script.startswith("${", found.end()) else self.script[found.end() : found.end() + 1]
        if not end:
            raise ValueError("a template in the script has no end")
        self._put(start + found[0] + end)
        self.last = "{" if end == "${" else "`"
        self.at = found.end() + len(end)
        if end == "${":
            self.open.append(0)

    def _put(self, text: str) -> None:
        if self.blank and self.last:
            one, two = self.last[-1], text[0]
            words = all(sign.isalnum() or sign in "_$" for sign in (one, two))
            if "\n" in self.blank and one not in ";,{([" and two not in "}])":
                self.found.append("\n")  # it may end a statement
            elif words or (one == two and one in "+-/"):
                self.found.append(" ")
        self.found.append(text)
        self.last, self.blank = text, ""
