"""ES modules as one classic script: what runs in it, in which order, and what is refused."""

from __future__ import annotations

import json
import re
import shutil
import subprocess

import pytest

from lstm_trace.base import modules
from lstm_trace.base.modules import inlined


def made_of(monkeypatch: pytest.MonkeyPatch, files: dict[str, str], **options: dict[str, str]) -> str:
    """The script of modules given as text, the first of which is the entry."""
    monkeypatch.setattr(modules, "asset", files.__getitem__)
    return inlined(next(iter(files)), **options)


def printed(script: str) -> list[str]:
    """The lines that node prints when it runs a classic script."""
    if not (node := shutil.which("node")):
        pytest.skip("running scripts needs node")
    ran = subprocess.run([node, "-"], input=script, capture_output=True, text=True, timeout=30, check=False)  # noqa: S603
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.splitlines()


FILES = {
    "page/main.js": """import { Box, twice as double, later } from "../low/box.js";
import * as names from "./names.js";
import "./first.js";
const own = 1;
console.log(double(new Box(3).size), names.longest, names.ß, own);
later().then(console.log);""",
    "page/names.js": """import { twice } from "../low/box.js";
export const longest = twice(21);
const a = "é", b = 1;
export { a as ß, b };""",
    "page/first.js": """console.log("first");""",
    "low/box.js": """const own = 2; // not the one of another module
export class Box { constructor(n) { this.size = n * own; } }
export function twice(n) { return 2 * n; }
export async function later() { return "</script><!--"; }
console.log("box");""",
}


def test_modules_run_once_and_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    script = made_of(monkeypatch, FILES)
    assert printed(script) == ["box", "first", "12 42 é 1", "</script><!--"]
    assert not re.search("</script|<!--", script)


def test_a_module_is_replaced_by_another(monkeypatch: pytest.MonkeyPatch) -> None:
    files = {
        "a/main.js": 'import { said } from "./api.js";\nconsole.log(said());',
        "b/api.js": 'import { base } from "../a/base.js";\nexport const said = () => `here: ${base}`;',
        "a/base.js": "export let base = 7;",
    }
    assert printed(made_of(monkeypatch, files, replaced={"a/api.js": "b/api.js"})) == ["here: 7"]


NAMED = {
    "main.js": """import { box, twice, a as first, second, third, later, Size, size } from "./b.js";
const { least, most } = { least: 1, most: 2 }, [rest = [twice]] = [], one = (first, { second = 3 } = {}) => ({
  first, second, twice: twice(second), third() { return least * twice(third); }, rest,
});
class Two extends Size {
  static size = size;
  size = Two.twice(2);
  static twice(n) { return twice(twice(n)); }
  get third() { return `${{ third }.third}-${`${this.size}`}`; }
  *later() { for (const size of [most, ...[first]]) yield size; }
}
function case_of(kind) {
  switch (kind) {
    case first: {
      const size = second, name = size;
      { const escape = size; let third = escape; third += 1; }
      return { size }.size + "first";
    }
    default: { size: for (const one of [1]) break size; return least > 0 ? { least } : most; }
  }
}
console.log(JSON.stringify([one(5), one(1).third(), typeof Two.size, // both
  Two.twice(1), new Two().third, [...new Two().later()]]));
console.log(JSON.stringify([case_of(7), case_of(1), box.twice.size, later?.twice, escape("ü")]));
""",
    "b.js": """const own = { size: 4 }, least = 10;
export const a = 7, second = 8, third = least - 1; // a
export let later = null;
export const box = { twice: own, third, size: third };
export class Size { constructor() { this.size = own.size; } }
export function twice(n) { return 2 * n; }
export async function* size() {}
""",
}


def test_names_of_modules_are_not_those_of_properties_and_methods(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = map(json.loads, printed(made_of(monkeypatch, NAMED)))
    assert first == [{"first": 5, "second": 3, "twice": 6, "rest": [None]}, 18, "function", 4, "9-8", [2, 7]]
    assert second == ["8first", {"least": 1}, 4, None, "%FC"]


def test_what_nothing_needs_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also what only that reads; not what is done, what that reads, and what the page itself declares."""
    files = {
        "main.js": """import { used, unused } from "./b.js";
import * as whole from "./c.js";
import { least } from "./c.js";
const own = "own of the page";
console.log(used(), `${least}`);""",
        "b.js": """const table = new Map([["a", 1]]);
const words = { unread: "of unused" };
const [first, second] = [..."xy"], { size } = table;
export function unused() { return words.unread + second; }
export async function* unread() { yield unused(); }
export class Unread { twice() { return "of a class"; } }
export const used = () => { const { a } = { a: Inner.b() }; return `${a}${size}`; };
class Inner { static b() { return table.get("a"); } }
let count = 0;
const counted = () => { count += 1; return count; };
counted();
setTimeout(() => console.log(read_later));
const read_later = "done";
""",
        "c.js": 'export const least = "<", most = ">>";\nexport const alone = "nobody";',
    }
    script = made_of(monkeypatch, files)
    assert printed(script) == ["11 <", "done"]
    assert not re.search("of unused|yield|of a class|nobody", script)
    assert all(text in script for text in ("own of the page", '"done"', '">>"'))


def test_a_name_that_a_module_does_not_export_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=re.escape("main.js: b.js does not export c")):
        made_of(monkeypatch, {"main.js": 'import { c } from "./b.js";', "b.js": "export const a = 1;\nconst c = 2;"})


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('import x from "./b.js";', 'main.js: expected a named import or export, found: import x from "./b.js";'),
        ("export default 3;", "export default 3;"),
        ('export * from "./b.js";', "export *"),
        ("export const { a } = {};", "export const { a } = {};"),
    ],
)
def test_other_imports_and_exports_are_refused(monkeypatch: pytest.MonkeyPatch, text: str, named: str) -> None:
    with pytest.raises(ValueError, match=re.escape(named)):
        made_of(monkeypatch, {"main.js": text, "b.js": ""})


def test_a_circle_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    circle = {"a.js": 'import { b } from "./b.js";', "b.js": 'import { a } from "./a.js";'}
    with pytest.raises(ValueError, match=re.escape("circle: a.js -> b.js -> a.js")):
        made_of(monkeypatch, circle)


def test_the_modules_of_the_page_are_one_script(monkeypatch: pytest.MonkeyPatch) -> None:
    script = inlined("service/static/bench/state/fitting.js")
    assert printed(script) == []
    assert len(re.findall(r"\bfunction \$\w+\(", script)) >= 3
    asking = 'import { h, html, Component } from "./vendor.js";\nconsole.log(typeof h, html`<b />`.type, !Component);'
    vendored = modules.asset("service/static/vendor/standalone.module.js")
    assert printed(made_of(monkeypatch, {"main.js": asking, "vendor.js": vendored})) == ["function b false"]
