"""A cell as a list of equations: operations, lines, the grammar, the named cells, shapes, and networks of cells."""
