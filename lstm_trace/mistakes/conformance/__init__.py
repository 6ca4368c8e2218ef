"""`lstm-trace conformance`: cases for engines that run ONNX models, their verdicts, and what explains the failures."""
