"""What an engine computed of the conformance suite, as a result; JUnit XML for CI."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar
from xml.etree import ElementTree

from ..base.arrays import by_key
from ..base.files import decoded, read_bytes
from ..base.writing import Target, written
from ..documents.result import Finding
from ..documents.tables import LongTable
from ..errors import FileError
from ..languages.strings import Words
from ..mistakes.conformance.cases import require_case
from ..mistakes.conformance.engines import CaseVerdict
from ..mistakes.conformance.judging import VERDICTS, FailureCause
from ..printable import message
from ..weights.guards import check_file

COLUMNS = ("case", "verdict", "status", "reading", "error", "tolerance", "where", "cause", "said")
#: The most names in a sentence; bytes of a list of known failures, and characters of a name in it.
LISTED, MOST_BYTES, LONGEST = 6, 1 << 20, 100


@dataclass(frozen=True, eq=False, repr=False)
class Conformance(Finding):
    """The verdicts on an engine, and what explains its failures."""

    engine: str
    verdicts: tuple[CaseVerdict, ...]
    causes: tuple[FailureCause, ...]

    more: ClassVar = MappingProxyType({".xml": "xml"})

    @property
    def failed(self) -> list[CaseVerdict]:
        """The cases that are neither ok nor expected to fail."""
        return [one for one in self.verdicts if one.status == "failed"]

    def title(self, words: Words) -> str:
        """The engine."""
        return words.word("conformance.title", engine=message(self.engine))

    def sentences(self, words: Words) -> Iterator[str]:
        """The counts, what explains the failures, and what is left of them; readings; what was expected."""
        counts = Counter(one.verdict for one in self.verdicts)
        said = words.comma_list(*(words.count(f"conformance.{one}", counts[one]) for one in VERDICTS if counts[one]))
        known = sum(one.status == "expected" for one in self.verdicts)
        yield words.count("conformance.counts", len(self.verdicts), counts=said)
        if known or not self.failed:
            yield words.count("conformance.as.expected", known) if known else words.word("conformance.all")
        for cause in self.causes:
            key, *others = (f"`{key}`" for key in cause.keys)
            same = words.word("conformance.same", keys=words.some(others, 3)) if others else ""
            yield words.count("conformance.cause", len(cause.cases), mistake=key, same=same, attach=cause.attach)
        explained = {name for cause in self.causes for name in cause.cases}
        left = [one for one in self.verdicts if one.verdict != "ok" and one.case.folder not in explained]
        for one in left:
            if one.first:
                what = f"{one.case.folder} ({words.word('conformance.word.wrong')})"
                sizes = {"off": f"{one.off:.2g}", "tolerance": f"{one.case.expected[1]:.2g}"}
                yield words.word("prefix", what=what) + words.word("conformance.first", first=one.first, **sizes)
        alike = by_key(((one.verdict, re.sub(r"\d+", "", one.said)), one) for one in left if not one.first)
        for (verdict, _), each in alike.items():
            names = words.some([one.case.folder for one in each], LISTED)
            facts = {"what": words.word(f"conformance.word.{verdict}"), "said": message(each[0].said)}
            yield words.count("conformance.alike", len(each), names=names, **facts)
        readings = [one.case.folder for one in self.verdicts if one.verdict == "ok" and one.reading == "onnxruntime"]
        if readings:
            yield words.count("conformance.reading", len(readings), names=words.some(readings, LISTED))
        if fixed := [one.case.folder for one in self.verdicts if one.status == "fixed"]:
            yield words.count("conformance.fixed", len(fixed), names=words.some(fixed, LISTED))

    def tables(self, words: Words) -> tuple[LongTable, ...]:
        """A row for each case."""
        return (self._table([*self.verdicts]),)

    def shown_tables(self, words: Words) -> tuple[LongTable, ...]:
        """A row for each case that is not right."""
        return (self._table([one for one in self.verdicts if one.verdict != "ok"]),)

    def _table(self, verdicts: list[CaseVerdict]) -> LongTable:
        causes = by_key((name, cause.keys[0]) for cause in self.causes for name in cause.cases)
        rows = [
            (v.case.folder, v.verdict, v.status, v.reading or None, v.off, v.case.expected[1], v.first or None,
             ", ".join(causes.get(v.case.folder, [])) or None, message(v.said) or None)
            for v in verdicts
        ]  # fmt: skip
        short = {"error": lambda off, _: f"{off:.2g}"}
        return LongTable(COLUMNS, rows, shown=("case", "verdict", "error", "cause"), said=short)


def junit(result: Conformance, path: Target, format: str) -> None:
    """Write JUnit XML, which CI systems show: a known failure is skipped, a refusal, crash or hang an error."""
    (table,) = result.tables(result.words())
    suite = ElementTree.Element("testsuite", {"name": message(result.engine), "tests": str(len(result.verdicts))})
    for one, row in zip(result.verdicts, table.rows, strict=True):
        facts = {"classname": f"conformance.{one.case.cell}", "name": one.case.folder, "time": f"{one.seconds:.3f}"}
        case = ElementTree.SubElement(suite, "testcase", facts)
        if one.status in ("failed", "expected"):
            kind = "skipped" if one.status == "expected" else "failure" if one.verdict == "wrong" else "error"
            said = "; ".join(f"{k} {v}" for k, v in zip(COLUMNS[1:], row[1:], strict=True) if v is not None)
            ElementTree.SubElement(case, kind, {"type": one.verdict, "message": said})
    for name, kind in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(name, str(len(suite.findall(f"*/{kind}"))))
    ElementTree.indent(suite)
    with written(path) as file:
        file.write(f'<?xml version="1.0" encoding="utf-8"?>\n{ElementTree.tostring(suite, "unicode")}\n')


def expected_verdicts(path: str) -> dict[str, str]:
    """The cases of a file that are known to fail, each with its verdict: lines CASE,VERDICT, or a table of `run`.

    What follows # is a comment. Raises FileError for other lines, and for two verdicts of a case.
    """
    check_file(path)
    found: dict[str, str] = {}
    for number, line in enumerate(decoded(path, read_bytes(path, most=MOST_BYTES)).splitlines(), 1):
        # not as csv: no other column is read, and what an engine said may have # within quotation marks
        name, verdict = (part.strip(' \t"')[:LONGEST] for part in f"{line.partition('#')[0]},".split(",")[:2])
        if not name or (name, verdict) == ("case", "verdict"):
            continue
        where, name = f"{path}, line {number}", name.removeprefix("test_")
        if verdict not in VERDICTS:
            raise FileError(f"{where}: expected CASE,VERDICT, a verdict of {', '.join(VERDICTS)}; found {verdict!r}")
        require_case(name, where)
        if found.setdefault(f"test_{name}", verdict) != verdict:
            raise FileError(f"{where}: {name} is {verdict} here and {found[f'test_{name}']} above; leave one of them")
    return {case: verdict for case, verdict in found.items() if verdict != "ok"}
