"""What the weights of b are of those of a, found from their numbers: moved, turned, reordered, scaled, rounded, …

A claim must be improbable by chance. A number that recurs elsewhere is worth as many bits as it is rare, another those
of its decimal digits; it counts once in each array, and what was fitted or chosen is subtracted. So zeros, constants
and single numbers prove nothing.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from functools import partial, reduce
from typing import Any, NamedTuple

import numpy as np

from ..base.arrays import Array, by_key
from ..base.remark import Remark

Weights = Mapping[str, Mapping[str, Array]]


class Weight(NamedTuple):
    """A weight, such as W_xi of 0/forward; without a gate, those of all gates, one below the other. The gate of a name
    that has none is a space.
    """

    scope: str
    stem: str
    shape: tuple[int, ...]
    gate: str = ""

    @property
    def name(self) -> str:
        """As in the equations; `b` for those of all gates."""
        return " + ".join(f"{part}{self.gate}" for part in self.stem.split(" + ")).rstrip("_ ")


#: The key of a sentence and its fields, how many bits were fitted, and the numbers that b would have.
Made = tuple[str, Mapping[str, Any], float, Array]
Relation = Callable[[Array, Array], Made]
#: How many bits a claim needs: one in a million is wrong. How many a number is worth at most, and each of its digits;
#: and the choice among some thousand sources, forms and relations.
BITS, OF_NUMBER, OF_DIGIT, OF_CHOICE = 20, 12, math.log2(10), 12
#: So many numbers of an array count, and a number that is so often among all weights has not come by chance.
COUNTED, OFTEN = 64, 3
#: So many numbers of an array are looked at first; it is compared whole with those to which it correlates that much.
SAMPLE, LIKE = 4096, 0.9
#: So many units of an order are named.
NAMED = 16
#: How one program's matrix becomes another's of that shape.
FORMS: dict[str, Callable[[Array, tuple[int, ...]], Array]] = {
    "": lambda matrix, shape: matrix,
    "transposed": lambda matrix, shape: matrix.T,
    "reshaped.rows": lambda matrix, shape: matrix.ravel("F").reshape(shape),
    "reshaped.columns": lambda matrix, shape: matrix.ravel().reshape(shape, order="F"),
}


@np.errstate(all="ignore")
def content(a: Weights, b: Weights) -> tuple[Remark, ...]:
    """What b's weights are of a's. Empty if they are the same, or where nothing can be claimed."""
    one, two = ({(s, name): array for s, here in side.items() for name, array in here.items()} for side in (a, b))
    if one.keys() == two.keys() and all(np.array_equal(array, two[at]) for at, array in one.items()):
        return ()  # without a copy
    dtypes = {array.dtype.type for array in (*one.values(), *two.values())}
    search = _Matching(*(_matrices(side, np.float32 if np.float32 in dtypes else np.float64) for side in (a, b)))
    search.reorder()
    search.match()
    return tuple(search.remarks())


def _matrices(weights: Weights, dtype: type[Any]) -> dict[Weight, Array]:
    """The weights as matrices, and the sums of two biases, which another program may have stored as one."""
    found: dict[Weight, Array] = {}
    for scope, arrays in weights.items():
        here = {name: arrays[name] for name in sorted(arrays, key=lambda name: "ifco".find(name[-1]))}
        halves = [(name, f"b_x{name[-1]}") for name in here if name[:-1] == "b_h"]
        here |= {f"b_x + {one}": here[one] + here[other] for one, other in halves if other in here}
        usable = [name for name, array in here.items() if array.size and array.ndim < 3 and np.isfinite(array).all()]
        stems = {name: name[:-1] if "_" in name[-3:-1] else name for name in usable}
        for (stem, shape), names in by_key(((stems[name], here[name].shape), name) for name in usable).items():
            stack = np.stack([np.atleast_2d(here[name].T).T for name in names]).astype(dtype) + dtype(0)  # no -0
            found |= {Weight(scope, stem, shape): stack.reshape(-1, stack.shape[2])} if len(names) > 1 else {}
            gates = [name.removeprefix(stem) or " " for name in names]
            found |= {Weight(scope, stem, shape, gate): matrix for gate, matrix in zip(gates, stack, strict=True)}
    return found


def _sample(matrix: Array) -> Array:
    """At most `SAMPLE` numbers, from the same places of all matrices of a shape."""
    places = np.arange(min(matrix.size, SAMPLE)) * (2654435761 if matrix.size > SAMPLE else 1) % matrix.size
    return matrix[np.unravel_index(places, matrix.shape)].astype(np.float64)


class _Matching:
    """The weights of both, and what is claimed: of which weights of b, with how many bits.

    todo: those of b that are not a's of the same name. pool: samples of all weights, sorted.
    """

    def __init__(self, one: dict[Weight, Array], two: dict[Weight, Array]) -> None:
        self.one, self.two = one, two
        samples = [_sample(matrix) for side in (one, two) for place, matrix in side.items() if place.gate]
        self.pool = np.sort(np.abs(np.concatenate([np.zeros(1), *samples])))
        self.claims: dict[tuple[str, tuple[tuple[str, str], ...]], dict[Weight, float]] = defaultdict(dict)
        self.samples: dict[tuple[int, ...], tuple[list[tuple[Weight, str]], Array, Array]] = {}
        self.todo = [place for place in two if not self.same(place, place)]

    def same(self, place: Weight, source: Weight) -> bool:
        """Whether a weight of b has the numbers of one of a."""
        return source in self.one and np.array_equal(self.two[place], self.one[source])

    def gates(self, place: Weight) -> list[Weight]:
        """The weights of each gate in those of all gates."""
        return [place] if place.gate else [one for one in self.two if one.gate and one[:3] == place[:3]]

    def claim(self, key: str, fields: Mapping[str, str], place: Weight, fitted: float = 0.0) -> None:
        """Adds a place to a claim. fitted: how many bits were fitted."""
        matrix = (self.one if key == "zero" else self.two)[place]
        numbers = np.unique(np.abs(matrix.ravel()[:: -(-matrix.size // COUNTED)]))
        counts = np.searchsorted(self.pool, numbers, "right") - np.searchsorted(self.pool, numbers)
        rare = np.where(counts > OFTEN, np.log2(len(self.pool) / counts), OF_NUMBER)
        bits = sum(min(most, _bits(np.format_float_scientific(n))) for n, most in zip(numbers, rare, strict=True) if n)
        bits -= (OF_CHOICE + fitted) * min(1, COUNTED / matrix.size)
        self.claims[key, (*fields.items(),)][place] = max(bits, 0.0) * (place in self.todo)

    # -- another order of units and inputs -----------------------------------------------------------------------------

    def reorder(self) -> None:
        """Finds rows and columns in another order, and puts a's in the order of b."""
        here = list[int]()
        stacks = [p for p in self.two if not p.gate or p._replace(gate="") not in self.two]
        stacks = [p for p in stacks if p in self.one and self.one[p].shape == self.two[p].shape]
        for scopes in by_key((p.scope.partition("/")[0], p.scope) for p in stacks).values():
            before, here = here, []
            for scope in dict.fromkeys(scopes):
                places = sorted((p for p in stacks if p.scope == scope), key=lambda p: p.stem != "W_h")
                shapes = {p: (len(self.gates(p)), -1, self.two[p].shape[1]) for p in places}
                sides = {p: (self.one[p].reshape(shape), self.two[p].reshape(shape)) for p, shape in shapes.items()}
                orders = {p: _order(*pair) for p, pair in sides.items()}
                known = [*range(sides[places[0]][1].shape[1])]
                units = next((rows for rows, _ in filter(None, orders.values()) if rows != sorted(rows)), known)
                if units != known and all(len(units) == two.shape[1] for _, two in sides.values()):
                    turned = {p: (one[:, units], two) for p, (one, two) in sides.items()}
                    turned |= {p: (one[:, :, units], two) for p, (one, two) in turned.items() if p.stem == "W_h"}
                    again = {p: _order(*pair) for p, pair in turned.items()}
                    if all(order and order[0] == sorted(order[0]) for order in again.values()):
                        sides, orders, known = turned, again, units
                        self.order("units", units, places)
                here += [len(here) + unit for unit in known]
                for p, (rows, columns) in ((p, order) for p, order in orders.items() if order):
                    one = sides[p][0][:, rows][:, :, columns]
                    self.one |= {p: one.reshape(self.one[p].shape), **dict(zip(self.gates(p), one, strict=True))}
                    self.order("rows", rows, [p])
                    self.order("columns", [] if columns == before and p.stem != "W_h" else columns, [p])
                    if p.stem == "W_x" and columns == sorted(before) != before:
                        below = int(scope.partition("/")[0]) - 1
                        self.claims["kept", (("layer", str(below)),)][p] = BITS

    def order(self, key: str, order: list[int], places: list[Weight]) -> None:
        """Claims that rows, columns or both stand in this order, if it is another."""
        text = ", ".join([*map(str, order[:NAMED]), *["…"] * (len(order) > NAMED)])
        for p in (p for p in places if " " not in p.stem and order != sorted(order)):
            self.claim(key, {"order": text}, p, math.lgamma(len(order) + 1) / math.log(2) / len(places))

    # -- another place, form and numbers -------------------------------------------------------------------------------

    def match(self) -> None:
        """Finds the source of the weights that still differ, and what was done to it."""
        todo = [p for p in self.todo if not self.same(p, p)]
        moved, done = dict[Weight, Weight](), set[Weight]()
        for place in sorted(todo, key=lambda p: (" " in p.stem, bool(p.gate))):  # sums, and single gates, come last
            halves = {p for p in todo if p.scope == place.scope and p.stem in ("b_x", "b_h") and p.gate}
            if place in done or (" " in place.stem and halves and halves <= done):
                continue
            for source, form in self.sources(place):
                if made := _relation(FORMS[form](self.one[source], self.two[place].shape), self.two[place]):
                    key, fields, fitted, _ = made
                    done |= {place, *self.gates(place)}
                    if form:
                        self.claim(form.partition(".")[0], {}, place)
                    if key:
                        self.claim(key, fields, place, fitted)
                    if source != place:
                        moved[place] = source
                    break
        for place, source in moved.items():
            gates = [one.gate for one in self.gates(place._replace(gate=""))]
            letters = [moved.get(place._replace(gate=gate), place._replace(gate=gate)).gate for gate in gates]
            if place[:3] == source[:3] and sorted(letters) == sorted(gates):
                self.claim("gates", {"b": ", ".join(gates), "a": ", ".join(letters)}, place._replace(gate=""))
            else:
                scopes = (place.scope, source.scope) if place.scope != source.scope else ("", "")
                names = (place.name, source.name) if place.name != source.name else ("", "")
                self.claim("is", dict(zip(("to", "from", "b", "a"), scopes + names, strict=True)), place)

    def sources(self, place: Weight) -> list[tuple[Weight, str]]:
        """The weights of a that a weight of b is like, and in which form, the nearest first; then that of its name."""
        matrix, mine = self.two[place], _sample(self.two[place])
        if matrix.shape not in self.samples:
            found = {
                (source, form): _sample(turned)
                for source, one in self.one.items() if one.size == matrix.size
                for form, turn in FORMS.items() if not form or min(matrix.shape) > 1
                if (turned := turn(one, matrix.shape)).shape == matrix.shape
            }  # fmt: skip
            rows = np.array([*found.values()]).reshape(len(found), len(mine))
            self.samples[matrix.shape] = [*found], rows, _directions(rows)
        keys, rows, directions = self.samples[matrix.shape]
        like = np.nan_to_num(np.abs(directions @ _directions(mine))) + (rows == mine).all(axis=1)
        like += [1e-6 * (source == place) - 1e-7 * len(form) for source, form in keys]
        return [keys[k] for k in np.argsort(-like)[:4] if like[k] > LIKE] + [(place, "")] * ((place, "") in keys)

    # -- in words ------------------------------------------------------------------------------------------------------

    def remarks(self) -> Iterator[Remark]:
        """The claims that are sure."""
        parts: dict[str, list[Remark]] = {"is": [], "pruned": [], "steps": []}
        for (key, what), bits in self.claims.items():
            if sum(bits.values()) < BITS:
                continue
            fields, places = dict(what), [*bits]
            if key == "gates":  # and what proves nothing
                letters = dict(zip(*(fields[side].split(", ") for side in "ba"), strict=True))
                for p in (p for p in self.two if not p.gate and " " not in p.stem):
                    pairs = [(gate, gate._replace(gate=letters.get(gate.gate, ""))) for gate in self.gates(p)]
                    places += [p] * all(self.same(*pair) for pair in pairs)
            named = self.named(places)
            if key == "is":
                for b in named or (fields["to"] or fields["b"],):
                    a = b.replace(fields["to"], fields["from"]).replace(fields["b"], fields["a"])
                    parts[key].append(Remark("diff.content.is.one", {"b": b, "a": a}))
                continue
            remark = Remark(f"diff.content.{key}", {**fields, "places": named or Remark("diff.content.all")})
            if key in parts:
                parts[key].append(remark._replace(key=f"diff.content.{key}.one"))
            else:
                yield remark
        yield from (Remark(f"diff.content.{key}", {"each": tuple(each)}) for key, each in parts.items() if each)
        both = [p for p in self.two if p.gate and p in self.one and self.one[p].shape == self.two[p].shape]
        if not self.claims and both and {p for p in self.two if self.two[p].any()} <= {*self.todo}:
            one, two = (np.concatenate([_sample(side[p]) for p in both]) for side in (self.one, self.two))
            correlation = float(_directions(one) @ _directions(two))
            if abs(correlation) < min(0.3, 4 / math.sqrt(len(one))):
                yield Remark("diff.content.unrelated", {"correlation": f"{correlation:.2f}"})

    def named(self, places: list[Weight]) -> tuple[str, ...]:
        """What places are called together: a layer and direction, `W_x` for every gate's, or the weights; none for all.

        Those of zeros alone are not missed.
        """
        inside = {gate for place in places for gate in self.gates(place)}
        outside = {p for p in self.two if p.gate and " " not in p.stem and self.two[p].any()} - inside
        names = defaultdict[str, list[str]](list)
        for stack in dict.fromkeys(p._replace(gate="") for p in self.two if p in inside) if outside else ():
            gates = self.gates(stack)
            whole = len(gates) > 1 and outside.isdisjoint(gates)
            names[stack.scope] += [stack.name] if whole else [gate.name for gate in gates if gate in inside]
        scopes = dict.fromkeys(p.scope for p in self.two)
        if all(names[scope] == names[next(iter(scopes))] for scope in scopes):
            return tuple(names[next(iter(scopes))])
        full = {*scopes} - {p.scope for p in outside}
        return tuple(n for s, some in names.items() for n in ([s] if s in full else [f"{s}/{one}" for one in some]))


def _bits(text: str) -> float:
    """What the digits of a number are worth."""
    return min(OF_NUMBER, OF_DIGIT * len(text.partition("e")[0].replace(".", "").strip("-0")))


def _directions(rows: Array) -> Array:
    rows = rows - rows.mean(axis=-1, keepdims=True)
    return np.asarray(rows / np.linalg.norm(rows, axis=-1, keepdims=True))


def _order(one: Array, two: Array) -> tuple[list[int], list[int]] | None:
    """In which order the rows and columns of `one`, (gates, rows, columns), give `two`; None if in none."""
    if np.array_equal(one, two) or not math.isclose(np.vdot(one, one), np.vdot(two, two), rel_tol=1e-3):
        return ([*range(one.shape[1])], [*range(one.shape[2])]) if np.array_equal(one, two) else None
    rows = _matched(*(np.sort(side, axis=2).swapaxes(0, 1) for side in (one, two)))
    columns = _matched(*(side.transpose(2, 0, 1) for side in (one[:, rows], two)))
    return (rows, columns) if np.array_equal(one[:, rows][:, :, columns], two) else None


def _matched(one: Array, two: Array) -> list[int]:
    """The order in which the entries of `one` are those of `two`, if there is one."""
    mine, theirs = (sorted(range(len(s)), key=[entry.tobytes() for entry in s].__getitem__) for s in (one, two))
    return [mine[k] for k in np.argsort(theirs)]


# -- what can be done to numbers ---------------------------------------------------------------------------------------


def _scaled(one: Array, two: Array) -> Made:
    factor = np.vdot(one, two) / np.vdot(one, one)
    return "scaled", {"factor": f"{factor:.6g}"}, _bits(f"{factor:.6g}"), factor * one


def _shifted(one: Array, two: Array) -> Made:
    shift = (two - one).mean()
    return "shifted", {"shift": f"{shift:.6g}"}, _bits(f"{shift:.6g}"), one + shift


def _bfloat16(up: int, one: Array, _: Array) -> Made:
    bits = one.astype(np.float32).view(np.uint32)
    bits = bits + up * (0x7FFF + (bits >> 16 & 1)) >> 16 << 16
    return "float" if up else "cut", {"dtype": "bfloat16"}, 0, bits.view(np.float32)


def _decimals(count: int, one: Array, two: Array) -> Made:
    near = np.abs(two - one) <= 0.501 * 10.0**-count + 1e-7 * np.abs(two)  # ties go up or down, and floats are short
    return "decimals", {"n": count}, 0, np.where(near, np.round(two, count), np.nan)


def _pruned(one: Array, two: Array) -> Made:
    most = np.abs(one[two == 0]).max(initial=0)
    fields = {"count": str(np.count_nonzero((two == 0) & (one != 0))), "of": str(two.size), "most": f"{most:.3g}"}
    return "pruned", fields, 0, np.where(np.abs(one) > most, one, 0)


def _codes(one: Array, two: Array) -> Made:
    factors = np.abs(two).max() / np.abs(one).max(), np.vdot(one, two) / np.vdot(one, one)
    factor = min(factors, key=lambda factor: np.abs(two - factor * one).max())  # the largest may have a whole number
    near = (two == np.rint(two)) & (np.abs(two - factor * one) <= 0.501)
    return "codes", {"factor": f"{factor:.3g}"}, OF_NUMBER, np.where(near, two, np.nan)


def _steps(by_row: bool, one: Array, two: Array) -> Made:
    """Multiples of one number, or in each row of one, the 127th part of the largest: at most 256 of them."""

    def common(x: float, y: float) -> float:
        while y > 1e-3 * x:
            x, y = y, abs(x - round(x / y) * y)
        return x

    step = np.abs(two).max(axis=1, keepdims=True) / 127
    if not by_row:
        numbers = np.unique(np.abs(two))
        counts = np.rint(numbers / reduce(common, numbers[numbers > 0].tolist()[:256], 0.0))
        step = np.array([counts @ numbers / (counts @ counts)])
    counts, loss = np.rint(np.nan_to_num(two / step)), two - one
    fits = np.ptp(counts) < 256 and (np.abs(loss) <= 1.001 * step).all()
    fields = {
        "step": " … ".join(dict.fromkeys(f"{size:.4g}" for size in (step.min(), step.max()))),
        "snr": f"{10 * np.log10(np.square(one).sum() / np.square(loss).sum()):.1f}",
    }
    return "steps", fields, OF_NUMBER * step.size, counts * step if fits else one + np.nan


#: In the order in which they are tried.
RELATIONS: tuple[Relation, ...] = (
    lambda one, _: ("", {}, 0, one),
    lambda one, _: ("zero", {}, 0, 0 * one),
    lambda one, _: ("sign", {}, 0, -one),
    _scaled,
    _shifted,
    lambda one, _: ("float", {"dtype": "float16"}, 0, one.astype(np.float16)),
    *(partial(_bfloat16, up) for up in (1, 0)),  # rounded, and cut off
    *(partial(_decimals, count) for count in range(9)),
    _pruned,
    _codes,
    *(partial(_steps, by_row) for by_row in (False, True)),
)


def _relation(one: Array, two: Array) -> Made | None:
    """What was done to one matrix to make the other; None if nothing that is known."""
    bound = np.finfo(two.dtype).eps * np.abs(two).max()

    def fitting(relation: Relation, rows: slice) -> Made | None:
        mine, theirs = (side[rows].astype(np.float64) for side in (one, two))
        made = relation(mine, theirs)
        return made if (np.abs(theirs - made[-1]) <= bound).all() else None

    some = slice(None, None, -(-two.size // SAMPLE))  # enough where nothing fits
    likely = (one_of for one_of in RELATIONS if fitting(one_of, some))
    return next((made for one_of in likely if (made := fitting(one_of, slice(None)))), None)
