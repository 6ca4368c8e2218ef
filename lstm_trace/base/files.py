"""Text files as plain data: YAML, JSON and TOML, and how much memory a text may ask for before it is parsed."""

from __future__ import annotations

import json
import re
import sys
import tomllib
from collections.abc import Callable
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any, ClassVar

import yaml

from ..errors import FileError, reading
from .arrays import half
from .resources import amount, available

#: Bytes of text that are read; what is larger belongs in a binary file.
MAX_TEXT = 1 << 30


def read_bytes(path: str | Path, instead: str = "", most: int | None = None) -> bytes:
    """The bytes of a file, or of standard input for '-'; at most so many, or `MAX_TEXT`.

    instead: what to do with more of them.

    Raises FileError.
    """
    most = MAX_TEXT if most is None else most
    with reading(str(path)):
        if str(path) != "-":
            check_size(path, Path(path).stat().st_size, instead, most)
            if Path(path).is_file():
                return Path(path).read_bytes()
        with nullcontext(sys.stdin.buffer) if str(path) == "-" else open(path, "rb") as stream:  # of no known size
            content: bytes = stream.read(most + 1)
    if len(content) > most:
        more = f"; {instead}" if instead else ""
        raise FileError(f"{path}: more than {most:,} bytes; texts up to that are read{more}")
    return content


def check_size(path: str | Path, size: int, instead: str = "", most: int | None = None) -> None:
    """Raise FileError where a text of `size` bytes is more than is read. instead: what to do with it."""
    most = MAX_TEXT if most is None else most
    if size > most:
        more = f"; {instead}" if instead else ""
        raise FileError(f"{path}: {size:,} bytes; text files up to {most:,} are read{more}")


def read_data(path: str | Path, content: bytes | None = None) -> Any:
    """The plain data of a YAML, JSON or TOML file; the suffix says which, the content where there is none.

    Raises FileError: not UTF-8, a syntax fault with its line, a duplicate key.
    """
    content = read_bytes(path) if content is None else content
    text = decoded(path, content)
    readers = {".toml": _toml, ".json": _json, ".yaml": _yaml, ".yml": _yaml}
    suffix = Path(path).suffix.lower()
    check_room(path, suffix, len(content))
    if suffix in readers:
        return _text_only(path, text, readers[suffix](path, text))
    # no suffix says what it is (standard input): YAML with braces looks like JSON, so each has its turn
    head = next((row for row in text.splitlines() if row.strip() and row.strip()[0] != "#"), "").strip()
    toml = re.match(r"[\w.\"-]+\s*=|\[[\w.]+\]$", head)
    likely = _json if head[:1] == "{" else _toml if toml else _yaml
    for reader in dict.fromkeys((likely, _yaml)):
        data = None
        with suppress(FileError):
            data = reader(path, text)
        if isinstance(data, dict):
            return _text_only(path, text, data)
    return likely(path, text)


def read_json(path: str | Path, content: bytes, nonfinite: bool = True) -> Any:
    """The plain data of JSON text. nonfinite: NaN and Infinity may stand there as Python writes them, without quotes.

    Raises FileError as `read_data` does.
    """
    text = decoded(path, content)
    check_room(path, ".json", len(content))
    return _text_only(path, text, _json(path, text, nonfinite))


def decoded(path: str | Path, content: bytes) -> str:
    """Text in UTF-8, with or without a mark at its begin. Raises FileError."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileError(f"{path}: not UTF-8 (byte {error.start}); save it as UTF-8") from None


def _text_only(path: str | Path, text: str, data: Any) -> Any:
    """`data`. Raises FileError for half of a surrogate pair, which only an escape can bring and no file can hold."""
    if re.search(r"\\(?:u|U0000)[dD][89a-fA-F]", text) and (found := half(json.dumps(data, ensure_ascii=False))):
        raise FileError(f"{path}: {found} is half of a character; write the character itself")
    return data


def _json(path: str | Path, text: str, nonfinite: bool = True) -> Any:
    def constant(word: str) -> float:
        if not nonfinite:
            raise FileError(f'{path}: {word} is no number in JSON; write "{word}", in quotes')
        return float(word)

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        seen: set[str] = set()
        twice = next((key for key, _ in found if key in seen or seen.add(key)), None)  # type: ignore[func-returns-value]
        if twice is not None:
            raise FileError(f"{path}: duplicate key {twice!r}")
        return dict(found)

    try:
        return json.loads(text, object_pairs_hook=pairs, parse_constant=constant)
    except json.JSONDecodeError as error:
        cut = "; is it cut off?" if error.pos >= len(text.rstrip()) else ""
        raise FileError(f"{path}: line {error.lineno}: {error.msg[:1].lower()}{error.msg[1:]}{cut}") from None
    except RecursionError:
        raise FileError(f"{path}: nested too deeply") from None
    except ValueError as error:  # a whole number of more digits than Python converts
        raise FileError(f"{path}: {plain(error)}") from None


def plain(error: Exception) -> str:
    """An error of Python's own, fit to stand within a sentence."""
    text = str(error).split("; use sys.")[0]
    return text[:1].lower() + text[1:]


def _toml(path: str | Path, text: str) -> Any:
    # words with dots between them may stand in a text as well; after a key comes = or ]
    for found in (f for f in _LONG_KEY.finditer(text) if text[f.end() : f.end() + 1] in ("=", "]")):
        line = text.count("\n", 0, found.start()) + 1
        raise FileError(f"{path}: line {line}: a key of more than {MOST_PARTS} parts between dots: nested too deeply")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise FileError(f"{path}: nested too deeply") from None
    except ValueError as error:
        raise FileError(f"{path}: {plain(error).replace('cannot overwrite a value', 'duplicate key')}") from None


class _Loader(yaml.SafeLoader):
    """YAML 1.2's numbers and booleans (1e-3 is a number, `no` is text), no aliases, no key twice."""

    yaml_implicit_resolvers: ClassVar[dict[Any, Any]] = {}  # type: ignore[misc]  # as the class reads it

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            event: Any = self.peek_event()  # type: ignore[no-untyped-call]
            raise yaml.YAMLError(f"line {event.start_mark.line + 1}: aliases (*{event.anchor}) are not supported")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise yaml.YAMLError(f"line {key_node.start_mark.line + 1}: the key {key!r} is not text; quote it")
            if key in seen:
                raise yaml.YAMLError(f"line {key_node.start_mark.line + 1}: duplicate key {key!r}")
            seen.add(key)
        return super().construct_mapping(node, deep)


for _kind, _pattern, _first in (
    ("null", r"^(?:null|Null|NULL|~)$", "nN~"),
    ("null", r"^$", ""),
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("int", r"^[-+]?[0-9]+$", "-+0123456789"),
    ("float", r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$", "-+.0123456789"),
    ("float", r"^(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$", "-+."),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", re.compile(_pattern), [*_first] or [""])


def _as(kind: str, read: Callable[[str], Any]) -> Callable[[Any, Any], Any]:
    """A constructor of scalars, which are of their kind by their looks or by a tag (`!!bool maybe`)."""

    def construct(loader: Any, node: Any) -> Any:
        text = loader.construct_scalar(node)
        try:
            return read(text)
        except (ValueError, KeyError) as error:
            said = plain(error) if "limit" in str(error) else f"expected {kind}, found {text!r}"
            raise yaml.constructor.ConstructorError(None, None, said, node.start_mark) from None

    return construct


_TAG = "tag:yaml.org,2002:"
#: What a problem is made of; other tags (timestamps, sets, binary data) are refused with their line.
_Loader.yaml_constructors = {
    f"{_TAG}null": yaml.SafeLoader.yaml_constructors[f"{_TAG}null"],
    f"{_TAG}bool": _as("true or false", lambda text: {"true": True, "false": False}[text.lower()]),
    f"{_TAG}int": _as("a whole number", int),  # decimal, whatever zeros it begins with
    f"{_TAG}float": _as("a number", lambda text: float(re.sub(r"^([-+]?)\.(inf|nan)$", r"\1\2", text, flags=re.I))),
    **{f"{_TAG}{kind}": yaml.SafeLoader.yaml_constructors[f"{_TAG}{kind}"] for kind in ("str", "seq", "map")},
    None: yaml.SafeLoader.construct_undefined,
}


def _yaml(path: str | Path, text: str) -> Any:
    try:
        return yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader, narrowed
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        text = error.problem or str(error)
        text = f"{error.context}, {text}" if text.startswith("but ") else text
        advice = "; indent with spaces" if "'\\t'" in text else ""
        raise FileError(f"{path}: {line}{text}{advice}") from None
    except yaml.reader.ReaderError as error:
        said = f"the character #x{error.character:04x} at {error.position} cannot stand here"
        raise FileError(f"{path}: {said}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise FileError(f"{path}: {plain(error)}") from None
    except RecursionError:
        raise FileError(f"{path}: nested too deeply") from None


#: Parts of a TOML key. Python's parser keeps every beginning of a key: 20,000 parts take 1.6 GB.
MOST_PARTS = 32
#: Bytes of memory for a byte of text, at most, as measured: of nested and of short values.
EXPANSION = {".yaml": 350, ".yml": 350, ".toml": 160, ".json": 30}
#: Texts up to this size are harmless whatever is in them.
SMALL = 1 << 18

_PART = r"""(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+"""
_LONG_KEY = re.compile(rf"(?<![\w-]){_PART}(?:\.[ \t]*+{_PART}){{{MOST_PARTS},}}+")


def check_room(path: str | Path, suffix: str, size: int) -> None:
    """Raise FileError where the data of a text of `size` bytes may not fit into the memory that is free."""
    free, needed = available(), size * EXPANSION.get(suffix, EXPANSION[".yaml"])
    if size > SMALL and free is not None and needed > free:
        raise FileError(
            f"{path}: a text of {amount(size)} may need {amount(needed)} of memory, and {amount(free)} are free; "
            "give large arrays as .npy, .npz or .safetensors"
        )
