"""Heat maps: scales of colours, images of a pixel for each number, the order of their rows, and panels of them."""
