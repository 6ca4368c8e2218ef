"""The compiled plan: the lines of a stage as machine code, made by LLVM (the extra `jit`: llvmlite) and kept on disk.

What each file holds, from the bottom: `ir` writes vector code as text, `functions` the operations in it, `products`
matrix times vectors, `schedule` which line is computed when, `program` and `frame` a stage's lines as one function,
`machine` and `cache` make it run and keep it, `runner` runs it for one set of weights. When it is used is decided
outside, in `lstm_trace.choice`.

Rules that know no cell, as the numpy plan has them: products of an input leave the time loop, products of one vector
are one product, elementwise lines of one width are one loop in which values stay in registers. Every line is stored;
nothing is re-associated; a carried state is the line that it carries, one row earlier.
"""
