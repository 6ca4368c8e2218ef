"""The loops round the steps: the function `kernel`, which walks over blocks of steps, and in each over its steps."""

from __future__ import annotations

from .llvm import Code

#: The arguments of `kernel`, in the order in which they stand in the memory that it is given.
ARGUMENTS = ("steps", "rows", "par", "scratch", "begin")


def module_text(
    code: Code, moving: dict[str, int], row: int, batch: int, many: int, block: int, reverse: bool,
    before: str, inside: str,
) -> str:  # fmt: skip
    """The text of the module.

    row: numbers in a row of memory; many, block: rows of a tile, steps of a block, of products before the loop.
    moving: numbers in one step of each input and group of products, in the order of the arguments after `ARGUMENTS`.
    before, inside: what is done for a block of steps, and in each step. In the reverse direction the last block and
    the last step come first.
    """
    size = code.size
    sign = -1 if reverse else 1
    out: list[str] = [*sorted(code.declared), *code.functions]
    out.append("define void @kernel(ptr noalias %arguments) #0 {\nentry:\n  %steps = load i64, ptr %arguments, align 8")
    for k, name in enumerate((*ARGUMENTS[1:], *moving), 1):
        if name == "begin":  # the first row of the batch that is computed
            out.append(f"  %a{k} = getelementptr i8, ptr %arguments, i64 {8 * k}")
            out.append(f"  %begin = load i64, ptr %a{k}, align 8")
            continue
        pointer = name if name in ARGUMENTS[2:] else f"all_{name}"
        out.append(f"  %a{k} = getelementptr i8, ptr %arguments, i64 {8 * k}")
        out.append(f"  %{pointer} = load ptr, ptr %a{k}, align 8")
    low = "%begun" if not reverse else "%left_after"
    first_row = "%low" if not reverse else "%high"
    out.append(
        f"  br label %chunk\nchunk:\n  %begun = phi i64 [0, %entry], [%after, %chunkend]\n"
        f"  %left = sub i64 %steps, %begun\n  %short = icmp slt i64 %left, {block}\n"
        f"  %n = select i1 %short, i64 %left, i64 {block}\n  %after = add i64 %begun, %n\n"
        f"  %left_after = sub i64 %steps, %after\n  %low = add i64 {low}, 0\n  %high = add i64 %low, %n\n"
        f"  %m = mul i64 %n, {batch}\n  %tiles = udiv i64 %m, {many}\n  %tiled = mul i64 %tiles, {many}\n"
        f"  %rest = sub i64 %m, %tiled\n  %last = sub i64 %n, 1\n"
        f"  %far = mul i64 {first_row}, {row * size}\n  %first = getelementptr i8, ptr %all_rows, i64 %far"
    )
    for name, numbers in moving.items():
        out.append(f"  %far_{name} = mul i64 %low, {numbers * size}")
        out.append(f"  %block_{name} = getelementptr i8, ptr %all_{name}, i64 %far_{name}")
        out.append(f"  %skip_{name} = mul i64 {'%last' if reverse else 0}, {numbers * size}")
        out.append(f"  %first_{name} = getelementptr i8, ptr %block_{name}, i64 %skip_{name}")
    out.append(before)
    out.append("  br label %start\nstart:\n  br label %step\nstep:\n  %t = phi i64 [0, %start], [%next, %end]")
    out.append("  %prev = phi ptr [%first, %start], [%cur, %end]")
    out += [f"  %{name} = phi ptr [%first_{name}, %start], [%next_{name}, %end]" for name in moving]
    out.append(f"  %cur = getelementptr i8, ptr %prev, i64 {sign * row * size}")
    out += [f"  %next_{n} = getelementptr i8, ptr %{n}, i64 {sign * w * size}" for n, w in moving.items()]
    out.append(inside)
    out.append(
        "  br label %end\nend:\n  %next = add i64 %t, 1\n  %again = icmp slt i64 %next, %n\n"
        "  br i1 %again, label %step, label %chunkend\nchunkend:\n  %more = icmp slt i64 %after, %steps\n"
        "  br i1 %more, label %chunk, label %out\nout:\n  ret void\n}\n"
        'attributes #0 = { nounwind "min-legal-vector-width"="512" "prefer-vector-width"="512" }\n'
    )
    return "\n".join(out)
