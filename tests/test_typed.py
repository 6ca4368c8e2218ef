"""What an editor knows: words are those of the tables, and options that are passed on are those of their readers."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterable
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest

import lstm_trace as lt
from lstm_trace.base.option import parameters
from lstm_trace.cell.named_cells import KINDS, CellName
from lstm_trace.cell.network import DIRECTIONS
from lstm_trace.cell.notations import NotationName, notations
from lstm_trace.cli.options import DIRECTIONS as OF_COMMANDS
from lstm_trace.documents.formats import BINARY, DOCUMENTS, FORMATS, FileFormat, Format
from lstm_trace.documents.markdown import MATH, MathName
from lstm_trace.explanation.ablation import Over
from lstm_trace.explanation.contribution import Baseline
from lstm_trace.explanation.trials import Runs
from lstm_trace.languages import Language, languages
from lstm_trace.model.model import RunArguments
from lstm_trace.report.options import STYLE, Options, ReportOptions
from lstm_trace.report.report import FORMATS as OF_REPORTS
from lstm_trace.results import EXPLANATIONS, How, explanation
from lstm_trace.results.explanation import ExplainOptions, Worked, explaining
from lstm_trace.trace.argument_types import KINDS as CHECKED, WORDS
from lstm_trace.trace.rows import Selected, Selection


@pytest.mark.parametrize(
    ("words", "table"),
    [
        (CellName, KINDS),
        (FileFormat, FORMATS),
        (Format, OF_REPORTS),
        (Format, [name for name in dict.fromkeys(DOCUMENTS.values()) if name not in BINARY]),
        (How, EXPLANATIONS),
        (Language, languages()),
        (MathName, MATH),
        (NotationName, notations()),
    ],
)
def test_the_words_of_a_type_are_those_of_the_table(words: Any, table: Iterable[str]) -> None:
    assert list(get_args(words)) == list(table)


def test_directions() -> None:
    forwards = ("forward", "reverse", "joined")
    assert DIRECTIONS == OF_COMMANDS == (*forwards, *(f"adjoint-{direction}" for direction in forwards))


def test_the_name_of_a_cell_is_narrowed() -> None:
    assert [lt.cell_name(name) for name in KINDS] == list(KINDS)
    with pytest.raises(lt.OptionError, match=r"^unknown cell 'lstmm'; did you mean 'lstm'\?"):
        lt.cell_name("lstmm")


def test_the_arguments_of_run_are_those_of_prepare_and_of_a_model() -> None:
    found = inspect.signature(lt.run).parameters
    expected = {**inspect.signature(lt.prepare).parameters, **inspect.signature(lt.Model.run).parameters}
    expected.pop("self")
    assert found.keys() == expected.keys()
    for name, one in found.items():
        assert (one.annotation, one.default) == (expected[name].annotation, expected[name].default), name
    passed = {name: one.annotation for name, one in found.items() if name not in ("source", "x")}
    assert {name: one.__forward_arg__ for name, one in RunArguments.__annotations__.items()} == passed


def test_the_options_of_a_report_are_those_that_it_reads() -> None:
    selected = set(Selection.__dataclass_fields__)
    assert selected <= set(Selected.__annotations__)
    own = set(Options.__dataclass_fields__) - {"style", "selection", "pictured"}
    assert set(ReportOptions.__annotations__) == own | set(STYLE) | {"trim"} | set(Selected.__annotations__)
    types, read = get_type_hints(ReportOptions), get_type_hints(Options)
    narrowed = {"language", "notation", "alone", "math"}  # texts that the parser of commands has
    assert not {name for name in own - narrowed if types[name] != read[name]}
    assert set(Worked.__annotations__) <= set(ReportOptions.__annotations__)


def test_the_options_of_explanations_are_those_of_their_functions() -> None:
    read = {name: one for how in EXPLANATIONS for name, one in parameters(explaining(how)).items() if name != "of"}
    types = get_type_hints(ExplainOptions, localns={"Baseline": Baseline, "Over": Over, "Runs": Runs})
    assert types.keys() == read.keys()
    assert not {name for name in types.keys() - Worked.__annotations__.keys() if types[name] != read[name].type}


def test_each_explanation_is_a_method_that_an_editor_knows() -> None:
    tree = ast.parse(inspect.getsource(explanation))
    body = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Explain").body
    typed = [one for node in body if isinstance(node, ast.If) for one in node.body]
    assert sorted(ast.unparse(one) for one in typed) == sorted(f"{n} = staticmethod({n}.{n})" for n in EXPLANATIONS)
    for how in EXPLANATIONS:
        assert getattr(lt.explain, how) is explaining(how)
    assert set(EXPLANATIONS) <= set(dir(lt.explain))
    assert repr(lt.explain).startswith("<lt.explain: memory, gradient, ")


#: Annotations whose values are not checked by their class, and the reason.
UNCHECKED = {
    "Any": "anything, which its reader describes",
    "object": "anything",
    "Choice": "`check_choice` has its message",
    "Source": "anything, which `prepare` describes",
    "Unpack": "each by its reader",
    "Step": "called for every line",
    "Scope": "called for every line",
    "Scope | None": "called for every line",
    "Operand": "called for every line",
    "slice": "called for every line",
    "slice | range | int | None": "a position, which `positions` describes",
    "int | Style | None": "`Style` has its message",
    "Iterable[Trace]": "`concat` has its message",
    "Literal['stop', 'warn']": "`watch` has its message",
    "Literal[0, 1] | None": "a report's options have its message",
    "Mapping[str, int] | None": "a mapping",
}


def test_each_argument_of_a_public_function_is_checked_or_there_is_a_reason() -> None:
    found = set()
    for name in lt.__all__:
        value = getattr(lt, name)
        methods = vars(value).values() if isinstance(value, type) else [value]
        for one in [] if get_origin(value) is Literal else filter(inspect.isfunction, methods):
            if not one.__name__.startswith("_"):
                found |= {str(p.annotation) for k, p in inspect.signature(one).parameters.items() if k != "self"}
    left = {text for text in found if text not in CHECKED and text.partition("[")[0] not in UNCHECKED} - set(UNCHECKED)
    assert not left
    assert {*WORDS, *(f"{word} | None" for word in WORDS)} & found


def test_the_options_with_which_sequences_are_read_are_those_of_their_reader() -> None:
    pytest.importorskip("pyarrow")
    from lstm_trace.cli.verbs.corpus import READING
    from lstm_trace.corpus.inputs import SequenceReading, opened
    from lstm_trace.tracking.ablate import ablate

    read = inspect.signature(opened).parameters.items()
    assert (
        {name for name, one in read if one.kind is one.KEYWORD_ONLY} == {*SequenceReading.__annotations__} == {*READING}
    )
    short, whole = (inspect.signature(one).parameters for one in (lt.corpus.ablate, inspect.unwrap(ablate)))
    assert [(n, p.annotation) for n, p in short.items()] == [(n, p.annotation) for n, p in whole.items()]
