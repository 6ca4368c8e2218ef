"""The plan that is derived from the lines of a cell, and its execution with numpy."""
