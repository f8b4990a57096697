"""Models of other makers: recognised by content, converted to ONNX in a process of their own, compared, described."""
