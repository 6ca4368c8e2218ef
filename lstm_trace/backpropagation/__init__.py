"""The backward pass: gradients, and the exact split of a difference."""
