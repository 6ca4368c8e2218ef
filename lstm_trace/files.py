"""Text files in and out: YAML, JSON and TOML as plain data, and writing that leaves nothing half-written."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import yaml

from .errors import FileError

#: Bytes of text that are read; larger traces belong in .safetensors.
MAX_TEXT = 1 << 30


def read_bytes(path: str | Path) -> bytes:
    """The bytes of a file, or of standard input for '-'. Raises FileError."""
    try:
        if str(path) == "-":
            return sys.stdin.buffer.read(MAX_TEXT)
        size = Path(path).stat().st_size
        if size > MAX_TEXT:
            raise FileError(f"{path}: {size:,} bytes; text files up to {MAX_TEXT:,} are read, use .safetensors")
        return Path(path).read_bytes()
    except OSError as error:
        raise FileError(f"{path}: {(error.strerror or str(error)).lower()}") from None


def read_data(path: str | Path, content: bytes | None = None) -> Any:
    """The plain data of a YAML, JSON or TOML file; the suffix says which, the content where there is none.

    Raises FileError: not UTF-8, a syntax fault with its line, a key that stands twice.
    """
    content = read_bytes(path) if content is None else content
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileError(f"{path}: not UTF-8 (byte {error.start}); save it as UTF-8") from None
    suffix = Path(path).suffix.lower()
    if suffix == ".toml":
        return _toml(path, text)
    if suffix == ".json" or text.lstrip()[:1] == "{":
        return _json(path, text)
    if suffix in (".yaml", ".yml"):
        return _yaml(path, text)
    try:
        data = _yaml(path, text)
    except FileError:
        data = None
    return data if isinstance(data, dict) else _toml(path, text) if "=" in text else _yaml(path, text)


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
        raise FileError(f"{path}: line {error.lineno}: {error.msg.lower()}; is it cut off?") from None
    except RecursionError:
        raise FileError(f"{path}: nested too deeply") from None


def _toml(path: str | Path, text: str) -> Any:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise FileError(f"{path}: {error}") from None


class _Loader(yaml.SafeLoader):
    """YAML 1.2's numbers and booleans (1e-3 is a number, `no` is text), no aliases, no key twice."""

    yaml_implicit_resolvers: dict[Any, Any] = {}

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()
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
    import re

    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(pattern), list(first))


_resolve("null", r"^(?:null|Null|NULL|~|)$", "nN~")
_Loader.add_implicit_resolver("tag:yaml.org,2002:null", __import__("re").compile(r"^$"), [""])
_resolve("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF")
_resolve("int", r"^[-+]?[0-9]+$", "-+0123456789")
_resolve("float", r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$", "-+.0123456789")
_resolve("float", r"^(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$", "-+.")
_Loader.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(loader.construct_scalar(node)))  # no octal


def _yaml(path: str | Path, text: str) -> Any:
    try:
        return yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader, narrowed
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise FileError(f"{path}: {line}{error.problem or error}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise FileError(f"{path}: {error}") from None
    except RecursionError:
        raise FileError(f"{path}: nested too deeply") from None


@contextmanager
def written(path: str | Path, mode: str = "w") -> Iterator[IO[Any]]:
    """A file to write that appears under its name only when it is whole; '-' is standard output.

    Raises FileError where the folder cannot be written.
    """
    if str(path) == "-":
        yield sys.stdout if "b" not in mode else sys.stdout.buffer
        return
    target = Path(path)
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
        raise FileError(f"{path}: {(error.strerror or str(error)).lower()}") from None
    finally:
        if "name" in locals() and os.path.exists(name):
            os.unlink(name)
