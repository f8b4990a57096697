"""Models written by ``torch.export.save`` (``.pt2``)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from mlaas4hep.inference.foreign.base import Native, Source
from mlaas4hep.inference.foreign.compare import INNER
from mlaas4hep.inference.foreign.onnx_names import OPSET, rename
from mlaas4hep.inference.foreign.tensorflow_common import first_axis_free
from mlaas4hep.inference.foreign.torch_common import flat, output_specs, runner
from mlaas4hep.inference.foreign.torch_export_vet import vet
from mlaas4hep.inference.runtimes.base import TensorSpec

__all__ = ["FRAMEWORK", "WORKER", "load", "to_onnx"]

FRAMEWORK: Final = "torch.export"
WORKER: Final = False


def load(source: Source) -> Native:
    """Load; names and shapes are in the file.

    Raises:
        ModelRefusedError: it holds something that could run code when it is loaded.
    """
    vet(source.path)
    import torch

    torch.set_num_threads(source.threads)
    program = torch.export.load(str(source.path))
    module = program.module()
    wanted = list(program.graph_signature.user_inputs)
    values = {node.name: node.meta["val"] for node in program.graph.nodes if node.op == "placeholder"}
    inputs = tuple(_spec(str(name), values[name]) for name in wanted)
    tensors = [torch.rand(_sizes(spec)).to(values[spec.name].dtype) for spec in inputs]
    with torch.inference_mode():
        result = list(flat(module(*tensors)))
    outputs = output_specs(result, source.outputs, any(-1 in spec.shape[1:] for spec in inputs))
    if not first_axis_free(inputs):
        outputs = tuple(TensorSpec(s.name, s.dtype, tuple(t.shape)) for s, (_, t) in zip(outputs, result, strict=True))
    batched = first_axis_free((*inputs, *outputs))
    run = runner(lambda given: module(*given), inputs, outputs)
    return Native("pytorch_libtorch", inputs, outputs, run, batched, model=program)


def to_onnx(source: Source, native: Native, target: Path) -> None:  # noqa: ARG001
    """Convert by torch's exporter."""
    import torch

    program: Any = torch.onnx.export(native.model, (), dynamo=True, opset_version=OPSET, verbose=False)
    import onnx

    model = program.model_proto
    rename(model, [spec.name for spec in native.inputs], [spec.name for spec in native.outputs])
    onnx.save(model, target)


def _spec(name: str, value: Any) -> TensorSpec:
    shape = tuple(size if isinstance(size, int) else -1 for size in value.shape)
    return TensorSpec(name, str(value.dtype).removeprefix("torch."), shape)


def _sizes(spec: TensorSpec) -> list[int]:
    return [size if size != -1 else INNER[0] if axis else 4 for axis, size in enumerate(spec.shape)]
