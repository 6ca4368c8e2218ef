"""Graphs of files as cells: the recurrences that ONNX graphs and exported programs compute."""
