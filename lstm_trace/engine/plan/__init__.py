"""The plan that is derived from the lines of a cell, and the run of it with numpy."""
