"""Pictures of kept runs: those of `lstm-trace plot`, with its options as texts in a URL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, create_model

from ..base.arrays import by_key
from ..base.option import unit_list
from ..errors import MissingError, OptionError, nearest, require_known, within
from ..plot.kinds import KINDS, maker, options, required
from ..report.content import notations
from ..report.options import options_of
from ..trace.address import whole
from ..trace.trace import Trace
from .kept import opened
from .printing import MEDIA, stem_of
from .reading import span
from .records import Record, doc

#: The formats of a picture: names and media types.
FORMATS = {name: MEDIA[f".{name}"] for name in ("svg", "html", "json", "png")}
#: Options that every kind accepts besides its own: how steps and units are counted, and which symbols are used.
COMMON = ("count_from", "notation")
#: Options with another name here, as on the command line.
_CALLED = {"lines": "line"}
#: The type of an option in a URL, by its control, if it is not text.
_TYPES: dict[str, Any] = {"lines": list[str], "gates": list[str], "number": Annotated[int, Field(ge=0)], "share": float}


class PlotControl(Record):
    """How an option of a picture is chosen in a page."""

    option: str
    control: Annotated[str, doc("the kind of its value: units, lines, steps, a choice, …")]
    choices: Annotated[list[str], doc("the possible values, if there are few")]
    usual: Annotated[str, doc("the default; empty if it depends on the run")]


class PlotKind(Record):
    """A kind of picture."""

    kind: Annotated[str, doc("as in `/runs/{id}/plot/{kind}`")]
    options: Annotated[list[str], doc("those that it accepts; any other is an error")]
    required: Annotated[list[str], doc("those that are required")]
    two: Annotated[Literal["never", "may be", "must be"], doc("whether it shows two runs: `/diffs/plot/{kind}`")]
    controls: list[PlotControl]


def _own(kind: str) -> dict[str, dict[str, Any]]:
    """The options of a kind, by their names in a URL; the other run is not one of them."""
    return {_CALLED.get(one["name"], one["name"]): one for one in KINDS[kind]["options"] if one["name"] != "against"}


def kinds() -> list[PlotKind]:
    """The kinds of pictures with their options."""
    found = []
    for kind in KINDS:
        needed = [name for name in required(kind) if name != "against"]
        two: Any = "must be" if "against" in required(kind) else "may be" if "against" in options(kind) else "never"
        own = _own(kind)
        controls = [PlotControl(n, one["control"], one["choices"], str(one["default"] or "")) for n, one in own.items()]
        found.append(PlotKind(kind, list(own), needed, two, controls))
    return found


def _fields() -> dict[str, Any]:
    """The options of all kinds as fields of a model, each with its meaning in any of them."""
    fields = {}
    for name, each in by_key(pair for kind in KINDS for pair in _own(kind).items()).items():
        said = "; ".join(dict.fromkeys(one["help"] for one in each))
        fields[name] = _TYPES.get(each[0]["control"], str) | None, Field(None, description=said)
    return fields


_Options: Any = create_model("_Options", **_fields())


class PlotOptions(_Options):  # type: ignore[misc]
    """The options of pictures: each kind accepts some of them, as listed by `/choices`; others are errors."""

    model_config = ConfigDict(extra="allow")

    notation: str | None = None
    count_from: int | None = None
    format: Literal["svg", "html", "json", "png"] = Field("svg", description="json: a Vega-Lite specification")

    @property
    def given(self) -> dict[str, Any]:
        """The options that were given, known or not."""
        return {**self.model_dump(exclude_none=True, exclude={"format", "a", "b"})}


def drawn(path: str, kind: str, form: str, given: Mapping[str, Any], other: str | None = None) -> tuple[bytes, str]:
    """Draw a picture of a run.

    Args:
        path: path of the trace of the run.
        kind: one of `plot.kinds.KINDS`.
        form: one of `FORMATS`.
        given: some of the options of the kind and of `COMMON`, as texts or numbers.
        other: path of the trace of another run, for a picture of that run minus this one.

    Returns:
        Its content, and its file name.

    Raises:
        MissingError: if a kind, layer, step, … does not exist.
        OptionError: if the kind does not accept an option or its value, or a required one is missing.
    """
    require_known("kind of picture", kind, KINDS, kind=MissingError)
    _check(kind, given, other)
    trace = _headed(opened(path), given)
    python = {called: name for name, called in _CALLED.items()}
    read = {python.get(name, name): _read(name, value, trace) for name, value in given.items() if name not in COMMON}
    if other is not None:
        read["against"] = opened(other)
    return maker(kind)(trace, **read).content(form), f"{stem_of(trace.header.title)}-{kind}.{form}"


def _check(kind: str, given: Mapping[str, Any], other: str | None) -> None:
    """Raise OptionError for options that a kind does not accept, and for missing ones."""
    known, needed = list(_own(kind)), required(kind)
    if surplus := [name for name in given if name not in (*known, *COMMON)]:
        having = [other for other in KINDS if surplus[0] in _own(other)]
        where = nearest(surplus[0], (*known, *COMMON))
        if having:
            where = f"; it belongs to {' and '.join(filter(None, (', '.join(having[:-1]), having[-1])))}"
        raise OptionError(f"{kind}: there is no option {', '.join(surplus)}{where}; it takes {', '.join(known)}")
    if "of" in needed and "of" not in given:
        raise OptionError(f"{kind} needs a value: of, its address, for example h_t[0]")
    if other is None and "against" in needed:
        raise OptionError(f"{kind} is a picture of two runs: GET /api/v1/diffs/plot/{kind}?a=…&b=…")
    if other is not None and "against" not in options(kind):
        two = [one for one in KINDS if "against" in options(one)]
        raise OptionError(f"{kind} shows one run; kinds that show two are {' and '.join(two)}")


def _headed(trace: Trace, given: Mapping[str, Any]) -> Trace:
    """The trace counted from another number, with the symbols of a notation. Raises OptionError."""
    trace = options_of("text", count_from=given.get("count_from")).counted(trace)
    if (notation := given.get("notation")) is None:
        return trace
    symbols = notations.applied(trace, notation, None, given.get("language", "en"))[0].header.symbols
    return replace(trace, header=replace(trace.header, symbols=symbols))


def _read(name: str, value: Any, trace: Trace) -> Any:
    """The value of an option, converted from its text unless it is that value already."""
    if name == "unit":
        with within("unit"):
            return unit_list(value)
    if name == "steps":
        steps = span(value, "steps", trace.span)
        return slice(steps.start, steps.stop)
    if name in ("baseline", "occlusion") and (number := whole(value)) is not None:
        return number
    return value  # a baseline is never a file here: unknown words are rejected
