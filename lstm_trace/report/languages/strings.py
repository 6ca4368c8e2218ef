"""Every heading and sentence of a report, in one table for each language; all tables have the same keys."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ...formulas.blocks import Inline, Text
from . import chinese, french, german, spanish

ENGLISH: dict[str, str] = {
    # headings
    "untitled": "Worked solution",
    "given": "Given",
    "equations": "Equations",
    "solution": "Solution",
    "answers": "Answers",
    "answers.padding": "Padding is left out.",
    "gates": "In words",
    # what the problem is
    "cell.lstm": "An LSTM cell",
    "cell.slstm": "An sLSTM cell",
    "cell.equations": "A cell given by its equations",
    "intro": "{cell}{units} reads {steps} of {inputs}{rows}{layers}.",
    "intro.noinput": "{cell}{units}, {steps}{rows}{layers}.",
    "units.1": " with one unit",
    "units": " with {n} units",
    "steps.1": "one step",
    "steps": "{n} steps",
    "inputs.1": "one number",
    "inputs": "{n} numbers",
    "rows": ", for {n} rows of a batch",
    "layers": ", in {n} layers",
    "directions": ", in both directions",
    "layers.directions": ", in {n} layers of two directions",
    "wanted": "Wanted: {lines}.",
    "weights": "Weights:",
    "weights.vectors": "Weights and biases:",
    "weights.long": "Weights, by their sizes:",
    "weights.long.vectors": "Weights and biases, by their sizes:",
    "size": "{name}\u00a0{size}",
    "intro.window.1": "This is step {first} of the input.",
    "intro.window": "These are steps {first} to {last} of the input.",
    "before": "before the first step:",
    "before.zero.1": "before the first step {states} is zero.",
    "before.zero": "before the first step {states} are zero.",
    "before.allzero": "Before the first step all states are zero.",
    "before.rows": "the initial values of {states} stand at each row's first step.",
    "input": "The input:",
    "supplied": "Supplied, not computed: {lines}.",
    "lengths": "Lengths: {lengths}. Past its length a row keeps its states.",
    "length": "{n} steps in row {b}",
    "length.1": "one step in row {b}",
    "mask": "Valid steps: {mask}. At every other step a row keeps its states.",
    "mask.row": "row {b}: {steps}",
    "mask.none": "row {b}: none",
    "imported": "On the way in: {what}",
    "where": "Here",
    "layer.more": "Further equations of {place}:",
    # functions that are explained in words, after "Here"
    "joined": "The matrices of the state and of the input stand side by side:",
    "is.product": "{symbol} multiplies element by element",
    "is.cases": "{left} = {above} where {z} {sign} {bound}, and {below} elsewhere",
    "is.clip": "{symbol}(z, a, b) keeps z between a and b",
    "is.where": "{symbol}(a, b, c) is b where a is not 0, and c elsewhere",
    "is.maximum": "{symbol}(a, b) is the larger of the two, unit by unit",
    "is.max": "{symbol}(v) is the largest entry of v",
    "is.sum": "{symbol}(v) adds the entries of v",
    "is.mean": "{symbol}(v) is the mean of the entries of v",
    "is.concat": "{symbol} puts the two vectors one after the other",
    # places
    "layer": "layer {n}",
    "layer.many": "layers {n}",
    "place": "{layer}, {direction}",
    "direction.forward": "forward",
    "direction.reverse": "reverse",
    "direction.joined": "joined",
    "step": "step t = {t}",
    "row": "row {b}",
    "unit": "unit {j}",
    "unit.every": "every unit",
    "unit.named": "unit {j} ({name})",
    "at": "{what} at {where}",
    "step.short": "step {t}",
    "from": "{name} is {source} of {place}.",
    "past": "This step lies past the length of row {b}, which keeps its states. {option} shows the other lines too.",
    "masked": "This step is padding in row {b}, which keeps its states. {option} shows the other lines too.",
    # lines in words; the kind of the cell decides, since an own cell may call anything i_t
    "lstm.i_t": "Input gate",
    "lstm.f_t": "Forget gate",
    "lstm.c_tilde": "Candidate",
    "lstm.o_t": "Output gate",
    "lstm.c_t": "Cell state",
    "lstm.h_t": "Hidden state",
    "slstm.i_t": "Input gate",
    "slstm.f_t": "Forget gate",
    "slstm.c_tilde": "Candidate",
    "slstm.o_t": "Output gate",
    "slstm.c_t": "Cell state",
    "slstm.n_t": "Normaliser",
    "slstm.m_t": "Stabiliser",
    "slstm.h_t": "Hidden state",
    "line.gate": "Gate",
    "line.state": "State",
    "line.output": "Output",
    "line.joined": "Where the directions meet",
    "line.carried": "Carried to the next step",
    # what a gate did: the first unit, the others, and many at once
    "lstm.i_t.first": "the input gate let {share} of the candidate of {unit} in",
    "lstm.i_t.many": "the input gate let {least} to {most} of the candidate in, {mean} on average",
    "lstm.f_t.first": "the forget gate kept {share} of the old cell state of {unit}",
    "slstm.f_t.first": "the forget gate kept {share} of the old cell state of {unit}",
    "lstm.f_t.many": "the forget gate kept {least} to {most} of the old cell state, {mean} on average",
    "slstm.f_t.many": "the forget gate kept {least} to {most} of the old cell state, {mean} on average",
    "lstm.o_t.first": "the output gate let {share} of {signal} of {unit} out",
    "slstm.o_t.first": "the output gate let {share} of {signal} of {unit} out",
    "lstm.o_t.many": "the output gate let {least} to {most} of {signal} out, {mean} on average",
    "slstm.o_t.many": "the output gate let {least} to {most} of {signal} out, {mean} on average",
    "gate.first": "the gate {gate} let {share} of {signal} of {unit} through",
    "gate.many": "the gate {gate} let {least} to {most} of {signal} through, {mean} on average",
    "gate.more": "{share} of that of {unit}",
    "gate.most": "most in {unit}",
    "gate.zero": "all of it was zero, so that changed nothing",
    "share": "{n} %",
    "share.little": "less than 1 %",
    "share.much": "more than 99 %",
    "and": " and ",
    "and.more": ", and ",
    "list": ", ",
    "semicolon": "; ",
    "stop": ".",
    "label": "{what}:",
    "prefix": "{what}: ",
    # tables
    "column.step": "t",
    "column.row": "row",
    # back-propagation
    "back.title": "Gradient of {of}",
    "back.value": "L is the value {line}{at}: L {sign} {value}.",
    "back.at": " ({where})",
    "back.sum": "L is the sum of the outputs, each times its weight: the vector {w} holds the weights of step t.",
    "back.what": "{example} has the shape of {line}: each entry says how fast L changes with that entry of {line}.",
    "back.solution": "Back through time",
    "back.how": "From the last step to the first, and in each step from the last line to the first: the gradient of a "
    "value is the sum over the lines that read it, each the gradient of that line times its own derivative. A term of "
    "a sum gets the gradient of the sum, with its sign.",
    "back.rules": "What each function passes back from its value v to its operands:",
    "back.next": "{next} is what comes back from the next step. There it was found as the gradient of the state that "
    "came in, which is written with {prev}.",
    "back.holds": "A condition in brackets is 1 where it holds and 0 elsewhere.",
    "back.forward": "From the forward pass:",
    "back.input": "Input",
    "back.before": "Back to the step before",
    "back.initial": "The initial state",
    "back.sums": "Gradients",
    "back.many": "The matrices are too many to be written out here; `-o FILE.csv` has every entry.",
    "back.inputs": "Inputs",
    "back.inputs.one": "The gradient of {x} at each step:",
    "back.inputs.more": "The gradient of {x} at each step, added over the layers and directions that read it:",
    "back.states": "Initial states",
    "back.blocks": "By size",
    "back.left": "{n} rows are left out ({dots}); no number in them is larger than {largest} in size.",
    "back.column.block": "block",
    "back.column.total": "sum of sizes",
    "back.column.largest": "largest",
    "back.nothing": "Nothing comes back to {place}: all its gradients are zero.",
    "back.more": "Every number as a table: {csv}.",
    # what was left out
    "short": "Left out here: {what}. {all} shows everything.",
    "short.units": "some units ({option} shows one)",
    "short.terms": "some terms of the sums",
    "short.steps": "some steps ({option} shows them)",
    "short.rows": "some rows of the batch ({option} shows one)",
    "short.layers": "some layers ({option} shows one)",
    "short.matrices": "some rows and columns of the matrices",
    "short.detail": "the single terms ({option} shows them)",
    # another arithmetic
    "arithmetic.hand.1": "By hand: each product, each sum and each value of a function is rounded to one decimal, half "
    "away from zero.",
    "arithmetic.hand": "By hand: each product, each sum and each value of a function is rounded to {n} decimals, half "
    "away from zero.",
    "arithmetic.float": "In {name}: weights, inputs and the result of every single operation are rounded to it.",
    "arithmetic.fixed": "In fixed point {name}: weights, inputs and results have {bits} bits, {part} of them after the "
    "point; one rounding for each dot product, half to even, and saturation.",
    "full": "in full precision",
    "drift": "off by",
    "partly": "Some operands were not recorded; their lines are shown without the numbers put in.",
}

LANGUAGES: dict[str, dict[str, str]] = {
    "en": ENGLISH,
    "de": german.WORDS,
    "fr": french.WORDS,
    "es": spanish.WORDS,
    "zh": chinese.WORDS,
}


@dataclass(frozen=True)
class Words:
    """The strings of one language."""

    table: dict[str, str]

    def has(self, key: str) -> bool:
        """Whether there is a string for `key`."""
        return key in self.table

    def text(self, key: str, **fields: Inline | Text) -> Text:
        """The string of `key` with formulas and texts in place of its fields."""
        parts: list[Inline] = []
        for at, piece in enumerate(re.split(r"\{(\w+)\}", self.table[key])):
            if at % 2 == 0:
                parts += [piece] if piece else []
            else:
                field = fields[piece]
                parts += field if isinstance(field, tuple) else [field]
        return tuple(parts)

    def word(self, key: str, **fields: object) -> str:
        """The string of `key` where every field is text or a number."""
        return self.table[key].format(**fields)

    def count(self, key: str, n: int) -> str:
        """The string for n things, with a form of its own for one."""
        return self.word(f"{key}.1" if n == 1 and self.has(f"{key}.1") else key, n=n)

    def sentence(self, text: Text) -> Text:
        """The text with a capital at its start and a full stop at its end."""
        return (*capital(text), self.table["stop"])

    def listed(self, texts: list[Text], mark: str = "list", last: str = "and") -> Text:
        """Texts one after the other, with commas and an 'and' before the last."""
        parts: list[Inline] = []
        for at, text in enumerate(texts):
            if at:
                parts.append(self.table[last if at == len(texts) - 1 else mark])
            parts += text
        return tuple(parts)


def words(language: str = "en") -> Words:
    """The strings of a language; those that it has not (of `explain`, which is in English) are the English ones."""
    return Words({**ENGLISH, **LANGUAGES[language]})


def capital(text: Text) -> Text:
    """The text with a capital at its start."""
    first = next((at for at, part in enumerate(text) if part != ""), 0)
    return tuple(
        part[:1].upper() + part[1:] if at == first and isinstance(part, str) else part for at, part in enumerate(text)
    )
