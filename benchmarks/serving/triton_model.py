"""Runs in Triton's Python process, not in ours: it lets Triton run an ONNX model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import triton_python_backend_utils as pb  # type: ignore[import-not-found, unused-ignore]

__all__ = ["TritonPythonModel"]

HERE = Path(__file__).parent


class TritonPythonModel:
    """One input, one output, one thread a run; the requests that Triton has gathered are run together."""

    def initialize(self, _args: dict[str, str]) -> None:
        """Open the session."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        path = str(HERE / "model.onnx")
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def execute(self, requests: list[Any]) -> list[Any]:
        """Join the rows of all requests, run, and give each its own."""
        parts = [pb.get_input_tensor_by_name(request, "features").as_numpy() for request in requests]
        rows = parts[0] if len(parts) == 1 else np.concatenate(parts)
        scores = self._session.run(None, {"features": rows})[0]
        answers, start = [], 0
        for part in parts:
            end = start + len(part)
            answers.append(pb.InferenceResponse(output_tensors=[pb.Tensor("scores", scores[start:end])]))
            start = end
        return answers
