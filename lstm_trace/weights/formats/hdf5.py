"""HDF5 files as Keras writes them, read as a flat table of arrays.

The part of the format that h5py writes by default is read here, in Python: a damaged file can neither crash the process
nor refer to other files. Not supported are the dense groups and chunk indices of `libver="latest"`, and filters other
than gzip, shuffle and fletcher32; Keras writes none of these. Message numbers and the layout of each structure are
those of the HDF5 File Format Specification, version 3.0.
"""

from __future__ import annotations

import io
import json
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ...errors import FileError
from ..guards import Lazy, afford, archive, checked_shape, content, entries, told, widened

#: Name of the HDF5 file in a `.keras` archive.
STORED = "model.weights.h5"
#: Maximum number of characters in a configuration: parsing takes up to 30 times the memory.
MOST_CONFIG = 1 << 24
#: Limit on the bytes read for the structure of a file: this many per byte of the file, plus a constant. Each read
#: counts as some more. This ends the reading of circular structures, and of more objects than a file of weights has.
TIMES, AT_LEAST, EACH = 4, 1 << 24, 64
SIGNATURE, NOWHERE = b"\x89HDF\r\n\x1a\n", (1 << 64) - 1
SPACE, LINKS, TYPE, LINK, ELSEWHERE, LAYOUT, FILTERS, ATTRIBUTE, CONTINUED, TABLE, ATTRIBUTES = (
    0x01, 0x02, 0x03, 0x06, 0x07, 0x08, 0x0B, 0x0C, 0x10, 0x11, 0x15,
)  # fmt: skip
NEWER = "in the newer form of HDF5 (libver='latest'), which is not read: save the file with Keras or h5py's defaults"
_KINDS = {3: "text", 5: "opaque", 6: "compound", 7: "reference", 8: "enumeration", 9: "variable-length"}
#: Exceptions that may occur while a damaged structure is parsed.
_FAULTS = (struct.error, IndexError, ValueError, OverflowError, zlib.error)


def _dataset(file: _File, name: str, found: dict[int, bytes], half: bool) -> Lazy:
    """An array of a file, from its messages; bfloat16 is read as the equal float32.

    Its numbers are read on use, with FileError if the file contradicts the claimed size.
    """
    where = f"{file.where}: {name}"
    shape = checked_shape(_dims(found[SPACE]) or (), where)
    stored, kind = _number_type(found[TYPE])

    def read() -> Any:
        if ELSEWHERE in found or found[LAYOUT][:2] == b"\x04\x03":  # external storage, or a virtual array
            raise FileError(f"{where} takes its numbers from other files, which is never followed")
        if stored is None:
            raise FileError(f"{where} has the dtype {kind}; expected numbers")
        with told(where, *_FAULTS):
            values = _numbers(file, where, found, shape, stored)
        return widened(values.view(np.uint16)) if (half and stored.itemsize == 2) or stored.kind == "V" else values

    return Lazy(shape, np.dtype("V2") if half or stored is None else stored, read)


def _numbers(file: _File, where: str, messages: dict[int, bytes], shape: tuple[int, ...], stored: np.dtype[Any]) -> Any:
    """The array, after comparing its claimed size with the stored data; each chunk is stored once."""
    size, body = entries(shape) * stored.itemsize, messages[LAYOUT]
    version, kind = body[:2]
    if version in (3, 4) and kind < 2:  # inside the message itself, or contiguous
        address, there = (-1, body[2] | body[3] << 8) if kind == 0 else struct.unpack_from("<QQ", body, 2)
        there = 0 if address == NOWHERE else there
        if size != there:
            raise FileError(f"{where} claims {size:,} bytes and stores {there:,}: the file is not whole")
        afford(size, size, where)
        plain = body[4 : 4 + size] if kind == 0 else file.numbers(address, size) if size else b""
        return np.frombuffer(plain, stored).reshape(shape)
    if (version, kind) != (3, 2):
        raise FileError(f"{where} is stored {NEWER}")
    *part, width = struct.unpack_from(f"<{body[2]}I", body, 11)  # shape of a chunk, and the size of a number
    chunks = list(file.leaves(_address(body, 3), 1, 16 + 8 * len(part)))
    there = sum(struct.unpack_from("<I", key)[0] for key, _ in chunks)
    each = prod(part) * width
    afford(max(size, each), there, where)
    if len(part) != len(shape) or not each or width != stored.itemsize:
        raise FileError(f"{where} has the shape {shape}, and chunks of {tuple(part)}")
    found, filters = np.empty(shape, stored), list(_filters(messages.get(FILTERS, b"\2\0")))
    wanted, seen = prod(-(-n // m) for n, m in zip(shape, part, strict=True)), set()
    for key, address in chunks:
        length, skipped, *begin = struct.unpack(f"<II{len(part)}Q", key[:-8])
        seen.add(tuple(begin))
        if any(b % m or b >= n for b, m, n in zip(begin, part, shape, strict=True)):
            raise FileError(f"{where} has a chunk at {begin}, where none can be")
        applied = [number for at, number in enumerate(filters) if not skipped >> at & 1]
        plain = _unfiltered(file.numbers(address, length), applied, width, each)
        place = tuple(slice(b, b + m) for b, m in zip(begin, part, strict=True))
        inside = tuple(slice(n - b) for b, n in zip(begin, shape, strict=True))
        found[place] = np.frombuffer(plain, stored).reshape(part)[inside]
    if len(seen) != wanted:
        raise FileError(f"{where} has {wanted} chunks and stores {len(seen)}: the file is not whole")
    return found


@dataclass
class Tree:
    """The arrays of a file by path, those attributes of its groups that are text, and its layers' names in order."""

    arrays: dict[str, Lazy] = field(default_factory=dict)
    attributes: dict[str, dict[str, str]] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)

    def text(self, path: str, name: str) -> str:
        """An attribute that is text; empty if it is missing."""
        return self.attributes.get(path, {}).get(name, "")


@contextmanager
def arrays(path: Path) -> Iterator[dict[str, Lazy]]:
    """The arrays of a file by path, while it is open. Raises the errors of `opened`."""
    with opened(path, str(path)) as tree:
        yield tree.arrays


@contextmanager
def opened(path: str | Path, where: str) -> Iterator[Tree]:
    """The contents of a file, or of the one in a `.keras` archive, while it is open.

    Raises FileError for a foreign or damaged file, and for one that refers to other files.
    """
    if Path(path).suffix.lower() == ".keras":
        with told(where, KeyError, ValueError), archive(path) as zipped:
            stream: BinaryIO = io.BytesIO(content(zipped, STORED))
    else:
        stream = Path(path).open("rb")  # noqa: SIM115 - closed below
    with stream:
        with told(where, *_FAULTS):
            tree = _walked(_File(stream, where))
        yield tree


def parsed(text: str, where: str) -> Any:
    """JSON text in a file. Raises FileError."""
    said = f"{where}: the model's configuration"
    if len(text) > MOST_CONFIG:
        raise FileError(f"{said} has {len(text):,} characters; at most {MOST_CONFIG:,} are read")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise FileError(f"{said} is not JSON; is the file cut off?") from None


def _walked(file: _File) -> Tree:
    """Visit every object of a file once, however many links lead to it."""
    tree, seen = Tree(), set()
    links: dict[str, str] = {}
    pending = [("", file.root)]
    while pending:
        path, address = pending.pop()
        if address in seen:
            continue
        seen.add(address)
        messages = file.messages(address)
        single = dict(messages)
        attributes = [file.attribute(body) for kind, body in messages if kind == ATTRIBUTE]
        texts = {name: values[0] for name, shape, values in attributes if shape == () and values}
        if ATTRIBUTES in single and _address(single[ATTRIBUTES], 4 if single[ATTRIBUTES][1] & 1 else 2) != NOWHERE:
            raise FileError(f"{file.where}: {path or 'the file'} has its attributes {NEWER}")
        if {SPACE, TYPE, LAYOUT} <= single.keys():
            tree.arrays[path] = _dataset(file, path, single, texts.get("dtype") == "bfloat16")
            continue
        tree.attributes[path] = texts
        pieces = {  # Keras 1 and 2, possibly in pieces
            (len(name), name): values
            for name, shape, values in attributes
            if shape is not None and len(shape) == 1 and name.rstrip("0123456789") == "layer_names"
        }
        tree.order += [text for name in sorted(pieces) for text in pieces[name]]
        for name, target in sorted(file.links(messages, path)):
            here = f"{path}/{name}".lstrip("/")
            if isinstance(target, int):
                pending.append((here, target))
            else:
                links[here] = target if target.startswith("/") else f"{path}/{target}"
    for here, target in links.items():  # not followed; skipping it would look like a missing bias
        if target.strip("/") in tree.arrays:
            raise FileError(f"{file.where}: {here} is a soft link to the array {target}; store the array itself there")
    return tree


# -- structures ------------------------------------------------------------------------------------------------------


class _File:
    """The structures of an open file. Nothing is read beyond its end, nor more in total than a file can need."""

    def __init__(self, stream: BinaryIO, where: str) -> None:
        self._stream, self.where = stream, where
        self._size = stream.seek(0, io.SEEK_END)
        self._left = TIMES * self._size + AT_LEAST
        self._heaps: dict[int, dict[int, bytes]] = {}
        cut = FileError(f"{where}: not an HDF5 file, or cut off")
        if self._size < 96 or self.read(0, 8) != SIGNATURE:
            raise cut
        version = self.read(8, 1)[0]
        widths, at = (self.read(13, 2), 24 + 4 * version) if version < 2 else (self.read(9, 2), 12)
        if widths != b"\x08\x08" or version > 3:
            raise FileError(f"{where}: an HDF5 file of another form (superblock {version}, sizes {list(widths)})")
        base, _, end, _, *entry = self.unpack(at, "<6Q")
        self.root = entry[1] if version < 2 else self.unpack(36, "<Q")[0]
        if base or end > self._size:
            raise cut

    def read(self, address: int, size: int) -> bytes:
        """Bytes of the structure."""
        self._left -= size + EACH
        if self._left < 0:
            raise self.damaged("its structure leads in circles")
        return self.numbers(address, size)

    def numbers(self, address: int, size: int) -> bytes:
        """Bytes of an array whose number has been compared with the stored size."""
        if size < 0 or address + size > self._size:
            raise self.damaged("it leads beyond its end")
        self._stream.seek(address)
        return self._stream.read(size)

    def unpack(self, address: int, form: str) -> tuple[Any, ...]:
        """Numbers of the structure."""
        return struct.unpack(form, self.read(address, struct.calcsize(form)))

    def damaged(self, why: str) -> FileError:
        """The error for an invalid structure."""
        return FileError(f"{self.where}: cannot be read: {why}; the file is damaged")

    def expect(self, address: int, mark: bytes) -> None:
        """Raise FileError if a structure does not begin with its signature."""
        if self.read(address, 4) != mark:
            raise self.damaged(f"no {mark.decode()} at byte {address:,}")

    def messages(self, address: int) -> list[tuple[int, bytes]]:
        """The messages of an object, by number, including those of its continuations."""
        extra, block = 0, 0
        if self.read(address, 4) == b"OHDR":
            flags = self.read(address + 5, 1)[0]
            at, width = address + 6 + (16 if flags & 32 else 0) + (4 if flags & 16 else 0), 1 << (flags & 3)
            blocks = [(at + width, int.from_bytes(self.read(at, width), "little"))]
            head, extra, block = struct.Struct("<BHB"), 2 if flags & 4 else 0, 4
        else:
            version, _, _, _, size = self.unpack(address, "<BBHII")
            if version != 1:
                raise self.damaged(f"no object at byte {address:,}")
            blocks, head = [(address + 16, size)], struct.Struct("<HHB3x")
        found = []
        for begin, size in blocks:  # the list grows
            content, at = self.read(begin, size), 0
            while at + head.size + extra <= size:
                kind, length, flags = head.unpack_from(content, at)
                at += head.size + extra + length
                body = content[at - length : at]
                if kind == CONTINUED:
                    there, more = struct.unpack_from("<QQ", body)
                    blocks.append((there + block, more - 2 * block))  # without signature and checksum, if it has them
                elif kind in (SPACE, TYPE, LAYOUT, ATTRIBUTE) and flags & 2:
                    raise FileError(f"{self.where}: an object shares parts with others, which is not read")
                else:
                    found.append((kind, body))
        return found

    def leaves(self, address: int, kind: int, key: int) -> Iterator[tuple[bytes, int]]:
        """The entries in the leaves of a tree (version 1), each with its key of this many bytes."""
        pending = [(address, -1)] if address != NOWHERE else []
        while pending:
            node, expected = pending.pop()
            self.expect(node, b"TREE")
            there, level, count = self.unpack(node + 4, "<BBH")
            if there != kind or expected not in (-1, level):
                raise self.damaged(f"a tree of another kind at byte {node:,}")
            body = self.read(node + 24, count * (key + 8))
            for at in range(0, len(body), key + 8):
                child = _address(body, at + key)
                if level:
                    pending.append((child, level - 1))
                else:
                    yield body[at : at + key], child

    def links(self, messages: list[tuple[int, bytes]], path: str) -> Iterator[tuple[str, int | str]]:
        """The links of a group: names with addresses, or with the paths of soft links."""
        for kind, body in messages:
            if kind == TABLE:
                yield from self._table(*struct.unpack_from("<QQ", body))
            elif kind == LINK:
                yield self._link(body, path)
            elif kind == LINKS and _address(body, 10 if body[1] & 1 else 2) != NOWHERE:
                raise FileError(f"{self.where}: {path or 'the file'} is a group {NEWER}")

    def _table(self, tree: int, heap: int) -> Iterator[tuple[str, int | str]]:
        self.expect(heap, b"HEAP")
        size, _, begin = self.unpack(heap + 8, "<QQQ")
        names = self.read(begin, size)
        for _, table in self.leaves(tree, 0, 8):
            self.expect(table, b"SNOD")
            for entry in struct.iter_unpack("<QQIIQQ", self.read(table + 8, 40 * self.unpack(table + 6, "<H")[0])):
                name = _text(names[entry[0] : names.index(b"\0", entry[0])])
                soft = entry[4] & 0xFFFFFFFF
                yield name, _text(names[soft : names.index(b"\0", soft)]) if entry[2] == 2 else entry[1]

    def _link(self, body: bytes, path: str) -> tuple[str, int | str]:
        flags = body[1]
        kind, at = (body[2], 3) if flags & 8 else (0, 2)
        at += (8 if flags & 4 else 0) + (1 if flags & 16 else 0)
        width = 1 << (flags & 3)
        size = int.from_bytes(body[at : at + width], "little")
        name = _text(body[at + width : at + width + size])
        value = body[at + width + size :]
        if kind == 0:
            return name, _address(value, 0)
        if kind == 1:
            return name, _text(value[2:])
        here, there = f"{path}/{name}".strip("/"), _text(value[3:].split(b"\0")[0])
        raise FileError(f"{self.where}: {here} is a link to another file ({there}), which is never followed")

    def attribute(self, body: bytes) -> tuple[str, tuple[int, ...] | None, list[str]]:
        """Name, shape and texts of an attribute; no texts if it contains something else."""
        version, shared, *sizes = struct.unpack_from("<BBHHH", body)
        at, step = (9 if version == 3 else 8), (8 if version == 1 else 1)
        parts = []
        for size in sizes:
            parts.append(body[at : at + size])
            at += -(-size // step) * step
        name = _text(parts[0])
        if version > 1 and shared & 3:  # its type is shared with another object
            return name, None, []
        shape, kind, width = _dims(parts[2]), parts[1][0] & 15, struct.unpack_from("<I", parts[1], 4)[0]
        count, long = (0 if shape is None else prod(shape)), kind == 9 and parts[1][1] & 15 == 1
        if not (kind == 3 or long) or not width:
            return name, shape, []
        if count * width > len(body) - at:
            raise FileError(f"{self.where}: the attribute {name} claims {count:,} texts; the file is damaged")
        held = [body[k : k + width] for k in range(at, at + count * width, width)]
        return name, shape, [_text(self._long(value) if long else value) for value in held]

    def _long(self, value: bytes) -> bytes:
        """A text of variable length, stored in a heap of the file."""
        _, address, number = struct.unpack("<IQI", value)
        if not address:
            return b""
        if address not in self._heaps:
            self.expect(address, b"GCOL")
            heap, at, objects = self.read(address, self.unpack(address + 8, "<Q")[0]), 16, {}
            while at + 16 <= len(heap):
                index, _, size = struct.unpack_from("<HH4xQ", heap, at)
                if not index:
                    break
                objects[index] = heap[at + 16 : at + 16 + size]
                at += 16 + -(-size // 8) * 8
            self._heaps[address] = objects
        if number not in self._heaps[address]:
            raise self.damaged("a text is missing")
        return self._heaps[address][number]


def _address(body: bytes, at: int) -> int:
    return int(struct.unpack_from("<Q", body, at)[0])


def _text(value: bytes) -> str:
    return value.rstrip(b"\0").decode("utf-8", "replace")


def _dims(body: bytes) -> tuple[int, ...] | None:
    """The sizes of the axes; None for an empty attribute."""
    version, rank = body[:2]
    empty = version == 2 and body[3] == 2
    return None if empty else struct.unpack_from(f"<{rank}Q", body, 8 if version == 1 else 4)


def _number_type(body: bytes) -> tuple[np.dtype[Any] | None, str]:
    """The dtype of stored numbers, or None and a description of the values."""
    kind, flags, size = body[0] & 15, body[1], struct.unpack_from("<I", body, 4)[0]
    order, found = ">" if flags & 1 else "<", ""
    if kind == 0 and size in (1, 2, 4, 8) and struct.unpack_from("<HH", body, 8) == (0, 8 * size):
        found = f"{order}{'i' if flags & 8 else 'u'}{size}"
    elif kind == 1 and not flags & 64 and (size, body[13]) in ((2, 5), (4, 8), (8, 11)):
        found = f"{order}f{size}"
    elif kind == 5 and size == 2:
        found = "V2"  # Keras stores bfloat16 as two opaque bytes
    return (np.dtype(found), "") if found else (None, _KINDS.get(kind, f"of class {kind}, {size} bytes"))


def _filters(body: bytes) -> Iterator[int]:
    """The numbers of the filters applied to chunks."""
    version, count = body[:2]
    at = 8 if version == 1 else 2
    for _ in range(count):
        number, name = struct.unpack_from("<HH", body, at)  # length of a name, where one is possible
        named = version == 1 or number > 255
        values = struct.unpack_from("<H", body, at + (6 if named else 4))[0]
        at += (8 + name if named else 6) + 4 * (values + (values % 2 if version == 1 else 0))
        yield number


def _unfiltered(chunk: bytes, filters: list[int], width: int, size: int) -> bytes:
    """A chunk without its filters: gzip, shuffle, fletcher32. Raises ValueError, zlib.error."""
    for number in reversed(filters):
        if number == 1:
            chunk = zlib.decompressobj().decompress(chunk, size + 4)
        elif number == 2:
            whole = len(chunk) // width * width
            chunk = np.frombuffer(chunk[:whole], np.uint8).reshape(width, -1).T.tobytes() + chunk[whole:]
        elif number == 3:
            chunk, stored = chunk[:-4], chunk[-4:]
            words = np.frombuffer(chunk + b"\0" * (len(chunk) % 2), ">u2").astype(np.uint64)
            counts = np.arange(len(words), 0, -1, dtype=np.uint64) % 65535
            checksum = int((words * counts % 65535).sum() % 65535) << 16 | int(words.sum() % 65535)
            if checksum != int.from_bytes(stored, "little"):
                raise ValueError("a chunk does not match its checksum; copy or download the file again")
        else:
            raise ValueError(f"chunks are compressed by the filter {number}; save them with gzip, or without a filter")
    if len(chunk) != size:
        raise ValueError(f"a chunk of {size:,} bytes has {len(chunk):,}")
    return chunk
