"""LLVM, through llvmlite: from text, or from a cache on disk, to a function that can be called.

Machine code is cached between runs in a directory that nobody else can write to, or not at all. An entry is native code
that will run, so it matters who can have written it. That is ensured by ownership and mode: the directory belongs to
the user, is closed to others and is not a link, and so is the entry, a plain file. A digest covers the entry and its
name, so that a file that was truncated, changed or renamed is not used. Its key is drawn at random for each directory,
so that data not written here (junk makes LLVM abort the process) has no valid digest either. The key is stored next to
the entries: it does not stop anyone with the user's rights, who needs no cache to run code. Entries are named by
everything that they depend on, written under another name and renamed. Nothing here raises: without a cache everything
is compiled again.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import stat
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ...base.writing import open_own
from .program import Program, make_program
from .schedule import Task

#: LLVM's optimisation level; the vector code is written by us, so little is left to optimise.
LEVEL = 2


@dataclass(frozen=True)
class Cpu:
    """The CPU for which code is generated: LLVM's name and features, size and number of its vector registers."""

    cpu: str
    features: str
    vector: int
    registers: int


@dataclass(frozen=True)
class Compiled:
    """A function in memory, with the program that it implements.

    call: takes the address of the arguments (see `llvm.ARGUMENTS`). linked: keeps the code alive. cached: whether it
    came from disk.
    """

    program: Program
    call: Callable[[int], None]
    linked: Any
    cached: bool


@lru_cache(maxsize=1)
def _llvm() -> Any:
    """llvmlite's binding, with this machine's code generator."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm


@lru_cache(maxsize=1)
def host() -> Cpu:
    """This machine's CPU."""
    llvm = _llvm()
    features = llvm.get_host_cpu_features()
    if all(features.get(name) for name in ("avx512f", "avx512vl", "avx512dq")):
        vector, registers = 64, 32
    elif features.get("avx"):
        vector, registers = 32, 16
    else:
        vector, registers = 16, 16 if "x86" in llvm.get_default_triple() else 32
    return Cpu(llvm.get_host_cpu_name(), features.flatten(), vector, registers)


_loaded: dict[tuple[Task, Cpu], Compiled] = {}
#: Number of functions in memory; models keep those that they use.
MOST_LOADED = 128


def load(task: Task, target: Cpu | None = None) -> Compiled:
    """The code for a task that is not declined."""
    target = target or host()
    if (found := _loaded.get((task, target))) is None:
        found = _make(task, target)
        while len(_loaded) >= MOST_LOADED:
            _loaded.pop(next(iter(_loaded)), None)
        _loaded[task, target] = found
    return found


def _make(task: Task, target: Cpu) -> Compiled:
    llvm = _llvm()
    program = make_program(task, target.vector // np.dtype(task.dtype).itemsize, target.registers)
    version = ".".join(map(str, llvm.llvm_version_info))
    parts = program.text, target.cpu, target.features, version, str(LEVEL), llvm.get_default_triple()
    entry = hashlib.sha256("\0".join(parts).encode()).hexdigest() + ".o"
    place = cache_directory()
    code = read_entry(place, entry)
    cached = code is not None
    if code is None:
        code = _compile(program.text, target)
        write_entry(place, entry, code)
    # code and constants side by side: LLVM's older linker (MCJIT) places them apart, and aborts the process where they
    # are over 2 GB from each other; a linker of its own, since a shared one keeps 9 kB of what is gone
    linker = llvm.create_lljit_compiler(_generator(target, jit=True), use_jit_link=True)
    library = llvm.JITLibraryBuilder().add_object_img(code).add_current_process().export_symbol("kernel")
    linked = library.link(linker, "kernel")
    call = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(linked["kernel"])  # releases the GIL
    return Compiled(program, call, linked, cached)


def _generator(target: Cpu, jit: bool) -> Any:
    arguments = {"jit": True} if jit else {"reloc": "pic", "codemodel": "small"}
    machine = _llvm().Target.from_default_triple()
    return machine.create_target_machine(cpu=target.cpu, features=target.features, opt=LEVEL, **arguments)


def _compile(text: str, target: Cpu) -> bytes:
    """Compile text to an object file."""
    llvm, machine = _llvm(), _generator(target, jit=False)
    module = llvm.parse_assembly(text)
    module.triple, module.data_layout = machine.triple, str(machine.target_data)
    module.verify()
    options = llvm.create_pipeline_tuning_options(speed_level=LEVEL)
    options.loop_vectorization = options.slp_vectorization = options.loop_unrolling = False
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    return bytes(machine.emit_object(module))


# -- the cache --------------------------------------------------------------------------------------------------------

#: Environment variable with another directory; an empty value turns the cache off.
VARIABLE = "LSTM_TRACE_CACHE"
#: Maximum number of entries; beyond that the older half is removed. Each is some 8 kB.
MOST = 1024
#: Maximum size of an entry in bytes; larger files were not written here.
MOST_BYTES = 1 << 24
#: The file with the key of the digests.
KEY = "key"
_DIGEST = 32  # bytes of a digest, and of its key


def cache_directory() -> Path | None:
    """The directory for machine code, created if necessary; None if there is no safe place."""
    if (chosen := os.environ.get(VARIABLE)) == "":
        return None
    try:
        place = Path(chosen) if chosen else _usual()
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        state = os.lstat(place)
        return place if stat.S_ISDIR(state.st_mode) and _closed(state) else None
    except (OSError, RuntimeError, ValueError):
        return None


def _usual() -> Path:
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA")
        return (Path(base) if base else Path.home() / "AppData" / "Local") / "lstm-trace" / "cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "lstm-trace"
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".cache") / "lstm-trace"


def _closed(state: os.stat_result) -> bool:
    """Whether this user owns it and nobody else can write to it."""
    if sys.platform == "win32":
        return True  # in the user's profile, whose access list protects it
    return state.st_uid == os.geteuid() and not state.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def read_entry(place: Path | None, entry: str) -> bytes | None:
    """The entry's bytes; None if it is missing, not ours, or damaged."""
    if place is None:
        return None
    data, key = _content(place / entry, MOST_BYTES) or b"", _content(place / KEY, _DIGEST) or b""
    digest, body = data[:_DIGEST], data[_DIGEST:]
    return body if body and len(key) == _DIGEST and _digest(key, entry, body) == digest else None


def _content(path: Path, most: int) -> bytes | None:
    """The contents of a plain file of ours; None if it is not one, or has more than `most` bytes."""
    with suppress(OSError), os.fdopen(open_own(path), "rb") as file:
        state = os.fstat(file.fileno())
        if stat.S_ISREG(state.st_mode) and _closed(state) and state.st_size <= most:
            return file.read(most)
    return None


def _digest(key: bytes, entry: str, body: bytes) -> bytes:
    return hashlib.blake2b(entry.encode() + b"\0" + body, key=key, digest_size=_DIGEST).digest()


def write_entry(place: Path | None, entry: str, body: bytes) -> None:
    """Store an entry; it does no harm if another process writes the same one at the same time."""
    with suppress(OSError):
        if place is not None:
            key = _content(place / KEY, _DIGEST) or b""
            if len(key) != _DIGEST:  # no usable key: then earlier entries are not used either
                key = os.urandom(_DIGEST)
                _put(place, KEY, key)
            _put(place, entry, _digest(key, entry, body) + body)
            _tidy(place)


def _put(place: Path, name: str, data: bytes) -> None:
    """Write a file atomically, readable only by the user."""
    import tempfile  # importing it takes longer than reading an entry

    handle, temporary = tempfile.mkstemp(prefix=name[:16], suffix=".part", dir=place)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.replace(temporary, place / name)
    except OSError:
        Path(temporary).unlink(missing_ok=True)
        raise


def _tidy(place: Path) -> None:
    """Remove the older half of the entries if there are too many."""
    if len(entries := [found for found in os.scandir(place) if found.name.endswith((".o", ".part"))]) > MOST:
        for found in sorted(entries, key=lambda e: e.stat(follow_symlinks=False).st_mtime)[: len(entries) // 2]:
            Path(found.path).unlink(missing_ok=True)
