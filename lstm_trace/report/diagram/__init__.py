"""The picture of a cell, made from its lines."""
