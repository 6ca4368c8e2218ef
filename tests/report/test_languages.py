"""The languages: a file is a language, every language has every string with the same fields, every string is shown."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest

from lstm_trace.backpropagation.attribution import secants
from lstm_trace.base.remark import Remark
from lstm_trace.errors import OptionError
from lstm_trace.languages import languages
from lstm_trace.languages.strings import words
from lstm_trace.results.gradient import gradient

from .. import ROOT
from ..support.tiers import some
from .test_backward import every
from .test_report import q22

FILES = ROOT / "lstm_trace" / "languages"


def strings(language: str) -> dict[str, Any]:
    return tomllib.loads((FILES / f"{language}.toml").read_text(encoding="utf-8"))


def faults(table: dict[str, Any], english: dict[str, Any]) -> Iterator[str]:
    """What is wrong with the strings of a language, each fault with its key."""
    yield from (f"{key} is missing" for key in english if key not in table)
    yield from (f"{key} is not a string of English" for key in table if key not in english)
    for key in table.keys() & english.keys():
        text = table[key]
        if not isinstance(text, str) or not text.strip():
            yield f"{key} is empty"
        elif re.search(r"[{}]", re.sub(r"\{\w+(?::[^{}]*)?\}", "", text)):
            yield f"{key} has a brace that belongs to no field"
        elif fields(text) != fields(english[key]):
            yield f"{key} has the fields {fields(text)}; expected {fields(english[key])}"


def fields(text: str) -> list[str]:
    return sorted(re.findall(r"\{\w+(?::[^{}]*)?\}", text))


@pytest.mark.few(0)
@pytest.mark.parametrize("language", languages())
def test_a_language_has_every_string_with_its_fields(language: str) -> None:
    found = list(faults(strings(language), strings("en")))
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("language", "mark"), [("en", ","), ("zh", ","), *((one, "\u202f") for one in ("de", "es", "fr"))]
)
def test_thousands_are_separated_as_is_usual_in_the_language(language: str, mark: str) -> None:
    """A German reads 6,864 as a number of less than 7, beside decimals like 0.053 even more so."""
    said = words(language)
    assert said.count("counted.values", 6864).startswith(f"6{mark}864 ")
    assert said.number(864) == "864"
    assert f"1{mark}998" in said.some(["a"] * 2000, 2)
    assert f" 1{mark}234 " in f" {Remark('diff.padded', {'n': 1234}).said(said)} "


def test_the_languages_that_are_there() -> None:
    assert set(languages()) >= {"de", "en", "es", "fr", "zh"}
    assert set(languages()) == {path.stem for path in FILES.glob("*.toml")}
    with pytest.raises(OptionError, match=r"no language 'xx'.* de, en"):
        words("xx")


def test_every_fault_of_a_stub_is_named() -> None:
    english = strings("en")
    stub = {
        "given": "Dati",
        "steps": "{m} passi",
        "layer": "strato",
        "row": " ",
        "unit": "unità {j",
        "solutoin": "Soluzione",
    }
    found = set(faults(stub, english))
    assert {key for key in english if f"{key} is missing" in found} == english.keys() - stub.keys()
    assert "steps.1 is missing" in found
    assert {fault for fault in found if "missing" not in fault} == {
        "steps has the fields ['{m}']; expected ['{n}']",
        "layer has the fields []; expected ['{n}']",
        "row is empty",
        "unit has a brace that belongs to no field",
        "solutoin is not a string of English",
    }


# -- a new language --------------------------------------------------------------------------------------------------


@pytest.mark.few(1)
@pytest.mark.parametrize("language", languages())
def test_a_gradient_in_a_language(language: str) -> None:
    said = words(language)
    text = gradient(q22(), seed=[[1.0, 2.0]]).report("md", language=language)
    assert text.startswith(f"# {said.word('back.title.sum')}\n")
    assert all(f"\n## {said.word(f'back.{key}')}\n" in text for key in ("solution", "sums", "blocks"))
    if language != "en":
        assert not re.search(r"\b(the|with|unit|step|given|gate)\b", text)
    assert re.findall(r"\d+\.\d+", text) == re.findall(r"\d+\.\d+", gradient(q22(), seed=[[1.0, 2.0]]).report("md"))


@pytest.mark.few(0)
@pytest.mark.parametrize("language", some(languages(), 2))
def test_a_split_in_a_language(language: str) -> None:
    found = secants(every(0), every(1), "2/h_t[0]")
    text = found.report("md", alone="back", language=language)
    assert text.startswith(f"# {words(language).word('between.title', of='$`h_t[0]`$')}\n")
    if language != "en":
        assert not re.search(r"\b(the|with|unit|step|share|which|mean of)\b", text)
    assert re.findall(r"\d+\.\d+", text) == re.findall(r"\d+\.\d+", found.report("md", alone="back"))


# -- every string is shown -------------------------------------------------------------------------------------------


# -- typography -------------------------------------------------------------------------------------------------------

#: What no string of a language has: signs that its typesetters do not use, and spaces that may break.
NEVER = {
    "de": [r"\d %|\} %", r"[“”]\w"],
    "en": [r" [:;?!]"],
    "es": [r" [:;?!]", r"\d %|\} %"],
    "fr": [r"'", r"(?<![\u00a0]):(?=[ \"]|$)", r"(?<!\u202f)[;?!]", r"\d %|\} %", "[“”]"],
    "zh": [r"[\u4e00-\u9fff][,;:?!.()]", r"[,;:?!()][\u4e00-\u9fff]", r"\d %|\} %"],
}


@pytest.mark.parametrize("language", sorted(NEVER))
def test_typography(language: str) -> None:
    found = [
        f"{key}: {text}"
        for key, text in strings(language).items()
        if any(re.search(pattern, text) for pattern in NEVER[language])
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("language", languages())
def test_pictures_write_shares_as_sentences_do(language: str) -> None:
    table = words(language, 0).table
    sign = table["share"].partition("}")[2]
    written = {key: re.findall(r"(?<=[\d}])\s?%", text) for key, text in table.items() if key.startswith("plot.")}
    assert {one for found in written.values() for one in found} == {sign}
    assert {key for key, found in written.items() if found} > {"plot.clipped", "plot.focus"}
