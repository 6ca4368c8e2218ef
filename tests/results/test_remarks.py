"""What a person reads of notes, premises, reasons, faults and layouts in the terminal, in German and another language.

A remark without words fails: each key in the code has its sentence in every language, and is met by a case here.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.base.remark import Remark
from lstm_trace.cell.parse import parse
from lstm_trace.corpus.verification import CorpusVerification
from lstm_trace.documents.formats import Show
from lstm_trace.documents.result import Result
from lstm_trace.languages.strings import Words, words
from lstm_trace.model.given_values import given_values
from lstm_trace.trace.address import Address
from lstm_trace.trace.trace import Trace
from lstm_trace.tracking.contexts import Context, Contexts, level
from lstm_trace.verification.compare import Comparison, compare
from lstm_trace.verification.verify import Unknown, Verification

from .. import ROOT
from ..support.noted import Noted

DRAW = np.random.default_rng(3)
WEIGHTS = {f"W_{s}{g}": DRAW.normal(size=(3, 3 if s == "h" else 2)) for s in "xh" for g in "ifco"}
X, BATCH = DRAW.normal(size=(4, 2)), DRAW.normal(size=(4, 2, 2))


NAN = X * [[1, 1], [1, np.nan], [1, 1], [1, 1]]


def traced(x: Any = X, **options: Any) -> Trace:
    return lt.run(WEIGHTS, x, **options)


def cancelled() -> Trace:
    """A line that nearly cancels, so that rounding may be as large as its value."""
    return cell("q = A @ x_t - x_t + 1", x=((1e14,), (2e14,)))


def partial(**fields: Any) -> Comparison:
    """A comparison with a file that has only some values."""
    return replace(lt.diff(traced(), traced()), remarks=(Remark("diff.partial", fields),))


def given(batch_first: bool) -> Comparison:
    """A comparison with rounded values, in another layout than x."""
    trace = traced(np.swapaxes(BATCH, 0, 1) if batch_first else BATCH, batch_first=batch_first)
    h = trace["h_t"] if batch_first else np.swapaxes(trace["h_t"], 0, 1)
    values = {"h": [[[f"{v:.3f}" for v in row] for row in rows] for rows in h], "W_xi": 0}
    return replace(lt.diff(trace, trace), remarks=given_values(values, trace).notes)


def unshared(why: str, **fields: str) -> Comparison:
    """A comparison in which the change of the output is not split."""
    other = X.copy()
    other[1, 0] += 0.5
    found = lt.diff(traced(), traced(other))
    assert found.changes is not None
    lacking = replace(found.changes, rest=None, why=Remark(f"diff.unshared.{why}", fields))
    return replace(found, changes=lacking)


def without(*lines: str) -> Trace:
    trace = traced()
    for line in lines:
        del trace.lines["0/forward"][line]
    return trace


def changed(line: str, value: float) -> Trace:
    trace = traced()
    trace.lines["0/forward"][line][1, 0, 1] = value
    return trace


def cell(equations: str, width: int = 1, x: Any = ((1.0,), (2.0,)), **more: Any) -> Trace:
    weights = {"b": [2.0] * width, "A": np.ones((width, 1)), "W": np.ones((1, width))}
    read = {name: array for name, array in weights.items() if re.search(rf"\b{name}\b", equations)}
    return lt.run(read, x, cell={"equations": equations}, **more)


def held(**hold: Any) -> Comparison:
    return lt.diff(traced(), traced(hold=hold))


def valid(one: Any, two: Any) -> Comparison:
    """Two runs that have computed the same, of which other steps are valid."""
    return lt.diff(*(traced(BATCH, lengths=lengths, ask="W_xi @ x_t") for lengths in (one, two)))


def titled() -> Comparison:
    what = Remark("holds", {"what": (Remark("diff.names.hold", {"address": "c_t", "value": "0"}),)})
    sides = {"a": "a.json", "b": Remark("diff.names.with", {"name": "b.json", "what": what})}
    return replace(lt.diff(traced(), traced()), names=Remark("diff.names.held", sides))


def unsure(**reasons: Remark | str) -> Verification:
    found = lt.verify(traced())
    return replace(found, unknown=tuple(Unknown("0/forward", kind, 1, what) for kind, what in reasons.items()))


def no_adjoint(old: str, new: str) -> Verification:
    g = lt.backward(traced(), of="3/h_t[1]")
    wrong = replace(g.stages[1], cell=parse(g.stages[1].cell.text.replace(old, new)))
    return lt.verify(replace(g, stages=(g.stages[0], wrong)))


def misread(**sources: str) -> Verification:
    g = lt.backward(traced(), of="3/h_t[1]")
    other = replace(g.stages[1], sources={**g.stages[1].sources, **sources})
    return lt.verify(replace(g, stages=(g.stages[0], other)))


def around(asked: Remark, *notes: Remark) -> Contexts:
    return Contexts(asked, (Context(17, 5, 0.75, 4, ("a", "b"), np.array([0.25, 0.75])),), "", notes)


def faulty(key: str, **fields: Any) -> CorpusVerification:
    found = CorpusVerification(2)
    found.fault(key, **fields)
    return found


def part(key: str, **fields: Any) -> CorpusVerification:
    return faulty("corpus.part", file="part-1.parquet", wrong=Remark(key, fields))


def limited() -> Result:
    sizes = {"sequences": 2, "batch": 8, "steps": 9, "of": 100}
    found = lt.identify(WEIGHTS, X, traced().output + 1)
    return replace(found, remarks=(Remark("identify.limited", sizes),))


def lost(units: int = 3) -> Result:
    y = traced().output.copy()
    y[0, :units] = np.nan
    return lt.identify(WEIGHTS, X, y)


def saved() -> Result:
    return lt.identify(WEIGHTS, X, np.round(traced().output, 3))


def padded() -> Result:
    """The last step, of a sequence that ends before it, too."""
    return lt.identify(WEIGHTS, BATCH, traced(BATCH, lengths=[4, 2]).output[-1] * [[1], [0]], lengths=[4, 2])


def significant() -> Result:
    return lt.identify(WEIGHTS, X, np.vectorize(lambda v: float(f"{v:.4g}"))(traced().output))


def wider() -> Comparison:
    """That the first line that differs cannot be derived for b, where a name stands for more units."""
    found = lt.diff(cell("h_t = b * x_t"), cell("h_t = b + x_t"))
    assert found.first is not None
    names = ("u", Remark("diff.wide", {"name": "v", "width": 2}))
    return replace(found, first=replace(found.first, lacking=names, first_of_a=None))


def looked_up() -> Result:
    each = Remark("diff.embedding.values", {"name": "e.weight", "most": "0.25"})
    return replace(lt.diff(traced(), traced()), remarks=(Remark("diff.embeddings.own", {"each": each}),))


def other_outputs() -> Comparison:
    remark = Remark("diff.label.output", {"number": 4, "a": "e", "b": "X"})
    return replace(lt.diff(traced(), traced()), remarks=(remark,))


def apart() -> Comparison:
    name = Remark("diff.names", {"a": "e.weight", "b": "f.weight"})
    one = Remark("diff.embedding.shapes", {"name": name, "a": "(5, 3)", "b": "(4, 3)"})
    two = Remark("diff.embedding.values", {"name": "g.weight", "most": "0.25"})
    each = Remark("diff.embedding.more", {"one": one, "two": two})
    return replace(lt.diff(traced(), traced()), remarks=(Remark("diff.embeddings", {"each": each}),))


def content(key: str, **fields: Any) -> Callable[[], Result]:
    """What the weights of b are of those of a."""
    return lambda: replace(lt.diff(traced(), traced()), of_content=(Remark(f"diff.content.{key}", fields),))


def each(key: str, **fields: str) -> Callable[[], Result]:
    return content(key, each=(Remark(f"diff.content.{key}.one", fields),))


#: What is made, and what the text of it in German and in another language has.
CASES: dict[str, tuple[Callable[[], Result], str, str, str]] = {
    "other steps": (
        lambda: lt.diff(traced(), traced().at(steps=slice(1, 3))),
        "Anmerkung: a hat die Schritte 0 bis 3, b hat die Schritte 1 bis 2; verglichen werden die gemeinsamen",
        "es", "nota: a tiene los pasos 0 a 3; b, los pasos 1 a 2; se comparan los comunes",
    ),
    "counted from 0 and 1": (
        lambda: lt.diff(*(replace(a, header=replace(a.header, count_from=n)) for n, a in enumerate([traced()] * 2))),
        "Anmerkung: b zählt Schritte und Einheiten ab 1; hier werden sie wie in a ab 0 gezählt",
        "fr", "remarque\u00a0: b compte les pas et les unités à partir de 1\u202f; ici, ils sont comptés à partir de 0",
    ),
    "fewer steps": (
        lambda: lt.diff(traced(), traced(X[:2])),
        "Anmerkung: a hat 4 Schritte, b hat 2; verglichen werden die ersten 2",
        "zh", "说明：a 有 4 个时间步，b 有 2 步；比较前 2 步",
    ),
    "one step": (
        lambda: lt.diff(traced(), traced(X[:1])),
        "a hat 4 Schritte, b hat 1; verglichen wird der erste",
        "fr", "a compte 4 pas, b en compte 1\u202f; le premier est comparé",
    ),
    "fewer rows": (
        lambda: lt.diff(*(traced(np.repeat(BATCH, n, 1)) for n in (2, 1))),
        "a hat 4 Sequenzen, b hat 2; verglichen werden die ersten 2",
        "es", "a tiene 4 secuencias, b tiene 2; se comparan las 2 primeras",
    ),
    "one row": (
        lambda: lt.diff(traced(BATCH[:, :1]), traced(BATCH)),
        "a hat 1 Sequenz, b hat 2; verglichen wird die erste",
        "zh", "a 有 1 个序列，b 有 2 个；比较第一个",
    ),
    "sums": (
        lambda: lt.diff(*(lt.backward(traced(X[:n]), of="1/h_t[0]") for n in (2, 3))),
        "Summen über alle Schritte und Sequenzen (Gradienten von Parametern) werden nicht verglichen",
        "fr", "les sommes sur tous les pas et séquences (gradients des paramètres) ne sont pas comparées\u00a0:",
    ),
    "nothing held": (
        lambda: held(f_t="*0.5"), "Anmerkung: a hält nichts fest", "es", "nota: valores fijados en a: ninguno",
    ),
    "a multiple": (
        lambda: held(f_t="*0.5"),
        "Anmerkung: b hält 0/forward/f_t auf dem 0.5-Fachen des eigenen Werts fest",
        "fr", "valeurs imposées dans b\u00a0: 0/forward/f_t à 0.5 fois sa propre valeur",
    ),
    "given values": (
        lambda: held(f_t=np.arange(12.0).reshape(4, 3) / 12),
        "Anmerkung: b hält 0/forward/f_t auf vorgegebenen Werten fest",
        "es", "valores fijados en b: 0/forward/f_t en valores dados",
    ),
    "the first is held": (
        lambda: held(f_t="*0.5"),
        "- b hält den Wert auf dem 0.5-Fachen des eigenen Werts fest",
        "es", "- b lo fija en 0.5 veces su propio valor",
    ),
    "much held": (
        lambda: held(**{f"{t}/f_t": t / 8 for t in range(4)}, **{f"{t}/i_t": t / 8 for t in range(4)}),
        "0/forward/3/0/i_t auf 0.375, 0/forward/0/0/f_t auf 0, … fest",
        "zh", "0/forward/3/0/i_t 固定为 0.375，0/forward/0/0/f_t 固定为 0，……",
    ),
    "labels": (
        lambda: lt.diff(*(traced(tokens=[*"ab", c, "d"]) for c in "xy")),
        "Anmerkung: Schritt 2 heißt „x“ in a, „y“ in b",
        "es", "nota: el paso 2 se llama «x» en a y «y» en b",
    ),
    "labels of a row": (
        lambda: lt.diff(*(traced(BATCH, tokens=[[*"abcd"], [*"abc", c]]) for c in "xy")),
        "Anmerkung: Schritt 3 von Sequenz 1 heißt „x“ in a, „y“ in b",
        "zh", "说明：序列 1 的时间步 3 在 a 中名为“x”，在 b 中名为“y”",
    ),
    "a stage": (
        lambda: lt.diff(lt.backward(traced(), of="3/h_t[1]"), traced()),
        "Anmerkung: 0/adjoint-forward gibt es nur in a",
        "fr", "remarque\u00a0: 0/adjoint-forward n’existe que dans a",
    ),
    "lines": (
        lambda: lt.diff(traced(), without("i_t", "z_f", "f_t", "z_i", "z_c", "o_t")),
        "Anmerkung: 0/forward: nur in a: z_i, i_t, z_f, f_t, z_c und 1 weitere",
        "es", "nota: 0/forward: solo en a: z_i, i_t, z_f, f_t, z_c y 1 más",
    ),
    "equations": (
        lambda: compare(cell("u = b * x_t\nh_t = u + x_t"), cell("h_t = b + x_t")),
        "Anmerkung: 0/forward: Die Zellen unterscheiden sich in u, h_t (a: b * x_t, b: keine)",
        "fr", "remarque\u00a0: 0/forward\u00a0: les cellules diffèrent par u, h_t (a\u00a0: b * x_t, b\u00a0: aucune)",
    ),
    "widths": (
        lambda: lt.diff(*(cell("u = A @ x_t\nh_t = W @ u", n) for n in (1, 2))),
        "Anmerkung: 0/forward/u: a hat die Breite 1, b hat die Breite 2",
        "zh", "说明：0/forward/u：a 中的宽度为 1，b 中的宽度为 2",
    ),
    "shapes": (
        lambda: lt.diff(*(cell("u = A @ x_t\nh_t = W @ u", n) for n in (1, 2))),
        "Eingabe oder Gewicht: 0/forward/A: a hat die Form (1, 1), b hat die Form (2, 1)",
        "es", "entrada o peso: 0/forward/A: en a tiene la forma (1, 1) y en b la forma (2, 1)",
    ),
    "one premise": (
        lambda: lt.diff(traced(BATCH, lengths=[4, 2]), traced(BATCH)),
        "Eingabe oder Gewicht: lengths gibt es nur in a",
        "zh", "输入或权重：lengths 只在 a 中有",
    ),
    "inputs": (
        lambda: lt.diff(traced(BATCH, lengths=[4, 4]), replace(traced(BATCH), x=None)),
        "Eingabe oder Gewicht: Eingaben: nur in a: x, lengths",
        "fr", "entrée ou poids\u00a0: entrées\u00a0: seulement dans a\u00a0: x, lengths",
    ),
    "values": (
        lambda: compare(traced(), traced(X + 0.1)),
        "Eingabe oder Gewicht: x: 8 von 8 Werten verschieden, um höchstens 0.1; der erste bei [0,0,0]",
        "zh", "输入或权重：x：8 个值中有 8 个不同，最多相差 0.1；第一个在 [0,0,0]",
    ),
    "a wide bound": (
        lambda: lt.diff(cancelled(), cancelled()),
        "Anmerkung: 0/forward/q: Die Rundungsschranke ist hier 0.27; kleinere Fehler sind nicht zu erkennen.",
        "es", "la cota de redondeo es aquí 0.27; no se detectan errores menores.",
    ),
    "not finite in both": (
        lambda: lt.diff(changed("c_t", np.nan), changed("c_t", np.nan)),
        "Anmerkung: ein Wert ist in beiden derselbe, ohne endlich zu sein (NaN oder dasselbe Unendlich), und gilt als "
        "gleich: 0/forward/1/0/c_t[1]",
        "fr", "une valeur est la même dans les deux sans être finie (NaN ou le même infini) et compte comme égale",
    ),
    "several that are not finite in both": (
        lambda: lt.diff(traced(NAN), traced(NAN)),
        "Anmerkung: 153 Werte sind in beiden dieselben, ohne endlich zu sein (NaN oder dasselbe Unendlich), und gelten",
        "zh", "视为相等；第一个是 0/forward/1/0/W_xi @ x_t[0]",
    ),
    "an input that is NaN": (
        lambda: compare(traced(), traced(NAN)),
        "Eingabe oder Gewicht: x: 1 von 8 Werten verschieden, 1 davon als NaN oder unendlicher Wert; der erste bei",
        "es", "entrada o peso: x: difieren 1 de 8 valores, 1 de ellos por ser NaN o infinitos; el primero, [1,0,1]",
    ),
    "shares that take long": (
        lambda: unshared("large", address="3/h_t[0]"),
        "Ein Unterschied. Eine Änderung der Ausgabe exakt aufteilen: --attribute '3/h_t[0]'.",
        "fr", "Une différence. Pour répartir exactement une variation de la sortie\u00a0: --attribute \"3/h_t[0]\".",
    ),
    "no shares": (
        lambda: unshared("model"), "Ein Unterschied. Die Änderung der Ausgabe lässt sich nicht aufteilen: Die beiden",
        "es", "El cambio de la salida no se puede repartir: las dos tienen otras capas o anchuras",
    ),
    "shares that are not finite": (
        lambda: unshared("nonfinite"), "nicht aufteilen: Die Beiträge sind nicht endlich.",
        "zh", "1 处不同。 输出的变化无法分摊：贡献不是有限数。",
    ),
    "an output that is not finite": (
        lambda: unshared("output"), "nicht aufteilen: Wo sie sich unterscheidet, ist sie in einem der beiden NaN",
        "fr", "ne peut pas être répartie\u00a0: là où elle diffère, elle est NaN ou infinie dans l’un des deux.",
    ),
    "printed values": (
        lambda: given(False), "eine halbe Einheit ihrer letzten gedruckten Stelle genau, höchstens 0.0005; kleinere",
        "fr", "les valeurs sont (B, T, largeur), alors que x a été lu comme (T, B, I)\u00a0: si x",
    ),
    "values in the order of steps": (
        lambda: given(True), "W_xi: Voraussetzungen in der Datei werden nicht gelesen; es gelten die von a",
        "es", "los valores son (T, B, ancho), mientras que x se leyó como (B, T, I)",
    ),
    "values of the last step": (
        padded, "die Werte ohne Schritt sind die des letzten Schritts, auch bei den Sequenzen, die dort",
        "zh", "未注明时间步的数值取自最后一个时间步",
    ),
    "significant digits": (
        significant, "die Werte wurden beim Speichern auf 4 signifikante Stellen gerundet",
        "fr", "les valeurs ont été arrondies à 4 chiffres significatifs lors de l’enregistrement\u00a0: les bonnes",
    ),
    "values of another program": (
        lambda: partial(place="0/forward/h_t", have=1, whole=40),
        "Anmerkung: 0/forward/h_t: 1 von 40 Werten stehen in der Datei",
        "fr", "remarque\u00a0: 0/forward/h_t\u00a0: 1 valeurs sur 40 sont dans le fichier",
    ),
    "padding in both": (
        lambda: lt.diff(*(traced(BATCH, lengths=[4, 2]) for _ in range(2))),
        "2 Schritte sind in beiden Padding; verglichen werden dort nur die Zustände, die erhalten bleiben,",
        "zh", "有 2 个时间步在两者中都是填充；",
    ),
    "a step of padding in both": (
        lambda: lt.diff(*(traced(BATCH, lengths=[4, 3]) for _ in range(2))),
        "1 Schritt ist in beiden Padding;",
        "es", "1 paso es de relleno (padding) en ambos;",
    ),
    "only padding": (
        lambda: lt.diff(*(traced(BATCH, lengths=[0, 0]) for _ in range(2))),
        "überein, aber verglichen wird nur Padding: kein Schritt ist in einem der beiden gültig",
        "fr", "mais seul du remplissage (padding) est comparé\u00a0: aucun pas n’est valide",
    ),
    "nothing in common": (
        lambda: lt.diff(*(cell("h_t = b * x_t", n, x=np.ones((2, n))) for n in (1, 2)), cell("h_t = b * x_t"))[0],
        "nicht entscheidbar: kein Wert ist in beiden: 0/forward/h_t: a hat die Breite 1, b hat die Breite 2",
        "zh", "没有共同的值：0/forward/h_t：a 中的宽度为 1，b 中的宽度为 2",
    ),
    "padding in one": (
        lambda: valid([4, 3], [4, 4]),
        "aber Schritt 3 von Sequenz 1 zählt in b und ist in a Padding, wo eine andere Ausgabe gegeben wird",
        "es", "pero el paso 3 de la secuencia 1 cuenta en b y es relleno (padding) en a, donde se da otra salida",
    ),
    "more padding in one": (
        lambda: valid([4, 2], [4, 4]),
        "ist in a Padding (der erste von 2 solchen Schritten), wo",
        "zh", "在 a 中是填充（这样的时间步共 2 个，这是第一个）",
    ),
    "reshaped": (
        lambda: lt.diff(*(cell("h_t = W @ x_t + W @ x_t", n, x=np.ones((2, n))) for n in (1, 2))),
        "die Operanden haben in b eine andere Form (W (1, 1) und (1, 2), x_t (1,) und (2,))",
        "fr", "ses opérandes ont d’autres formes dans b (W (1, 1) et (1, 2), x_t (1,) et (2,))",
    ),
    "no such name": (
        lambda: lt.diff(
            cell("u = b * x_t\nh_t = u + x_t"), cell("input: x_t, u\nh_t = u + x_t", given={"u": [[3.0], [3.0]]})
        ),
        "die Gleichung ist eine andere: a hat u = b * x_t, b hat nichts dieses Namens;",
        "es", "b tiene nada con ese nombre",
    ),
    "wider": (wider, "b hat u, v der Breite 2 nicht, also", "fr", "b n’a pas u, v de largeur 2"),
    "title": (
        titled, "Unterschied: a.json und b.json (c_t auf 0 festgehalten)", "es", "a.json y b.json (c_t fijado en 0)",
    ),
    "embeddings": (
        apart,
        "sind aber verschieden (e.weight und f.weight: (5, 3) und (4, 3); g.weight: bis zu 0.25",
        "zh", "（e.weight 和 f.weight：(5, 3) 和 (4, 3)；g.weight：最多相差 0.25）",
    ),
    "outputs with other names": (
        other_outputs,
        "Ausgang 4 heißt „e“ in a, „X“ in b: Ausgänge werden nach ihren Nummern verglichen",
        "fr", "la sortie 4 s’appelle «\u202fe\u202f» dans a, «\u202fX\u202f» dans b\u00a0: les sorties sont comparées",
    ),
    "embeddings of the models": (
        looked_up,
        "hat die Token in seinem eigenen Embedding nachgeschlagen, und die Embeddings sind verschieden (e.weight",
        "zh", "每个模型都在自己的嵌入中查找词元，而它们的嵌入不同（e.weight：最多相差 0.25）",
    ),
    "moved weights": (
        each("is", b="W_x", a="W_h"), "- W_x in b ist W_h in a", "zh", "b 的 W_x 就是 a 的 W_h",
    ),
    "other gates": (
        content("gates", b="i, f", a="f, i", places=Remark("diff.content.all")),
        "in b (Gewichte) sind die Gates i, f die Gates f, i von a",
        "fr", "dans b (poids), les portes i, f sont les portes f, i de a",
    ),
    "other units": (
        content("units", order="1, 0", places=("W_x", "W_h")),
        "b hat die Einheiten von a (W_x, W_h) in der Reihenfolge 1, 0",
        "es", "b tiene las unidades de a en el orden 1, 0 (W_x, W_h)",
    ),
    "an order that is not followed": (
        content("kept", places=("1/forward/W_x",), layer="0"),
        "in b (1/forward/W_x) werden die Einheiten der Schicht 0 in der Reihenfolge von a gelesen",
        "fr", "dans b (1/forward/W_x), les unités de la couche 0 sont lues dans l’ordre de a",
    ),
    "numbers cut off": (
        content("cut", places=("W_x",), dtype="bfloat16"), "b hat die Werte von a, auf bfloat16 abgeschnitten: W_x",
        "es", "b tiene los valores de a truncados a bfloat16: W_x",
    ),
    "codes": (
        content("codes", places=("W_x",), factor="127"),
        "b hat die Werte von a, mit 127 multipliziert und auf ganze Zahlen gerundet: W_x",
        "zh", "b 的值是 a 乘以 127 并舍入为整数的结果：W_x",
    ),
    "other rows": (
        content("rows", order="1, 0", places=("W_x",)), "b hat die Zeilen von a (W_x) in der Reihenfolge 1, 0",
        "zh", "b 按顺序 1, 0 排列了 a 的行（W_x）",
    ),
    "other columns": (
        content("columns", order="1, 0", places=("W_x",)), "b hat die Spalten von a (W_x) in der Reihenfolge 1, 0",
        "fr", "b a les colonnes de a dans l’ordre 1, 0 (W_x)",
    ),
    "transposed weights": (
        content("transposed", places=("W_h",)), "b hat dieselben Werte wie a, transponiert: W_h",
        "fr", "b a les mêmes valeurs que a, transposées : W_h",
    ),
    "reshaped weights": (
        content("reshaped", places=("W_h",)), "b hat dieselben Werte wie a in anderer Form, Zeilen als Spalten gelesen",
        "es", "b tiene los mismos valores que a con otra forma, con las filas leídas como columnas: W_h",
    ),
    "zeros": (
        content("zero", places=("b_h",)), "b hat Nullen, wo a andere Werte hat: b_h", "zh", "b 用零代替了 a 的值：b_h",
    ),
    "another sign": (
        content("sign", places=("b_h",)), "wie a mit umgekehrtem Vorzeichen: b_h", "es", "con el signo opuesto: b_h",
    ),
    "a factor": (
        content("scaled", factor="0.5", places=("b",)), "b hat die Werte von a mal 0.5: b",
        "fr", "b a les valeurs de a multipliées par 0.5 : b",
    ),
    "a shift": (
        content("shifted", shift="1", places=("b_f",)), "b hat die Werte von a, um 1 erhöht: b_f",
        "zh", "b 的值是 a 的值加 1：b_f",
    ),
    "another type": (
        content("float", dtype="float16", places=("b",)), "b hat die Werte von a, auf float16 gerundet: b",
        "es", "b tiene los valores de a redondeados a float16: b",
    ),
    "one decimal": (
        content("decimals", n=1, places=("b",)), "auf eine Nachkommastelle gerundet: b", "fr", "à une décimale : b",
    ),
    "decimals": (
        content("decimals", n=3, places=("b",)), "auf 3 Nachkommastellen gerundet: b", "zh", "舍入到 3 位小数的结果：b",
    ),
    "pruned weights": (
        each("pruned", count="3", of="9", most="0.1", places="W_h"),
        "b hat Nullen anstelle kleiner Gewichte von a: W_h (3 von 9, bis 0.1)",
        "es", "b tiene ceros en lugar de pesos pequeños de a: W_h (3 de 9, hasta 0.1)",
    ),
    "quantised weights": (
        each("steps", step="0.01", snr="40.1", places="W_h"),
        "b hat die Gewichte von a quantisiert: W_h (Schritt 0.01, SNR 40.1 dB)",
        "fr", "b a les poids de a quantifiés : W_h (pas 0.01, SNR 40.1 dB)",
    ),
    "unrelated weights": (
        content("unrelated", correlation="0.02"), "die Gewichte von b sind nicht als die von a zu erkennen:",
        "es", "los pesos de b no se reconocen como los de a:",
    ),
    "a changed premise": (
        lambda: lt.verify(replace(traced(), x=traced().x + 1.0)),
        "Hinweis: jede falsche Zeile liest x_t: Vielleicht wurde das geändert, und nicht die Zeilen",
        "fr", "toutes les lignes fausses lisent x_t\u00a0: c’est peut-être cela qui a été modifié, et non les lignes",
    ),
    "a supplied line": (
        lambda: lt.verify(lt.backward(traced(), of="3/h_t[1]")),
        "0/adjoint-forward: d_h_next, d_c_next, seed_h_t (vorgegeben)",
        "zh", "0/adjoint-forward: d_h_next, d_c_next, seed_h_t（给定）",
    ),
    "no bound": (
        lambda: lt.verify(changed("c_t", np.nan)),
        "nicht entscheidbar: 0/forward/tanh(c_t): die Rundungsschranke ist nicht endlich (ein Wert ist NaN, unendlich",
        "es", "0/forward/tanh(c_t): la cota de redondeo no es finita (un valor es NaN, infinito o demasiado grande)",
    ),
    "no operand": (
        lambda: lt.verify(without("z_f")),
        "nicht entscheidbar: 0/forward/f_t: z_f wurde nicht aufgezeichnet",
        "zh", "0/forward/f_t：z_f 未被记录",
    ),
    "no terms": (lambda: unsure(terms=""), "0/forward: die Summanden wurden nicht", "fr", "les termes de la somme"),
    "not recorded": (
        lambda: unsure(requested=""), "0/forward: verlangt, aber nicht aufgezeichnet", "es", "se pidió, pero no se",
    ),
    "another adjoint": (
        lambda: no_adjoint("d_c_tilde * (1 - c_tilde * c_tilde)", "d_c_tilde * (1 + c_tilde * c_tilde)"),
        "die Gleichungen sind nicht die der Adjungierten von 0/forward: erwartet wird `d_z_c = d_c_tilde * (1 - c",
        "fr", "ses équations ne sont pas celles de l’adjoint de 0/forward\u00a0: attendu `d_z_c",
    ),
    "an adjoint of fewer lines": (
        lambda: unsure(adjoint=Remark("adjoint.equations", {"owner": "0/forward"})),
        "die Gleichungen sind nicht die der Adjungierten von 0/forward",
        "es", "sus ecuaciones no son las del adjunto de 0/forward",
    ),
    "no adjoint": (
        lambda: unsure(adjoint=Remark("adjoint.underived", {"owner": "0/forward", "why": "max"})),
        "die Adjungierte von 0/forward lässt sich zum Vergleich nicht herleiten: max",
        "zh", "无法推导 0/forward 的伴随以供比较：max",
    ),
    "another input": (
        lambda: misread(i_t="0/forward/f_t"),
        "die Eingabe i_t ist 0/forward/f_t; erwartet wird 0/forward/i_t",
        "es", "su entrada i_t es 0/forward/f_t; se esperaba 0/forward/i_t",
    ),
    "another gradient": (
        lambda: unsure(
            adjoint=Remark(
                "adjoint.gradient",
                {"name": "h_t", "found": Remark("adjoint.no.stage"), "expected": "1/adjoint-forward/d_x_t"},
            )
        ),
        "Quelle des Gradienten von h_t: keine andere Stufe; erwartet wird 1/adjoint-forward/d_x_t",
        "fr", "origine du gradient de h_t\u00a0: aucune autre étape\u202f; attendu\u00a0: 1/adjoint-forward/d_x_t",
    ),
    "another model": (
        lambda: faulty("corpus.differs.model"),
        "fehlgeschlagen: das Modell ist nicht das, aus dem die Zustände berechnet wurden",
        "fr", "le modèle n’est pas celui à partir duquel les états ont été calculés",
    ),
    "another input of a corpus": (
        lambda: faulty("corpus.differs.inputs"),
        "die Eingaben sind nicht die, aus denen die Zustände berechnet wurden",
        "zh", "输入与计算这些状态时所用的不同",
    ),
    "no such line": (
        lambda: faulty("corpus.lost", line="0/forward/c_t", units=Remark("counted.units", {"n": 4})),
        "das Modell hat kein 0/forward/c_t mit 4 Einheiten, sodass nichts verglichen werden kann",
        "es", "el modelo no tiene 0/forward/c_t de 4 unidades, así que no se puede comparar nada",
    ),
    "an edited manifest": (
        lambda: faulty("corpus.edited", file="_manifest.json", entry="cell"),
        "_manifest.json: cell ist nicht der Eintrag des Modells: Das Manifest wurde bearbeitet",
        "fr", "_manifest.json\u00a0: cell ne correspond pas au modèle\u00a0: le manifeste a été modifié",
    ),
    "another index": (
        lambda: faulty("corpus.index", file="_index.parquet"),
        "_index.parquet gibt nicht an, wo die Sequenzen der Eingabe stehen",
        "zh", "_index.parquet 没有说明输入的序列在哪里",
    ),
    "unreadable": (
        lambda: faulty("corpus.unreadable", file="part-1.parquet", why="EOF"),
        "part-1.parquet lässt sich nicht lesen: EOF", "es", "no se puede leer part-1.parquet: EOF",
    ),
    "a foreign part": (
        lambda: faulty("corpus.foreign", file="part-9.parquet"),
        "part-9.parquet ist kein Teil dieses Laufs: Entfernen Sie die Datei",
        "fr", "part-9.parquet ne fait pas partie de cette exécution\u00a0: supprimez-le",
    ),
    "other parts": (
        lambda: faulty("corpus.parts"), "die Teile sind nicht die der Eingabe, jede ihrer Sequenzen einmal",
        "zh", "各部分与输入不符",
    ),
    "a missing part": (
        lambda: part("corpus.part.missing"),
        "part-1.parquet fehlt: Ein neuer Lauf des Korpus erzeugt den Teil noch einmal",
        "es", "part-1.parquet falta: vuelva a ejecutar el corpus, que la genera de nuevo",
    ),
    "a damaged part": (
        lambda: part("corpus.part.damaged"), "part-1.parquet ist beschädigt:", "zh", "part-1.parquet 已损坏：",
    ),
    "an unsealed part": (
        lambda: part("corpus.part.unsealed"), "hat keine eigene Prüfsumme:", "fr", "n’a pas de somme de contrôle",
    ),
    "another part": (
        lambda: part("corpus.part.other", number=3), "part-1.parquet ist Teil 3:", "es", "es la parte 3:",
    ),
    "other sequences": (
        lambda: faulty("corpus.sequences", file="p"),
        "p: Die Sequenzen sind nicht die der Eingabe, jede einmal und ohne Padding",
        "zh", "p：其中的序列与输入不符：每个序列应恰好出现一次，且不含填充",
    ),
    "other steps of a corpus": (
        lambda: faulty("corpus.steps", file="p"), "p: t zählt nicht die Schritte jeder Sequenz",
        "es", "p: t no cuenta los pasos de cada secuencia",
    ),
    "another column": (
        lambda: faulty("corpus.column", file="p", column="token", sequence=7, t=2, stored="'a'", right="'b'"),
        "p: token von Sequenz 7 ist nicht die Spalte der Eingabe: bei t = 2 steht 'a', nicht 'b'",
        "fr", "p\u00a0: token de la séquence 7 n’est pas celle de l’entrée\u00a0: à t = 2 on lit 'a', et non 'b'",
    ),
    "a wrong run": (
        lambda: faulty("corpus.unverified", address=Address("i_t", 0, "forward", 0, 0, (1,))),
        "ein zeilenweiser Lauf ist nicht verifiziert: 0/forward/0/0/i_t[1]",
        "zh", "逐行运行未通过验证：0/forward/0/0/i_t[1]",
    ),
    "a part of a large model": (
        limited,
        "gesucht wurde mit den ersten 2 von 8 Sequenzen und 9 von 100 Schritten, weil das Modell groß ist",
        "zh", "只搜索了 8 个序列中的前 2 个和 100 个时间步中的前 9 步",
    ),
    "a port that is not finite": (
        lost, "3 von 12 Werten sind NaN oder unendlich, wo die des Modells endlich sind, zuerst",
        "es", "3 de 12 valores son NaN o infinitos donde los del modelo son finitos, el primero",
    ),
    "one value that is not finite": (
        lambda: lost(1), "1 von 12 Werten ist NaN oder unendlich, wo der des Modells endlich ist",
        "fr", "1 valeur sur 12 est NaN ou infinie là où celle du modèle est finie",
    ),
    "rounded when saved": (
        saved, "die Werte wurden beim Speichern auf 0.001 gerundet, richtige dürfen also um 0.0005 abweichen",
        "zh", "这些值在保存时舍入到 0.001，因此正确的值最多可相差 0.0005",
    ),
    "highest of a unit": (
        lambda: around(Remark("contexts.at.highest", {"unit": "c_t[3]"})),
        "c_t[3], höchster Wert einer Sequenz", "fr", "c_t[3], valeur la plus haute d’une séquence",
    ),
    "lowest of a unit": (
        lambda: around(Remark("contexts.at.lowest", {"unit": "c_t[3]"})),
        "c_t[3], niedrigster Wert einer Sequenz", "es", "c_t[3], valor más bajo de una secuencia",
    ),
    "units above": (
        lambda: around(level(None, None).asked("c_t[3]"), Remark("contexts.mean")),
        "c_t[3] über 0.3\nDie Zahl eines Abschnitts ist der Mittelwert seiner Werte.",
        "zh", "c_t[3] 高于 0.3\n每段的数字是该段各值的平均值。",
    ),
    "units below": (
        lambda: around(level(None, -1.5).asked("c_t[3,4]"), Remark("contexts.mean.nearest")),
        "c_t[3,4] unter -1.5\nDie Zahl eines Abschnitts ist der Mittelwert seiner Werte, bei jedem Schritt dessen der",
        "fr", "à chaque pas compte celle de l’unité la plus proche du seuil.",
    ),
    "units between": (
        lambda: around(level(0.25, 0.5).asked("c_t[3]")),
        "c_t[3] über 0.25 und unter 0.5", "es", "c_t[3] por encima de 0.25 y por debajo de 0.5",
    ),
}  # fmt: skip


def shown(result: Result, said: Words) -> str:
    """What the terminal shows, in lines of any length."""
    return result.printed(said, Show("text"), 10_000)


@cache
def made(name: str) -> Result:
    return CASES[name][0]()


@pytest.mark.parametrize("name", CASES)
def test_a_sentence_in_its_language(name: str) -> None:
    _, german, other, text = CASES[name]
    result = made(name)
    assert german in shown(result, words("de"))
    assert text in shown(result, words(other))
    assert german not in shown(result, words("en"))


def patterns(node: ast.AST) -> Iterator[str]:
    """The texts in an expression, as patterns: a field of an f-string stands for anything."""
    if isinstance(node, ast.JoinedStr):
        yield "".join(re.escape(str(p.value)) if isinstance(p, ast.Constant) else r"[\w.]+" for p in node.values)
    elif isinstance(node, ast.IfExp):
        yield from (*patterns(node.body), *patterns(node.orelse))
    elif isinstance(node, ast.Constant):
        yield re.escape(str(node.value))


def keys_in_code() -> Iterator[str]:
    """The keys of remarks, as patterns, in the calls that make them."""
    for path in (ROOT / "lstm_trace").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        for call in ast.walk(ast.parse(text)) if re.search(r"Remark\(|fault\(|remark_on_holds\(", text) else ():
            if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name | ast.Attribute):
                continue
            name = ast.unparse(call.func)
            if name in ("Remark", "found.fault"):
                yield from patterns(call.args[0])
            elif name == "remark_on_holds":
                found = [*patterns(call.args[1])]
                yield from (
                    *found,
                    *(rf"{one}\.more" for one in found),
                    *(p for a in call.args[2:] for p in patterns(a)),
                )


@pytest.mark.few(0)
def test_every_remark_has_words_and_a_case_here() -> None:
    known = words("en").table.keys()
    keys = {key for key in keys_in_code() if not key.startswith(r"[\w.]+")}  # `key` and `key.more` of an argument
    assert len(keys) > 60
    assert not sorted(key for key in keys if not any(re.fullmatch(key, one) for one in known)), "no sentence"
    said = Words("de", Noted(words("de").table))
    for name in CASES:
        shown(made(name), said)
    wanted = {one for one in known for key in keys if re.fullmatch(rf"{key}(\.1)?", one)}
    missing = {one for one in wanted - said.table.met if not one.startswith(("counted.", "explanation."))}  # type: ignore[attr-defined]
    assert not missing, "no case"
