"""Text files as plain data: YAML, JSON and TOML, and limits on the memory that parsing a text may need."""

from __future__ import annotations

import json
import math
import re
import sys
import tomllib
from collections.abc import Callable
from contextlib import nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import yaml

from ..errors import FileError, reading
from .arrays import half
from .mistyped import in_text, in_toml, in_yaml
from .packaged import packaged
from .resources import amount, available
from .unread import refuse

#: Maximum size in bytes of a text that is read; larger data belongs in a binary file.
MAX_TEXT = 1 << 30


def read_bytes(path: str | Path, instead: str = "", most: int | None = None) -> bytes:
    """The bytes of a file, or of standard input for '-'; at most `most`, or `MAX_TEXT`.

    instead: advice for larger files.

    Raises FileError.
    """
    most = MAX_TEXT if most is None else most
    with reading(str(path)):
        if str(path) != "-":
            refuse(path)
            check_size(path, Path(path).stat().st_size, instead, most)
            if Path(path).is_file():
                return Path(path).read_bytes()
        with nullcontext(sys.stdin.buffer) if str(path) == "-" else open(path, "rb") as stream:  # of unknown size
            content: bytes = stream.read(most + 1)
    if len(content) > most:
        more = f"; {instead}" if instead else ""
        raise FileError(f"{path}: more than {most:,} bytes; texts up to that are read{more}")
    return content


def require_content(path: Path, content: bytes) -> None:
    """Raise FileError if a file is not as it was written: missing, another thing than a file, or of other bytes."""
    with reading(str(path)):
        if not (path.is_file() and path.stat().st_size == len(content) and path.read_bytes() == content):
            raise FileError(f"{path}: {'not as it was written' if path.exists() else 'no such file'}; write it again")


def check_size(path: str | Path, size: int, instead: str = "", most: int | None = None) -> None:
    """Raise FileError if a text of `size` bytes is too large to be read. instead: advice for that case."""
    most = MAX_TEXT if most is None else most
    if size > most:
        more = f"; {instead}" if instead else ""
        raise FileError(f"{path}: {size:,} bytes; text files up to {most:,} are read{more}")


def read_data(path: str | Path, content: bytes | None = None) -> Any:
    """The plain data of a YAML, JSON or TOML file, judged by its suffix, or by its content if there is none.

    Raises FileError: not UTF-8, a syntax error with its line, a duplicate key.
    """
    content = read_bytes(path) if content is None else content
    text = decoded(path, content)
    readers = {".toml": _toml, ".json": _json, ".yaml": _yaml, ".yml": _yaml}
    suffix = Path(path).suffix.lower()
    check_room(path, suffix, len(content))
    if suffix in readers:
        return _text_only(path, text, readers[suffix](path, text))
    # without a suffix (standard input) all are tried, because YAML with braces looks like JSON
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
    """The plain data of JSON text. nonfinite: accept NaN and Infinity without quotes, as Python writes them.

    Raises FileError as `read_data` does.
    """
    text = decoded(path, content)
    check_room(path, ".json", len(content))
    return _text_only(path, text, _json(path, text, nonfinite))


def decoded(path: str | Path, content: bytes) -> str:
    """Text in UTF-8, with or without a byte-order mark. Raises FileError."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileError(f"{path}: not UTF-8 (byte {error.start}); save it as UTF-8") from None
    if text.count("\0") > 1:  # one alone is a slip in a text, which its reader names with its place
        raise FileError(f"{path}: a binary file of an unknown format; expected text")
    return text


def _text_only(path: str | Path, text: str, data: Any) -> Any:
    """`data`. Raises FileError for a lone surrogate, which only an escape can produce and no file can hold."""
    if re.search(r"\\(?:u|U0000)[dD][89a-fA-F]", text) and (found := half(json.dumps(data, ensure_ascii=False))):
        raise FileError(f"{path}: {found} is half of a character; write the character itself")
    return data


def _json(path: str | Path, text: str, nonfinite: bool = True) -> Any:
    def constant(word: str) -> float:
        if not nonfinite:
            raise FileError(f'{path}: {word} is not a number in JSON; write "{word}", in quotes')
        return float(word)

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        seen: set[str] = set()
        twice = next((key for key, _ in found if key in seen or seen.add(key)), None)  # type: ignore[func-returns-value]
        if twice is not None:
            raise FileError(f"{path}: duplicate key {twice!r}")
        return dict(found)

    try:
        return json.loads(text, object_pairs_hook=pairs, parse_constant=constant, parse_float=_finite)
    except FileError:
        raise
    except json.JSONDecodeError as error:
        raise FileError(f"{path}: {in_text(text, error.pos, error.msg)}") from None
    except RecursionError:
        raise FileError(f"{path}: nested too deeply") from None
    except ValueError as error:  # an integer with more digits than Python converts
        require_finite(path, text)
        raise FileError(f"{path}: {plain(error)}") from None


def _finite(text: str, infinity: str = '"Infinity"') -> float:
    """The number in a text. Raises ValueError if it is too large; infinity: how a file of this kind writes it."""
    if math.isinf(found := float(text)) and "inf" not in text.lower():
        shown = text if len(text) <= 40 else f"{text[:37]}…"
        raise ValueError(f"the number {shown} is too large for a float; if infinity is meant, write {infinity}")
    return found


_COLON = re.compile(rb"\s*:")
#: The texts and the decimals in JSON.
_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*+"|-?[0-9]++[.eE][-+.0-9eE]*+')


def require_finite(path: str | Path, text: str) -> None:
    """Raise FileError, with its line, if a decimal in well-formed JSON text is too large for a float."""
    for found in _TOKENS.finditer(text):
        if not found[0].startswith('"') and math.isinf(float(found[0])):
            with reading(f"{path}: line {text.count(chr(10), 0, found.start()) + 1}"):
                _finite(found[0])


def require_once(path: str | Path, content: bytes) -> None:
    """Raise FileError, with its line, if an object in well-formed JSON has a key twice.

    It looks at texts and braces only: 20 MB of numbers take some milliseconds.
    """
    if b"\\" in content:  # then every quotation mark begins or ends a text
        content = re.sub(rb'\\[\\"]', lambda found: b"\\u%04x" % found[0][1], content)
    keys: list[set[str]] = []  # of the objects around
    at = 0
    while (begin := content.find(b'"', at)) >= 0:
        opened, closed = (content.rfind(brace, at, begin) for brace in (b"{", b"}"))
        if opened >= 0 or closed >= 0:
            new = opened > closed  # other objects that open here are empty, and close at once
            opens, closes = (content.count(brace, at, begin) for brace in (b"{", b"}"))
            del keys[len(keys) - (closes - opens + new) :]
            keys += [set()] if new else []
        end = content.index(b'"', begin + 1)
        at = end + 1
        if _COLON.match(content, at):
            key = json.loads(content[begin:at])
            if key in keys[-1]:
                line = content.count(b"\n", 0, begin) + 1
                raise FileError(f"{path}: line {line}: duplicate key {key!r}")
            keys[-1].add(key)


def plain(error: Exception) -> str:
    """The message of a Python error, as part of a sentence that does not speak of Python."""
    if isinstance(error, RecursionError):
        return "nested too deeply"
    text = str(error)
    if "integer string conversion" in text:
        return "a whole number has more than 4,300 digits"
    return text[:1].lower() + text[1:]


def _toml(path: str | Path, text: str) -> Any:
    # dotted words may also occur in a text; a key is followed by = or ]
    for found in (f for f in _LONG_KEY.finditer(text) if text[f.end() : f.end() + 1] in ("=", "]")):
        line = text.count("\n", 0, found.start()) + 1
        raise FileError(f"{path}: line {line}: a key of more than {MOST_PARTS} parts between dots: nested too deeply")
    try:
        return tomllib.loads(text, parse_float=partial(_finite, infinity="inf"))
    except RecursionError:
        raise FileError(f"{path}: nested too deeply") from None
    except ValueError as error:
        said = plain(error).replace("cannot overwrite a value", "duplicate key")
        raise FileError(f"{path}: {in_toml(text, said)}") from None


class _Loader(yaml.SafeLoader):
    """YAML 1.2's numbers and booleans (1e-3 is a number, `no` is text), no aliases, no duplicate keys."""

    yaml_implicit_resolvers: ClassVar[dict[Any, Any]] = {}  # type: ignore[misc]  # as the class reads it

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            event: Any = self.peek_event()  # type: ignore[no-untyped-call]
            raise yaml.YAMLError(f"line {event.start_mark.line + 1}: aliases (*{event.anchor}) are not supported")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        seen: dict[Any, int] = {}
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise yaml.YAMLError(f"line {key_node.start_mark.line + 1}: the key {key!r} is not text; quote it")
            if key in seen:
                said = f"duplicate key {key!r} (first in line {seen[key]})"
                raise yaml.YAMLError(f"line {key_node.start_mark.line + 1}: {said}")
            seen[key] = key_node.start_mark.line + 1
        return super().construct_mapping(node, deep)


for _kind, _pattern, _first in packaged("base/yaml.toml")["forms"]:
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", re.compile(_pattern), [*_first] or [""])


def _as(kind: str, read: Callable[[str], Any]) -> Callable[[Any, Any], Any]:
    """A constructor of scalars whose type follows from their form or from a tag (`!!bool maybe`)."""

    def construct(loader: Any, node: Any) -> Any:
        text = loader.construct_scalar(node)
        try:
            return read(text)
        except (ValueError, KeyError) as error:
            own = "limit" in str(error) or "too large" in str(error)
            said = plain(error) if own else f"expected {kind}, found {text!r}"
            raise yaml.constructor.ConstructorError(None, None, said, node.start_mark) from None

    return construct


_TAG = "tag:yaml.org,2002:"
#: The types allowed in a problem; other tags (timestamps, sets, binary data) are errors that name the line.
_Loader.yaml_constructors = {
    f"{_TAG}null": yaml.SafeLoader.yaml_constructors[f"{_TAG}null"],
    f"{_TAG}bool": _as("true or false", lambda text: {"true": True, "false": False}[text.lower()]),
    f"{_TAG}int": _as("a whole number", int),  # decimal, even with leading zeros
    f"{_TAG}float": _as(
        "a number", lambda text: _finite(re.sub(r"^([-+]?)\.(inf|nan)$", r"\1\2", text, flags=re.I), ".inf")
    ),
    **{f"{_TAG}{kind}": yaml.SafeLoader.yaml_constructors[f"{_TAG}{kind}"] for kind in ("str", "seq", "map")},
    None: yaml.SafeLoader.construct_undefined,
}


def _yaml(path: str | Path, text: str) -> Any:
    try:
        return yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader, narrowed
    except yaml.MarkedYAMLError as error:
        raise FileError(f"{path}: {in_yaml(text, error)}") from None
    except yaml.reader.ReaderError as error:
        said = f"the character #x{error.character:04x} at {error.position} cannot stand here"
        raise FileError(f"{path}: {said}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise FileError(f"{path}: {plain(error)}") from None
    except RecursionError:
        raise FileError(f"{path}: nested too deeply") from None


#: Maximum number of parts in a TOML key. Python's parser stores every prefix of a key: 20,000 parts take 1.6 GB.
MOST_PARTS = 32
#: Maximum bytes of memory per byte of text, as measured: for nested and for short values.
EXPANSION = {".yaml": 350, ".yml": 350, ".toml": 160, ".json": 30}
#: Texts up to this size are harmless whatever they contain.
SMALL = 1 << 18

_PART = r"""(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+"""
_LONG_KEY = re.compile(rf"(?<![\w-]){_PART}(?:\.[ \t]*+{_PART}){{{MOST_PARTS},}}+")


def check_room(path: str | Path, suffix: str, size: int) -> None:
    """Raise FileError if the data of a text of `size` bytes may not fit into free memory."""
    free, needed = available(), size * EXPANSION.get(suffix, EXPANSION[".yaml"])
    if size > SMALL and free is not None and needed > free:
        raise FileError(
            f"{path}: a text of {amount(size)} may need {amount(needed)} of memory, and {amount(free)} are free; "
            "give large arrays as .npy, .npz or .safetensors"
        )
