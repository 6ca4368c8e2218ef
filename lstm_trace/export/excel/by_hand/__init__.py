"""The sheet "By hand": the calculation of a small problem on one page, as it would be written on a blackboard."""
