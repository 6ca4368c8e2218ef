"""LSTM nodes of ONNX files: constants folded, inputs and options read, layers joined into stacks."""
