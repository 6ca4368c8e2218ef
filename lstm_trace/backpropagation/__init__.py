"""The reverse walk: gradients, and the exact split of a difference."""
