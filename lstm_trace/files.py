"""Text files in and out: YAML, JSON and TOML as plain data, and writing that leaves nothing half-written."""

from __future__ import annotations

import io
import json
import os
import re
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import IO, Any, ClassVar

import yaml

from .errors import FileError

#: Bytes of text that are read; what is larger belongs in a binary file.
MAX_TEXT = 1 << 30


def read_bytes(path: str | Path, instead: str = "") -> bytes:
    """The bytes of a file, or of standard input for '-'. instead: what to do with one that is too large.

    Raises FileError.
    """
    try:
        if str(path) != "-":
            check_size(path, Path(path).stat().st_size, instead)
            if Path(path).is_file():
                return Path(path).read_bytes()
        with nullcontext(sys.stdin.buffer) if str(path) == "-" else open(path, "rb") as stream:  # of no known size
            content: bytes = stream.read(MAX_TEXT + 1)
    except OSError as error:
        raise FileError(f"{path}: {(error.strerror or str(error)).lower()}") from None
    if len(content) > MAX_TEXT:
        more = f"; {instead}" if instead else ""
        raise FileError(f"{path}: more than {MAX_TEXT:,} bytes; texts up to that are read{more}")
    return content


def check_size(path: str | Path, size: int, instead: str = "") -> None:
    """Raise FileError where a text of `size` bytes is more than is read. instead: what to do with it."""
    if size > MAX_TEXT:
        more = f"; {instead}" if instead else ""
        raise FileError(f"{path}: {size:,} bytes; text files up to {MAX_TEXT:,} are read{more}")


def read_data(path: str | Path, content: bytes | None = None) -> Any:
    """The plain data of a YAML, JSON or TOML file; the suffix says which, the content where there is none.

    Raises FileError: not UTF-8, a syntax fault with its line, a key that stands twice.
    """
    content = read_bytes(path) if content is None else content
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileError(f"{path}: not UTF-8 (byte {error.start}); save it as UTF-8") from None
    readers = {".toml": _toml, ".json": _json, ".yaml": _yaml, ".yml": _yaml}
    suffix = Path(path).suffix.lower()
    if suffix in readers:
        return readers[suffix](path, text)
    # no suffix says what it is (standard input): YAML with braces looks like JSON, so each has its turn
    head = next((row for row in text.splitlines() if row.strip() and row.strip()[0] != "#"), "").strip()
    toml = re.match(r"[\w.\"-]+\s*=|\[[\w.]+\]$", head)
    likely = _json if head[:1] == "{" else _toml if toml else _yaml
    for reader in dict.fromkeys((likely, _yaml)):
        with suppress(FileError):
            if isinstance(data := reader(path, text), dict):
                return data
    return likely(path, text)


def _json(path: str | Path, text: str) -> Any:
    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in found]
        if len(set(keys)) < len(keys):
            twice = next(key for key in keys if keys.count(key) > 1)
            raise FileError(f"{path}: the key {twice!r} stands twice")
        return dict(found)

    try:
        return json.loads(text, object_pairs_hook=pairs)
    except json.JSONDecodeError as error:
        cut = "; is it cut off?" if error.pos >= len(text.rstrip()) else ""
        raise FileError(f"{path}: line {error.lineno}: {error.msg[:1].lower()}{error.msg[1:]}{cut}") from None
    except RecursionError:
        raise FileError(f"{path}: nested too deeply") from None
    except ValueError as error:  # a whole number of more digits than Python converts
        raise FileError(f"{path}: {_plain(error)}") from None


def _plain(error: Exception) -> str:
    """An error of Python's own, fit to stand within a sentence."""
    text = str(error).split("; use sys.")[0]
    return text[:1].lower() + text[1:]


def _toml(path: str | Path, text: str) -> Any:
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise FileError(f"{path}: nested too deeply") from None
    except ValueError as error:
        raise FileError(f"{path}: {_plain(error).replace('cannot overwrite a value', 'a key stands twice')}") from None


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
                raise yaml.YAMLError(f"line {key_node.start_mark.line + 1}: the key {key!r} stands twice")
            seen.add(key)
        return super().construct_mapping(node, deep)


def _resolve(tag: str, pattern: str, first: str) -> None:
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(pattern), [*first] or [""])


_resolve("null", r"^(?:null|Null|NULL|~)$", "nN~")
_resolve("null", r"^$", "")
_resolve("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF")
_resolve("int", r"^[-+]?[0-9]+$", "-+0123456789")
_resolve("float", r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$", "-+.0123456789")
_resolve("float", r"^(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$", "-+.")


def _integer(loader: Any, node: Any) -> int:
    return int(loader.construct_scalar(node))  # decimal, whatever zeros it begins with


_Loader.add_constructor("tag:yaml.org,2002:int", _integer)


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
        raise FileError(
            f"{path}: the character #x{error.character:04x} at {error.position} cannot stand here"
        ) from None
    except (yaml.YAMLError, ValueError) as error:
        raise FileError(f"{path}: {_plain(error)}") from None
    except RecursionError:
        raise FileError(f"{path}: nested too deeply") from None


@contextmanager
def written(path: str | Path, mode: str = "w") -> Iterator[IO[Any]]:
    """A file to write that appears under its name only when it is whole; '-' is standard output.

    Raises FileError where the folder cannot be written.
    """
    if str(path) == "-":
        if "b" in mode:
            yield sys.stdout.buffer
        else:
            if isinstance(sys.stdout, io.TextIOWrapper):  # the files are UTF-8, whatever the terminal is
                sys.stdout.reconfigure(encoding="utf-8")
            yield sys.stdout
        return
    target = Path(path)
    if target.exists() and not target.is_file() and not target.is_dir():  # a device or a pipe is not replaced
        with open(target, mode, encoding=None if "b" in mode else "utf-8") as file:
            yield file
        return
    target = target.resolve()  # a link stays, what it leads to is written
    name = ""
    try:
        encoding = None if "b" in mode else "utf-8"
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
        # a temporary file is private to its owner; the finished one gets the mode that open() would have given
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(name, 0o666 & ~umask)
        newline = None if "b" in mode else ""
        with os.fdopen(handle, mode, encoding=encoding, newline=newline) as file:
            yield file
        os.replace(name, target)
    except OSError as error:
        elsewhere = error.filename and Path(error.filename).parent != target.parent
        if error.errno is None or elsewhere:  # it is not of this file
            raise
        raise FileError(f"{path}: {(error.strerror or str(error)).lower()}") from None
    finally:
        if name and os.path.exists(name):
            os.unlink(name)
