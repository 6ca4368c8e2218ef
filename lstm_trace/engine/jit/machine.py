"""LLVM, by llvmlite: from text to a function that can be called, or from the cache to it."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from typing import Any

import numpy as np

from . import cache
from .placement import Program
from .program import make_program
from .schedule import Task

#: Of LLVM's optimisations; the vector code is written by us, so that little is left to do.
LEVEL = 2


@dataclass(frozen=True)
class Target:
    """The CPU for which code is made: LLVM's name and features, bytes and number of its vector registers."""

    cpu: str
    features: str
    vector: int
    registers: int

    def lanes(self, dtype: str) -> int:
        """Numbers in a vector."""
        return self.vector // np.dtype(dtype).itemsize


@dataclass(frozen=True)
class Compiled:
    """A function in memory, with the program of which it is the code.

    call: takes the address of the arguments (see `loops.ARGUMENTS`). engine: keeps the code alive. cached: whether it
    came from disk.
    """

    program: Program
    call: Callable[[int], None]
    engine: Any
    cached: bool


@lru_cache(maxsize=1)
def installed() -> bool:
    """Whether llvmlite is there."""
    return find_spec("llvmlite") is not None


@lru_cache(maxsize=1)
def _llvm() -> Any:
    """llvmlite's binding, with this machine's code generator."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm


@lru_cache(maxsize=1)
def host() -> Target:
    """This machine's CPU."""
    llvm = _llvm()
    features = llvm.get_host_cpu_features()
    if all(features.get(name) for name in ("avx512f", "avx512vl", "avx512dq")):
        vector, registers = 64, 32
    elif features.get("avx"):
        vector, registers = 32, 16
    else:
        vector, registers = 16, 16 if "x86" in llvm.get_default_triple() else 32
    return Target(llvm.get_host_cpu_name(), features.flatten(), vector, registers)


def generic() -> Target:
    """The least that a CPU of this architecture has: 128-bit vectors, and on x86-64 no fused multiply-add."""
    x86 = "x86" in _llvm().get_default_triple()
    return Target("x86-64" if x86 else "generic", "", 16, 16 if x86 else 32)


def narrow(target: Target, vector: int) -> Target:
    """The same CPU with vectors of `vector` bytes."""
    return Target(target.cpu, target.features, vector, 16)


_loaded: dict[tuple[Task, Target], Compiled] = {}
#: Functions in memory; models keep those that they use.
MOST_LOADED = 128


def load(task: Task, target: Target | None = None) -> Compiled:
    """The code of a task that is not declined."""
    target = target or host()
    found = _loaded.get((task, target))
    if found is None:
        found = _make(task, target)
        while len(_loaded) >= MOST_LOADED:
            _loaded.pop(next(iter(_loaded)), None)
        _loaded[(task, target)] = found
    return found


def _make(task: Task, target: Target) -> Compiled:
    llvm = _llvm()
    program = make_program(task, target.lanes(task.dtype), target.registers)
    version = ".".join(map(str, llvm.llvm_version_info))
    entry = cache.name(program.text, target.cpu, target.features, version, str(LEVEL), llvm.get_default_triple())
    place = cache.directory()
    code = cache.read(place, entry)
    cached = code is not None
    if code is None:
        code = _compile(program.text, target)
        cache.write(place, entry, code)
    empty = llvm.parse_assembly("")
    engine = llvm.create_mcjit_compiler(empty, _generator(target, jit=True))
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    call = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(engine.get_function_address("kernel"))  # lets other threads run
    return Compiled(program, call, engine, cached)


def _generator(target: Target, jit: bool) -> Any:
    machine = _llvm().Target.from_default_triple()
    arguments = {} if jit else {"reloc": "pic", "codemodel": "small"}
    return machine.create_target_machine(
        cpu=target.cpu, features=target.features, opt=LEVEL, jit=jit, **arguments
    )  # fmt: skip


def _compile(text: str, target: Target) -> bytes:
    """Text to an object file."""
    llvm, machine = _llvm(), _generator(target, jit=False)
    module = llvm.parse_assembly(text)
    module.triple, module.data_layout = machine.triple, str(machine.target_data)
    module.verify()
    options = llvm.create_pipeline_tuning_options(speed_level=LEVEL)
    options.loop_vectorization = options.slp_vectorization = options.loop_unrolling = False
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    return bytes(machine.emit_object(module))
