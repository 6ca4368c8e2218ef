"""Vector code as LLVM text: what a person would write by hand, so that nothing depends on an optimiser.

An instruction is written into the current function, and the name of its value (`%v7`) is returned. LLVM does not fuse
products with sums (only `fmuladd` may be fused, and it is used only where any rounding is correct), so + - * / and sqrt
are those of IEEE 754, bit for bit equal to numpy. `module_text` adds the loops over the steps: the function `kernel`,
which iterates over blocks of steps, and over the steps in each.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partialmethod
from typing import Any

import numpy as np


class LlvmModule:
    """The text of a module: functions, one of which is being written."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.size = dtype.itemsize
        self.lines: list[str] = []
        self.functions: list[str] = []
        self.variables: list[str] = []  # of the function that is being written
        self._functions: dict[tuple[str, tuple[object, ...]], str] = {}
        self.declared: set[str] = set()
        self._names = 0

    def emit(self, text: str) -> None:
        """Append a row of text."""
        self.lines.append(text)

    def fresh(self) -> int:
        """A number that no name has used yet."""
        self._names += 1
        return self._names

    def value(self, text: str) -> str:
        """Append an instruction; return the name of its value."""
        name = f"%v{self.fresh()}"
        self.lines.append(f"  {name} = {text}")
        return name

    def function(self, kind: str, key: tuple[object, ...], write: Callable[[], None]) -> str:
        """The name of a function of a kind, (weights %w, vector %x, result %o), that is written once for each key."""
        if (kind, key) not in self._functions:
            self._functions[kind, key] = name = f"@{kind}{len(self._functions)}"
            outer, self.lines, self.variables = self.lines, [], []
            write()
            head = f"define internal void {name}(ptr noalias %w, ptr noalias %x, ptr noalias %o) #0 {{\nentry:"
            self.functions.append("\n".join([head, *self.variables, *self.lines, "  ret void\n}"]))
            self.lines = outer
        return self._functions[kind, key]

    def address(self, pointer: str, offset: int, *terms: tuple[str, int]) -> str:
        """pointer + offset + the sum of index times stride, all in units of the dtype."""
        if offset:
            pointer = self.value(f"getelementptr i8, ptr {pointer}, i64 {offset * self.size}")
        for index, stride in terms:
            if stride and index != "0":
                far = self.value(f"mul i64 {index}, {stride * self.size}")
                pointer = self.value(f"getelementptr i8, ptr {pointer}, i64 {far}")
        return pointer

    def loop(self, count: int | str, step: int, body: Callable[[str], None]) -> None:
        """for index in range(0, count, step): body(index); a count given by name may be 0."""
        k = self.fresh()
        if isinstance(count, int) and count <= step:
            body("0")
            return
        if isinstance(count, str):
            self.emit(f"  %any{k} = icmp sgt i64 {count}, 0\n  br i1 %any{k}, label %pre{k}, label %done{k}")
        else:
            self.emit(f"  br label %pre{k}")
        self.emit(f"pre{k}:\n  br label %head{k}\nhead{k}:\n  %i{k} = phi i64 [0, %pre{k}], [%j{k}, %latch{k}]")
        body(f"%i{k}")
        self.emit(
            f"  br label %latch{k}\nlatch{k}:\n  %j{k} = add i64 %i{k}, {step}\n  %c{k} = icmp slt i64 %j{k}, {count}\n"
            f"  br i1 %c{k}, label %head{k}, label %done{k}\ndone{k}:"
        )


class Vector:
    """Instructions on vectors of `lanes` numbers."""

    def __init__(self, code: LlvmModule, lanes: int) -> None:
        self.code, self.lanes, self.single = code, lanes, code.size == 4
        self.scalar, self.integer = ("float", "i32") if self.single else ("double", "i64")
        self.type, self.bits_type = f"<{lanes} x {self.scalar}>", f"<{lanes} x {self.integer}>"
        self.mantissa, self.bias = (23, 127) if self.single else (52, 1023)

    # -- numbers -------------------------------------------------------------------------------------------------

    def number(self, value: float) -> str:
        """The same number in every lane, rounded to the dtype."""
        with np.errstate(over="ignore"):
            exact = float(np.float32(value)) if self.single else float(value)
        return f"splat ({self.scalar} 0x{struct.pack('>d', exact).hex().upper()})"

    def whole(self, value: int) -> str:
        """The same integer in every lane."""
        return f"splat ({self.integer} {value})"

    def bits_of(self, value: float) -> int:
        """The number's bits as an integer."""
        form, whole = ("<f", "<i") if self.single else ("<d", "<q")
        return int(struct.unpack(whole, struct.pack(form, value))[0])

    # -- memory --------------------------------------------------------------------------------------------------

    def load(self, pointer: str, align: int) -> str:
        return self.code.value(f"load {self.type}, ptr {pointer}, align {align}")

    def store(self, value: str, pointer: str, align: int) -> None:
        self.code.emit(f"  store {self.type} {value}, ptr {pointer}, align {align}")

    def spread(self, pointer: str) -> str:
        """The number at `pointer` in every lane."""
        return self.every(self.code.value(f"load {self.scalar}, ptr {pointer}, align {self.code.size}"))

    def every(self, scalar: str) -> str:
        """A scalar in every lane."""
        first = self.code.value(f"insertelement {self.type} poison, {self.scalar} {scalar}, i32 0")
        mask = f"<{self.lanes} x i32> zeroinitializer"
        return self.code.value(f"shufflevector {self.type} {first}, {self.type} poison, {mask}")

    def part(self, value: str, first: int, count: int) -> str:
        """`count` lanes starting at `first`, as a vector of that length."""
        mask = ", ".join(f"i32 {first + k}" for k in range(count))
        return self.code.value(f"shufflevector {self.type} {value}, {self.type} poison, <{count} x i32> <{mask}>")

    def folded(self, value: str, join: Callable[[Vector, str, str], str]) -> str:
        """The lanes joined to one number: the halves, then their halves."""
        v = self
        while v.lanes > 1:
            half = Vector(self.code, v.lanes // 2)
            value, v = join(half, v.part(value, 0, half.lanes), v.part(value, half.lanes, half.lanes)), half
        return value

    # -- arithmetic ----------------------------------------------------------------------------------------------

    def _binary(self, op: str, a: str, b: str) -> str:
        return self.code.value(f"{op} {self.type} {a}, {b}")

    add = partialmethod(_binary, "fadd")
    sub = partialmethod(_binary, "fsub")
    mul = partialmethod(_binary, "fmul")
    div = partialmethod(_binary, "fdiv")

    def neg(self, a: str) -> str:
        return self.code.value(f"fneg {self.type} {a}")

    def call(self, function: str, *operands: str) -> str:
        """One of LLVM's intrinsics that are instructions of the CPU: fabs, sqrt, floor, copysign, fmuladd; sin and
        cos are calls of the C library for each lane.
        """
        name = f"@llvm.{function}.v{self.lanes}f{32 if self.single else 64}"
        self.code.declared.add(f"declare {self.type} {name}({', '.join([self.type] * len(operands))})")
        return self.code.value(f"call {self.type} {name}({', '.join(f'{self.type} {x}' for x in operands)})")

    def fma(self, a: str, b: str, c: str) -> str:
        """a b + c, rounded once if the CPU supports it, otherwise twice."""
        return self.call("fmuladd", a, b, c)

    def pick(self, condition: str, a: str, b: str, yes: str, no: str) -> str:
        """`yes` where `condition` (olt, ogt, oeq, uno, …) is true for a and b, otherwise `no`."""
        mask = self.code.value(f"fcmp {condition} {self.type} {a}, {b}")
        return self.code.value(f"select <{self.lanes} x i1> {mask}, {self.type} {yes}, {self.type} {no}")

    def below(self, a: str, most: float) -> str:
        """a, but at most `most`; NaN stays NaN."""
        bound = self.number(most)
        return self.pick("oge", a, bound, bound, a)

    def above(self, a: str, least: float) -> str:
        """a, but at least `least`; NaN stays NaN. A zero gets the sign of a bound of zero, as in numpy."""
        bound = self.number(least)
        return self.pick("ole", a, bound, bound, a)

    def larger(self, a: str, b: str) -> str:
        """The larger of a and b; NaN if one of them is NaN."""
        return self.pick("uno", a, a, a, self.pick("ogt", a, b, a, b))

    # -- bits ----------------------------------------------------------------------------------------------------

    def bits(self, a: str) -> str:
        return self.code.value(f"bitcast {self.type} {a} to {self.bits_type}")

    def float(self, a: str) -> str:
        return self.code.value(f"bitcast {self.bits_type} {a} to {self.type}")

    def whole_op(self, op: str, a: str, b: str) -> str:
        return self.code.value(f"{op} {self.bits_type} {a}, {b}")


#: The arguments of `kernel`, in their order in memory: after them a pointer for each input and each group of products,
#: then the bytes between the steps of each input.
ARGUMENTS = ("steps", "rows", "par", "scratch", "begin")
#: Suffix of names in the second pass over a block's steps.
AGAIN = "_again"


Parts = tuple[str, str, str, str]


def module_text(
    code: LlvmModule, inputs: Sequence[str], runs: Mapping[str, int], row: int, block: int, reverse: bool, parts: Parts
) -> str:
    """The text of the module.

    inputs: their names. runs: numbers in one step of each group of products outside the loop. row: numbers in a row of
    memory. block: steps of a block. In the reverse direction the last block and the last step come first. parts: the
    code before the steps of a block, in each step, after them, and in each step of a second pass.
    """
    size = code.size
    before, steps, after, again = parts
    out: list[str] = [*sorted(code.declared), *code.functions]
    out.append("define void @kernel(ptr noalias %arguments) #0 {\nentry:\n  %steps = load i64, ptr %arguments, align 8")
    pointers = ("all_rows", *ARGUMENTS[2:4], "begin", *(f"all_{name}" for name in (*inputs, *runs)))
    bytes_of = {name: f"{numbers * size}" for name, numbers in runs.items()}
    bytes_of |= {name: f"%bytes_{name}" for name in inputs}
    for k, name in enumerate((*pointers, *(f"bytes_{name}" for name in inputs)), 1):
        kind = "i64" if name.startswith(("begin", "bytes")) else "ptr"
        out.append(f"  %a{k} = getelementptr i8, ptr %arguments, i64 {8 * k}")
        out.append(f"  %{name} = load {kind}, ptr %a{k}, align 8")
    moving = (*inputs, *runs)
    out += [f"  %by_{name} = {'sub i64 0' if reverse else 'add i64 0'}, {bytes_of[name]}" for name in moving]
    low = "%left_after" if reverse else "%begun"
    out.append(
        f"  br label %chunk\nchunk:\n  %begun = phi i64 [0, %entry], [%after, %chunkend]\n"
        f"  %left = sub i64 %steps, %begun\n  %short = icmp slt i64 %left, {block}\n"
        f"  %n = select i1 %short, i64 %left, i64 {block}\n  %after = add i64 %begun, %n\n"
        f"  %left_after = sub i64 %steps, %after\n  %low = add i64 {low}, 0\n  %last = sub i64 %n, 1\n"
        f"  %far = mul i64 %low, {row * size}\n  %low_row = getelementptr i8, ptr %all_rows, i64 %far\n"
        f"  %next_row = getelementptr i8, ptr %low_row, i64 {row * size}\n"
        f"  %long = mul i64 %n, {row * size}\n  %high_row = getelementptr i8, ptr %low_row, i64 %long"
    )
    for name in moving:
        out.append(f"  %far_{name} = mul i64 %low, {bytes_of[name]}")
        out.append(f"  %block_{name} = getelementptr i8, ptr %all_{name}, i64 %far_{name}")
        out.append(f"  %skip_{name} = mul i64 {'%last' if reverse else 0}, {bytes_of[name]}")
        out.append(f"  %first_{name} = getelementptr i8, ptr %block_{name}, i64 %skip_{name}")
    first, step = ("%high_row", -row * size) if reverse else ("%low_row", row * size)
    out += [before, *_walk("", moving, first, step, steps), after]
    out += _walk(AGAIN, moving, first, step, again) if again else ()
    out.append(
        "  br label %chunkend\nchunkend:\n  %more = icmp slt i64 %after, %steps\n"
        "  br i1 %more, label %chunk, label %out\nout:\n  ret void\n}\n"
        'attributes #0 = { nounwind "min-legal-vector-width"="512" "prefer-vector-width"="512" }\n'
    )
    return "\n".join(out)


def _walk(end: str, moving: Sequence[str], first: str, step: int, inside: str) -> Iterator[str]:
    """A loop over the steps of a block. end: suffix of its names; first, step: the row before it, bytes to the next."""
    yield f"  br label %start{end}\nstart{end}:\n  br label %step{end}\nstep{end}:"
    yield f"  %t{end} = phi i64 [0, %start{end}], [%next{end}, %end{end}]"
    yield f"  %prev{end} = phi ptr [{first}, %start{end}], [%cur{end}, %end{end}]"
    yield from (f"  %{n}{end} = phi ptr [%first_{n}, %start{end}], [%next_{n}{end}, %end{end}]" for n in moving)
    yield f"  %cur{end} = getelementptr i8, ptr %prev{end}, i64 {step}"
    yield from (f"  %next_{n}{end} = getelementptr i8, ptr %{n}{end}, i64 %by_{n}" for n in moving)
    yield inside
    yield (
        f"  br label %end{end}\nend{end}:\n  %next{end} = add i64 %t{end}, 1\n"
        f"  %again{end} = icmp slt i64 %next{end}, %n\n"
        f"  br i1 %again{end}, label %step{end}, label %walked{end}\nwalked{end}:"
    )
