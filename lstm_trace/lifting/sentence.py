"""What a lifted cell is, in a sentence."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping

from ..cell.lines import Cell, number
from ..cell.variants import named
from .naming import ACTIVATIONS, CALLED, LINES, CellNaming, gate_letter

_KINDS = {"lstm": "an LSTM", "gru": "a GRU", "rnn": "a simple RNN"}
_GATES = {
    "i_t": "input gate", "f_t": "forget gate", "o_t": "output gate", "c_tilde": "candidate", "r_t": "reset gate",
    "u_t": "update gate", "h_tilde": "candidate", "h_t": "state",
}  # fmt: skip
_WITH = {
    "peephole": "with peepholes", "coupled": "with coupled gates", "projection": "with a projection",
    "layer_norm": "with layer normalisation", "layer_norm_cell": "with layer normalisation",
    "gate_activation": "whose gates are squashed by a hard sigmoid",
}  # fmt: skip
#: Lines of the code's own that are longer are not written out in a sentence.
_LONG = 80
_SIGNS = {"sigmoid": "σ"}


def sentence(naming: CellNaming, cell: Cell, unread: Iterable[str], aliases: Mapping[str, str]) -> str:
    """The named cell and what is another: `a GRU whose candidate is squashed by σ, but h_t = u_t * h_prev`."""
    names = [*unread]
    end = f"; {', '.join(names)} {'is' if len(names) == 1 else 'are'} not read" if names else ""
    label: dict[tuple[str, ...], str] = {}
    for name, order in naming.orders.items():
        label.setdefault(order, name)
    if len(label) > len({frozenset(order) for order in label}):  # products with the rows of two gates are added up
        each = (f"{', '.join(order)} in {name}" for order, name in label.items())
        end = f"; its gates stand in the order {' and '.join(each)}{end}"
    if not naming.kind:
        return f"a cell of its own with the states {', '.join(cell.states)}{end}"
    if odd := [f"{name} = {aliases[name]}" for name in _odd(naming.kind, cell, aliases) if name in aliases]:
        end = f"; {' and '.join(odd)}, unlike in the other gates{end}"
    lacking = [name for name in naming.lacking if name in _GATES]
    known = {*named(naming.kind, naming.options)[0].by_name, *cell.states, *naming.lines.values()}
    written = _written(cell, known)
    unlike = {name: written[name] for name in naming.unlike}
    said = [*_options(naming.options, "r_t" not in lacking)]
    if lacking == ["r_t"] and "u_t * " in unlike.get("z_h", ""):
        said.append("whose update gate is the reset gate too (a minimal gated unit)")
        lacking = []
        del unlike["z_h"]
    said += [f"without {'an' if name[0] in 'iou' else 'a'} {_GATES[name]}" for name in lacking]
    for name, text in [*unlike.items()]:
        one, other = (re.fullmatch(r"(\w+)\((z_\w)\)", right) for right in (text, naming.unlike[name]))
        if naming.bare.get(name) or (name == "h_t" and text.startswith("W_x")):
            said.append(f"whose {_GATES[name]} is not squashed")
        elif re.fullmatch(r"1 - \w_t", text):
            said += ["with coupled gates"] * ((name, text) == ("i_t", "1 - f_t"))
            said.append(f"whose {_GATES[name]} is {text}")
        elif one and other and one[1] in ACTIVATIONS and one[2] == other[2]:
            said.append(f"whose {_GATES[name]} is squashed by {_SIGNS.get(one[1], one[1])}")
        else:
            continue
        del unlike[name]
    carried = [f"{old} <- {new}" for old, new in cell.states.items() if new != old.replace("_prev", "_t")]
    return f"{_KINDS[naming.kind]} {', '.join([*said, *_differing(unlike, carried)])}".strip() + end


def _written(cell: Cell, known: Collection[str]) -> dict[str, str]:
    """The equations, with lines that are not known written out where they are short."""
    found, own = dict[str, str](), dict[str, str]()

    def inner(one: re.Match[str]) -> str:
        text = own.get(one[0], one[0])
        bracketed = f" {one.string} "[one.start() :: len(one[0]) + 1][:2] == "()"
        return text if bracketed or re.fullmatch(r"\w+(\([^()]*\))?", text) else f"({text})"

    for name, text in cell.equations.items():
        found[name] = re.sub(r"\w+", inner, text)
        if name not in known and len(found[name]) < _LONG:
            own[name] = found[name]
    return found


def _options(options: Mapping[str, object], reset: bool) -> Iterator[str]:
    if "reset_after" in options and reset:
        yield f"whose reset gate stands {'after' if options['reset_after'] else 'before'} the product"
    if options.get("update") == "write":
        yield "whose update gate weighs the candidate"
    yield from dict.fromkeys(text for option, text in _WITH.items() if options.get(option))
    if isinstance(added := options.get("forget_bias"), float) and added:
        yield f"with {number(added)} added to the forget gate"
    for option, clipped in (("clip", "pre-activations are"), ("cell_clip", "cell state is")):
        if isinstance(bound := options.get(option), float):
            yield f"whose {clipped} clipped at {number(bound)}"


def _differing(unlike: Mapping[str, str], carried: Iterable[str]) -> Iterator[str]:
    """The equations that differ, of gates that have the same, one; and the states that are carried from other lines."""
    alike: dict[str, list[str]] = {}
    for name, text in unlike.items():
        gate = name.removeprefix("z_")[0]
        same = re.sub(rf"(?<=_[xhc]){gate}\b|(?<=_){gate}\b|\b{gate}(?=_t\b)", "*", f"{name} = {text}")
        alike.setdefault(same, []).append(name)
    rows = []
    for first, *others in alike.values():
        likewise = f" (and likewise {', '.join(others)})" if others else ""
        rows.append(f"{first} = {unlike[first]}{likewise}")
    if rows := [*rows, *carried]:
        yield f"but {' and '.join(rows)}"


def _odd(kind: str, cell: Cell, aliases: Mapping[str, str]) -> Iterator[str]:
    """The weights that are another part of an array than those of most gates, transposed, computed from others, or
    those of another role.
    """
    forms: dict[str, dict[str, tuple[str, str]]] = {"W_x": {}, "W_h": {}, "b_": {}}
    known = {name: aliases.get(name, name).lower() for name in cell.parameters if name[:-1] in forms}
    labels = {name: re.sub(r"(\[.*)?(\.t)?$", "", alias) for name, alias in known.items() if name[-1] in LINES[kind]}
    for name, label in labels.items():
        part = known[name].removeprefix(label)
        signs = re.sub(r"[\w.]", "", label)
        own = len({other[-1] for other, one in labels.items() if one == label}) == 1
        words = CALLED[kind].get(gate_letter(kind, label), "").split() if own else ()
        word = max((one for one in words if one in label), key=len, default="")
        role = "*".join(label.rsplit(word, 1)) if word else ""
        forms[name[:-1]][name] = role, signs + (part if word else part[part.find("]") + 1 :])
    usual = {stem: Counter(each.values()).most_common(1)[0] for stem, each in forms.items() if each}
    roles = {form[0] for form, count in usual.values() if count > 1}
    for stem, each in forms.items():
        for name, (role, part) in each.items():
            form, count = usual[stem]
            if 2 * count > len(each) and (part != form[1] or (role != form[0] and role in roles)):
                yield name
