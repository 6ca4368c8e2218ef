"""The sheet "By hand": the calculation of a small problem as it would stand on a blackboard, on one page."""
