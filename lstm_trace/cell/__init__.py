"""A cell as a list of equations: operations, lines, the grammar, the family, shapes, and networks of cells."""
