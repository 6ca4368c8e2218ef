"""LSTM, GRU and RNN nodes of ONNX files: constants folded, inputs and options read, layers joined into stacks."""
