"""ONNX and ONNX Runtime."""
