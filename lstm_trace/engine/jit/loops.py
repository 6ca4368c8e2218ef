"""The loops round the steps: the function `kernel`, which walks over blocks of steps, and in each over its steps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from .llvm import Code

#: The arguments of `kernel`, in the order in which they stand in the memory that it is given: after them a pointer for
#: each input and each group of products, then the bytes between the steps of each input.
ARGUMENTS = ("steps", "rows", "par", "scratch", "begin")
#: What the names of the second walk over a block's steps end in.
AGAIN = "_again"


class Parts(NamedTuple):
    """What is done before the steps of a block, in each step, after them, and in each step of a second walk."""

    before: str
    steps: str
    after: str
    again: str


def module_text(
    code: Code, inputs: Sequence[str], runs: Mapping[str, int], row: int, block: int, reverse: bool, parts: Parts
) -> str:
    """The text of the module.

    inputs: their names. runs: numbers in one step of each group of products outside the steps. row: numbers in a row of
    memory. block: steps of a block. In the reverse direction the last block and the last step come first.
    """
    size = code.size
    out: list[str] = [*sorted(code.declared), *code.functions]
    out.append("define void @kernel(ptr noalias %arguments) #0 {\nentry:\n  %steps = load i64, ptr %arguments, align 8")
    pointers = ("all_rows", *ARGUMENTS[2:4], "begin", *(f"all_{name}" for name in (*inputs, *runs)))
    bytes_of = {name: f"{numbers * size}" for name, numbers in runs.items()}
    bytes_of |= {name: f"%bytes_{name}" for name in inputs}
    for k, name in enumerate((*pointers, *(f"bytes_{name}" for name in inputs)), 1):
        kind = "i64" if name.startswith(("begin", "bytes")) else "ptr"
        out.append(
            f"  %a{k} = getelementptr i8, ptr %arguments, i64 {8 * k}\n  %{name} = load {kind}, ptr %a{k}, align 8"
        )
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
    out += [parts.before, *_walk("", moving, first, step, parts.steps), parts.after]
    if parts.again:
        out += _walk(AGAIN, moving, first, step, parts.again)
    out.append(
        "  br label %chunkend\nchunkend:\n  %more = icmp slt i64 %after, %steps\n"
        "  br i1 %more, label %chunk, label %out\nout:\n  ret void\n}\n"
        'attributes #0 = { nounwind "min-legal-vector-width"="512" "prefer-vector-width"="512" }\n'
    )
    return "\n".join(out)


def _walk(end: str, moving: Sequence[str], first: str, step: int, inside: str) -> Iterator[str]:
    """A loop over the steps of a block. end: of its names; first, step: the row before it, and bytes to the next."""
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
