"""Plans that are derived from the lines of a cell: numpy's, and machine code."""
