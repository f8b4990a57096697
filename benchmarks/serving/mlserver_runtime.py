"""Runs in MLServer's environment, not in ours: it lets MLServer run an ONNX model."""

from __future__ import annotations

import onnxruntime
from mlserver import MLModel  # type: ignore[import-not-found, unused-ignore]
from mlserver.codecs import NumpyCodec  # type: ignore[import-not-found, unused-ignore]
from mlserver.types import InferenceRequest, InferenceResponse  # type: ignore[import-not-found, unused-ignore]
from mlserver.utils import get_model_uri  # type: ignore[import-not-found, unused-ignore]

__all__ = ["OnnxModel"]


class OnnxModel(MLModel):  # type: ignore[misc, unused-ignore]
    """One input, one output, one thread, in the event loop: the fastest that MLServer allows."""

    async def load(self) -> bool:
        """Open the session."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        path = await get_model_uri(self._settings)
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name
        self._output = self._session.get_outputs()[0].name
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Decode, run, encode."""
        rows = NumpyCodec.decode_input(payload.inputs[0])
        scores = self._session.run(None, {self._input: rows})[0]
        outputs = [NumpyCodec.encode_output(self._output, scores)]
        return InferenceResponse(model_name=self.name, outputs=outputs)
