"""A data plane of a few lines on onnxruntime, for tests of routes and codecs alone."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime

from mlaas4hep.errors.serving import (
    BadRequestError,
    ModelNotFoundError,
    ModelRefusedError,
    ModelUnavailableError,
)
from mlaas4hep.frameworks.tensors import TensorSpec
from mlaas4hep.inference.dataplane import Inferred, ModelInfo, Scored
from tests.support.onnx_models import write

__all__ = ["LocalPlane"]

_TYPES = {
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(float16)": "float16",
    "tensor(string)": "object",
}


class LocalPlane:
    """Implements `DataPlane` and what the routes use of `Management`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.versions: dict[tuple[str, str], tuple[ModelInfo, Any]] = {}
        self.counts: dict[tuple[str, str], int] = {}

    def add(self, name: str, version: str, model: onnx.ModelProto, *, batched: bool = True) -> None:
        """A version of a model, ready."""
        write(model, self.root / name / version / "model.onnx")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(model.SerializeToString(), options)
        info = ModelInfo(
            name,
            version,
            "READY",
            platform="onnxruntime_onnx",
            inputs=tuple(_spec(tensor) for tensor in session.get_inputs()),
            outputs=tuple(_spec(tensor) for tensor in session.get_outputs()),
            batched=batched,
            classes=("background", "signal"),
        )
        self.versions[name, version] = (info, session)

    def info(self, model: str, version: str = "") -> ModelInfo:
        return self._find(model, version)[0]

    def models(self) -> list[ModelInfo]:
        return [info for info, _ in self.versions.values()]

    async def infer(
        self, model: str, inputs: Mapping[str, Any], outputs: Sequence[str] | None = None, version: str = ""
    ) -> Inferred:
        info, session = self._find(model, version)
        if info.state != "READY":
            raise ModelUnavailableError("the model is not ready", where=model)
        for spec in info.inputs:
            given = inputs.get(spec.name)
            if given is None or given.dtype != np.dtype(spec.dtype):
                raise BadRequestError("missing or of the wrong datatype", where=f"tensor {spec.name!r}")
            if len(given.shape) != len(spec.shape) or any(
                b not in (-1, a) for a, b in zip(given.shape, spec.shape, strict=True)
            ):
                raise BadRequestError("wrong shape", where=f"tensor {spec.name!r}")
        names = [spec.name for spec in info.outputs] if outputs is None else list(outputs)
        unknown = set(names) - {spec.name for spec in info.outputs}
        if unknown:
            raise BadRequestError(f"there is no output {', '.join(unknown)}")
        self.counts[info.name, info.version] = self.counts.get((info.name, info.version), 0) + 1
        return Inferred(dict(zip(names, session.run(names, dict(inputs)), strict=True)), info.name, info.version)

    def infer_soon(self, *given: Any) -> Awaitable[Inferred]:
        return self.infer(*given)

    async def score_elsewhere(self, *_: Any) -> ModelInfo:
        raise NotImplementedError

    def score_row_soon(self, *_: Any) -> Awaitable[Scored]:
        raise NotImplementedError

    def statistics(self, model: str | None = None, version: str = "") -> list[dict[str, Any]]:
        chosen = self.models() if model is None else [self.info(model, version)]
        return [
            {
                "name": info.name,
                "version": info.version,
                "inference_count": self.counts.get((info.name, info.version), 0),
                "execution_count": self.counts.get((info.name, info.version), 0),
                "inference_stats": {"success": {"count": self.counts.get((info.name, info.version), 0), "ns": 1}},
                "of_our_own": 1,
            }
            for info in chosen
        ]

    async def load(self, name: str, version: str = "") -> ModelInfo:
        return self._set(name, version, "READY")

    async def unload(self, name: str, version: str = "") -> None:
        self._set(name, version, "UNLOADED")

    def files(self, name: str, version: str = "") -> Path:
        info = self.info(name, version)
        return self.root / info.name / info.version

    async def score_events(self, *_: Any) -> Scored:
        raise NotImplementedError

    async def score_row(self, *_: Any) -> Scored:
        raise NotImplementedError

    async def score_matrix(self, *_: Any) -> Scored:
        raise NotImplementedError

    async def upload(self, *_: Any, **__: Any) -> ModelInfo:
        raise ModelRefusedError("nothing can be uploaded")

    async def upload_parts(self, *_: Any) -> ModelInfo:
        raise NotImplementedError

    async def delete(self, *_: Any) -> None:
        raise NotImplementedError

    async def label(self, *_: Any) -> ModelInfo:
        raise NotImplementedError

    async def configure(self, *_: Any) -> Mapping[str, Any]:
        raise NotImplementedError

    async def set_default(self, *_: Any) -> None:
        raise NotImplementedError

    def _find(self, model: str, version: str) -> tuple[ModelInfo, Any]:
        versions = [number for name, number in self.versions if name == model]
        chosen = version or (max(versions, key=int) if versions else "")
        if (model, chosen) not in self.versions:
            raise ModelNotFoundError("there is no such model or version", where=f"{model}:{version}")
        return self.versions[model, chosen]

    def _set(self, name: str, version: str, state: str) -> ModelInfo:
        info, session = self._find(name, version)
        info = replace(info, state=state)
        self.versions[info.name, info.version] = (info, session)
        return info


def _spec(tensor: Any) -> TensorSpec:
    dtype = _TYPES.get(tensor.type, tensor.type.removeprefix("tensor(").removesuffix(")"))
    return TensorSpec(tensor.name, dtype, tuple(size if isinstance(size, int) else -1 for size in tensor.shape))
