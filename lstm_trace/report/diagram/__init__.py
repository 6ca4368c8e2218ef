"""The picture of a cell, drawn from its lines."""
