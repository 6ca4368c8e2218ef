"""The compiled plan: the lines of a stage as machine code, made by LLVM (the extra `jit`: llvmlite) and kept on disk.

What each file holds, from the bottom: `llvm` writes vector code as text, `functions` the operations in it, `matmul`
matrix times vectors, `schedule` which line is computed when, `program` a stage's lines as one function, `machine` makes
it run and keeps it, `runner` runs it for one set of weights. When it is used is decided in `engine.plan_choice`.

Rules that know no cell, as the numpy plan has them: products of an input leave the time loop, products of one vector
are one product, elementwise lines of one width are one loop in which values stay in registers. Every line is stored;
nothing is re-associated; a carried state is the line that it carries, one row earlier.
"""
