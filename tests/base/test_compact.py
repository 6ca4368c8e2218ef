"""Scripts without comments and needless blanks: they do the same, and nothing that is a text is touched."""

from __future__ import annotations

import pytest

from lstm_trace.base.compact import compact

from .test_modules import printed

#: Scripts that print, and what of them must still be there.
CASES = {
    "patterns and divisions": (
        "const a = 8, b = 2, g = 1;\nconsole.log(a / b / g, 'x / y'.replace(/ \\/ [/'\"`]*/ , ' // '), (a) / b);",
        ["/ \\/ [/'\"`]*/", "' // '"],
    ),
    "comments": (
        "/* one */ const a = 1; // two `\n/** three\n * 'four */\n"
        "console.log(a, '// five', \"/* six */\", `// seven`);",
        ["'// five'", '"/* six */"', "`// seven`"],
    ),
    "templates in templates": (
        "const list = [1, 2];\n"
        "console.log(`a  b ${ list.map((n) => `{ ${ n  +  1 } }`).join(` , `) } c  d`, `\\` ${ {}.x }`);",
        ["`a  b ${", " c  d`", "` , `", "`{ ${"],
    ),
    "signs that would join": (
        "let a = 1, b = 2;\nconsole.log(a + +b, a - -b, a+ ++b, a - --b, typeof a, 1 / /1/.source);",
        [],
    ),
    "lines that end statements": (
        "let a = 1\nlet b = 2\na\n++b\nconsole.log(a, b)\nconst f = () => {\n  return\n  1\n}\nconsole.log(f())",
        [],
    ),
    "names": ("const $a_1 = { é: 1, if: 2 };\nfor (const key in $a_1) console.log(key, $a_1 [ key ]);", []),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_script_does_the_same(name: str) -> None:
    script, kept = CASES[name]
    made = compact(script)
    assert len(made) < len(script)
    assert all(part in made for part in kept), made
    assert printed(made) == printed(script)
    assert compact(made) == made


@pytest.mark.parametrize("script", ["const a = `b ${ c", "const a = `b"])
def test_a_template_without_an_end_is_refused(script: str) -> None:
    with pytest.raises(ValueError, match="has no end"):
        compact(script)
