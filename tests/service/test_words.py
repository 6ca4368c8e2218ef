"""The texts of the page: each key that a script names is there, none is there in vain, and every language has all."""

from __future__ import annotations

import json
import re
import tomllib

import pytest

from lstm_trace import service
from lstm_trace.cell.named_cells import KINDS
from lstm_trace.languages import languages
from lstm_trace.languages.strings import page_texts, words

from .. import ROOT

STATIC = ROOT / "lstm_trace" / "service" / "static"
PAGE = ROOT / "lstm_trace" / "languages" / "page"
FILES = {path.stem: path.read_text(encoding="utf-8") for path in sorted(PAGE.glob("*.toml")) if path.stem != "shared"}
#: What a number is, `values`, is said in words of reports, whose tests are elsewhere.
LANGUAGES = {code: {tab: here for tab, here in page_texts(code).items() if tab != "values"} for code in FILES}
WORDS = LANGUAGES["en"]
OTHERS = sorted(set(LANGUAGES) - {"en"})
KEYS = {f"{tab}.{part}" for tab, parts in WORDS.items() for part in parts}
SCRIPTS = "\n".join(
    path.read_text(encoding="utf-8") for path in sorted(STATIC.rglob("*.js")) if "vendor" not in path.parts
)
TABS = "|".join(WORDS)
#: Keys as they stand in a script; the beginnings of those that are put together; words that may be put behind a tab.
NAMED = set(re.findall(rf"""["'`]((?:{TABS})\.[\w.]+)["'`]""", SCRIPTS))
BEGUN = tuple(set(re.findall(rf"`((?:{TABS})\.\w[\w.]*)\$\{{", SCRIPTS)))
DIRECTIONS = {"forward", "reverse", "joined"}  # of the server
PARTS = DIRECTIONS | set(re.findall(r"""["'](\w+)["']""", SCRIPTS)) | set(re.findall(r"\b(\w+): \(", SCRIPTS))

#: Texts that are the same in every language: letters of formulas, names of frameworks, units.
SAME = {
    "shell.notation.pytorch",
    "shell.notation.keras",
    "shell.notation.goodfellow",
    "shell.notation.olah",
    "shell.notation.cho",
    "shell.notation.d2l",
    "bench.layer_direction",
    "compare.value_a",
    "compare.value_b",
    "compare.difference",
    "compare.by_bound",
    "library.size.kB",
    "library.size.MB",
    "library.size.GB",
    "library.ticked_two",
    "sequences.value_plain",
}
#: Words that a language shares with English.
SHARED = {
    "de": {"bench.gradient", "bench.in_a", "compare.scale.linear"},
    "fr": {
        "shell.notation",
        "bench.pause",
        "bench.gradient",
        "bench.picture.occlusion",
        "compare.rtol",
        "compare.ulps",
        "compare.contribution",
        "library.actions",
        "library.kind.trace",
        "library.kinds.trace",
        "library.pages",
    },
    "es": {"compare.ulps", "library.size.bytes", "library.size.bytes.1"},
    "zh": {"compare.share_is"},
}


def flat(language: str) -> dict[str, str]:
    return {f"{tab}.{part}": text for tab, parts in LANGUAGES[language].items() for part, text in parts.items()}


ENGLISH = flat("en")


def fields(text: str) -> set[str]:
    return set(re.findall(r"\{(\w+)\}", text))


def test_the_service_is_there() -> None:
    assert (STATIC.parent / "__init__.py").samefile(service.__file__)


@pytest.mark.few(61)
@pytest.mark.parametrize("key", sorted(NAMED))
def test_named_keys_are_there(key: str) -> None:
    assert key in KEYS or any(one.startswith(f"{key}.") for one in KEYS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_named_cell_has_a_name_and_those_of_its_gates(kind: str) -> None:
    assert f"shell.cell.{kind}" in KEYS
    gates = KINDS[kind].gates if len(KINDS[kind].gates) > 1 else ""
    assert {f"bench.gate.{kind}.{gate}" for gate in gates} <= KEYS
    assert not gates or re.search(rf'"{kind}"|^  {kind}:', (STATIC / "bench/given/gates.js").read_text("utf-8"), re.M)


def test_no_text_is_left_over() -> None:
    plain = {key.removesuffix(".1") for key in KEYS}
    left = {key for key in plain - NAMED if not key.startswith(BEGUN) and key.partition(".")[2] not in PARTS}
    assert sorted(left) == []


def test_the_page_speaks_the_languages_of_reports() -> None:
    listed = re.search(r"LANGUAGES = \[(.*?)\]", (STATIC / "words.js").read_text(encoding="utf-8"))
    assert listed
    assert re.findall(r'"(\w+)"', listed[1]) == sorted(LANGUAGES) == sorted(languages())


@pytest.mark.parametrize("language", OTHERS)
def test_same_keys_in_the_same_order(language: str) -> None:
    assert list(flat(language)) == list(flat("en"))


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_no_key_twice(language: str) -> None:
    """Not within a file, which TOML refuses, and not in a file and among what the page shares with reports."""
    own, shared = tomllib.loads(FILES[language]), tomllib.loads((PAGE / "shared.toml").read_text(encoding="utf-8"))
    assert [(tab, key) for tab in shared for key in shared[tab].keys() & own[tab].keys()] == []
    assert shared.keys() <= own.keys()


def test_the_server_sends_what_the_files_say() -> None:
    pytest.importorskip("fastapi")
    from fastapi import FastAPI

    from lstm_trace.service.routes.page import page_router

    from ..support.asgi import ask

    app = FastAPI()
    app.include_router(page_router())
    for language in LANGUAGES:
        assert json.loads(ask(app, f"/static/words/{language}.json").body) == page_texts(language)


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_same_fields(language: str) -> None:
    """The form for one thing may say "one" instead of {n}; any other field is in each form and each language."""
    own = flat(language)
    for key, text in own.items():
        optional = {"n"} if key.endswith(".1") else set()
        assert fields(text) | optional == fields(ENGLISH[key.removesuffix(".1")]) | optional, (key, text)


@pytest.mark.parametrize("language", OTHERS)
def test_nothing_is_left_in_english(language: str) -> None:
    same = {key for key, text in flat(language).items() if text == ENGLISH[key]}
    assert sorted(same - SAME) == sorted(SHARED[language])


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_nothing_is_empty_or_untidy(language: str) -> None:
    for key, text in flat(language).items():
        assert (text or " ") == text.strip(), key
        assert not re.search(r"  |\.\.\.", text), (key, text)


#: Texts that end in another mark than the English one.
ODD = {("zh", "bench.gate.any")}


def test_what_ends_as_a_sentence_does_so_in_every_language() -> None:
    for language in OTHERS:
        for key, text in flat(language).items():
            ends = {one for one, stop in {".": ".。", "?": "?？", ":": ":：", "…": "…"}.items() if text[-1] in stop}
            assert ends == set(ENGLISH[key][-1]) & set(".?:…") or (language, key) in ODD, (key, text)


#: Terms that stand in a report as well, by their keys there.
TERMS = {
    "bench.givens": "given",
    "bench.in_words": "gates",
    "bench.gate.lstm.i": "lstm.i_t",
    "bench.gate.lstm.f": "lstm.f_t",
    "bench.gate.lstm.o": "lstm.o_t",
    "bench.gate.lstm.c": "lstm.c_tilde",
    "bench.gate.slstm.f": "slstm.f_t",
    "bench.gate.gru.r": "gru.r_t",
    "bench.gate.gru.u": "gru.u_t",
    "bench.gate.gru.h": "gru.h_tilde",
    "bench.forward": "direction.forward",
    "bench.reverse": "direction.reverse",
}


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_page_and_report_use_the_same_terms(language: str) -> None:
    texts, said = flat(language), words(language)
    assert {key: texts[key] for key in TERMS} == {key: said.word(term) for key, term in TERMS.items()}
    assert texts["bench.unit_n"].format(n=3) == said.word("unit", j=3)
    assert texts["compare.at_step"].format(t=3) == said.word("step.short", t=3)


def test_chinese_has_one_form() -> None:
    texts = flat("zh")
    assert [key for key, text in texts.items() if key.endswith(".1") and text != texts[key.removesuffix(".1")]] == []


#: What a typographer of the language would mark: a pattern that no text may hold.
MARKS = {
    "en": r"[\"']",
    "de": r"[\"'”]|“(?=\w)|«|»",
    "fr": r"[\"'“”„]|[^\u202f][;?!]|[^\u00a0]:|«(?!\u00a0)|(?<!\u00a0)»| …",
    "es": r"[\"'“”„]|\s[:;?!]|« | »| …",
    "zh": r"[\"']|[,;:?!()]\s*[\u4e00-\u9fff]|[\u4e00-\u9fff]\s*[,;:?!()]|……",
}


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_marks_of_the_language(language: str) -> None:
    texts = [text.replace("[h; x]", "") for text in flat(language).values()]
    assert [text for text in texts if re.search(MARKS[language], text)] == []


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_spaces_that_must_not_break_can_be_seen(language: str) -> None:
    assert not set("\u00a0\u202f") & set(FILES[language])


def test_the_words_of_a_number_are_those_that_its_modules_name() -> None:
    modules = "\n".join((STATIC / "bench" / "local" / f"{name}.js").read_text("utf-8") for name in ("about", "words"))
    named = set(re.findall(r"""["'`]((?:about|share|unit|step)(?:\.\w+)*)["'`]""", modules))
    assert {"about.weight", "about.result.1", "share.little", "unit.matrix", "step.named"} <= named
    for code in FILES:
        assert named <= page_texts(code)["values"].keys() | {"unit"}, code
