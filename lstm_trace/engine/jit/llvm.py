"""Vector code as text of LLVM's language: what a person would write by hand, so that nothing hangs on an optimiser.

An instruction is written into the function at hand and its value is the name (`%v7`) that is given back. LLVM joins no
product with a sum (only `fmuladd` may be fused, and stands only where any rounding is right), so that + - * / and sqrt
are those of IEEE 754, bit for bit those of numpy.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np


class Code:
    """The text of a module: functions, one of which is being written."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.size = dtype.itemsize
        self.lines: list[str] = []
        self.functions: list[str] = []
        self.declared: set[str] = set()
        self._names = 0

    def emit(self, text: str) -> None:
        """A row of text."""
        self.lines.append(text)

    def fresh(self) -> int:
        """A number that no name has yet."""
        self._names += 1
        return self._names

    def value(self, text: str) -> str:
        """An instruction; gives the name of its value."""
        name = f"%v{self.fresh()}"
        self.lines.append(f"  {name} = {text}")
        return name

    @contextmanager
    def function(self) -> Iterator[None]:
        """What is written inside is a function of its own."""
        outer, self.lines = self.lines, []
        yield
        self.functions.append("\n".join(self.lines))
        self.lines = outer

    def address(self, pointer: str, offset: int, *terms: tuple[str, int]) -> str:
        """pointer + offset + the sum of index times stride, all in numbers of the dtype."""
        if offset:
            pointer = self.value(f"getelementptr i8, ptr {pointer}, i64 {offset * self.size}")
        for index, stride in terms:
            if stride and index != "0":
                far = self.value(f"mul i64 {index}, {stride * self.size}")
                pointer = self.value(f"getelementptr i8, ptr {pointer}, i64 {far}")
        return pointer

    def loop(self, count: int | str, step: int, body: Callable[[str], None]) -> None:
        """for index in range(0, count, step): body(index); a count that is a name may be 0."""
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

    def __init__(self, code: Code, lanes: int) -> None:
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
        one = self.code.value(f"load {self.scalar}, ptr {pointer}, align {self.code.size}")
        return self.every(one)

    def every(self, scalar: str) -> str:
        """A scalar in every lane."""
        first = self.code.value(f"insertelement {self.type} poison, {self.scalar} {scalar}, i32 0")
        mask = f"<{self.lanes} x i32> zeroinitializer"
        return self.code.value(f"shufflevector {self.type} {first}, {self.type} poison, {mask}")

    def part(self, value: str, first: int, count: int) -> str:
        """`count` lanes from `first` on, as a vector of that many."""
        mask = ", ".join(f"i32 {first + k}" for k in range(count))
        return self.code.value(f"shufflevector {self.type} {value}, {self.type} poison, <{count} x i32> <{mask}>")

    # -- arithmetic ----------------------------------------------------------------------------------------------

    def _binary(self, op: str, a: str, b: str) -> str:
        return self.code.value(f"{op} {self.type} {a}, {b}")

    def add(self, a: str, b: str) -> str:
        return self._binary("fadd", a, b)

    def sub(self, a: str, b: str) -> str:
        return self._binary("fsub", a, b)

    def mul(self, a: str, b: str) -> str:
        return self._binary("fmul", a, b)

    def div(self, a: str, b: str) -> str:
        return self._binary("fdiv", a, b)

    def neg(self, a: str) -> str:
        return self.code.value(f"fneg {self.type} {a}")

    def call(self, function: str, *operands: str) -> str:
        """One of LLVM's own functions, which are instructions of the CPU: fabs, sqrt, copysign, fmuladd."""
        name = f"@llvm.{function}.v{self.lanes}f{32 if self.single else 64}"
        self.code.declared.add(f"declare {self.type} {name}({', '.join([self.type] * len(operands))})")
        return self.code.value(f"call {self.type} {name}({', '.join(f'{self.type} {x}' for x in operands)})")

    def fma(self, a: str, b: str, c: str) -> str:
        """a b + c, rounded once where the CPU can, twice elsewhere."""
        return self.call("fmuladd", a, b, c)

    def pick(self, condition: str, a: str, b: str, yes: str, no: str) -> str:
        """`yes` where `condition` (olt, ogt, oeq, uno, …) holds of a and b, else `no`."""
        mask = self.code.value(f"fcmp {condition} {self.type} {a}, {b}")
        return self.code.value(f"select <{self.lanes} x i1> {mask}, {self.type} {yes}, {self.type} {no}")

    def below(self, a: str, most: float) -> str:
        """a, at most `most`; NaN stays NaN."""
        bound = self.number(most)
        return self.pick("oge", a, bound, bound, a)

    def above(self, a: str, least: float) -> str:
        """a, at least `least`; NaN stays NaN. A zero gets the sign of a bound of zero, as numpy has it."""
        bound = self.number(least)
        return self.pick("ole", a, bound, bound, a)

    def larger(self, a: str, b: str) -> str:
        """The larger of a and b; NaN where one of them is."""
        return self.pick("uno", a, a, a, self.pick("ogt", a, b, a, b))

    # -- bits ----------------------------------------------------------------------------------------------------

    def bits(self, a: str) -> str:
        return self.code.value(f"bitcast {self.type} {a} to {self.bits_type}")

    def float(self, a: str) -> str:
        return self.code.value(f"bitcast {self.bits_type} {a} to {self.type}")

    def whole_op(self, op: str, a: str, b: str) -> str:
        return self.code.value(f"{op} {self.bits_type} {a}, {b}")
