"""Models written by ``torch.export.save`` (``.pt2``)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from mlaas4hep.frameworks.foreign import Native, Source
from mlaas4hep.frameworks.onnx.names import OPSET, rename
from mlaas4hep.frameworks.tensors import TensorSpec, first_axis_free, spec_of_tensor
from mlaas4hep.frameworks.torch.common import flat, output_specs, runner
from mlaas4hep.frameworks.torch.exported_vetting import vet

__all__ = ["load", "to_onnx"]

SIZE: Final = 8
"""Size tried first along an axis of any size."""


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
    values = {node.name: node.meta.get("val") for node in program.graph.nodes if node.op == "placeholder"}
    slots = [_Slot(argument, values) for argument in _arguments(program)]
    inputs = tuple(spec_of_tensor(slot.name, slot.tensor) for slot in slots if slot.tensor is not None)
    symbols = {slot.name: slot.symbols for slot in slots if slot.tensor is not None}

    def call(given: list[Any]) -> Any:
        tensors = iter(given)
        flat_arguments = [slot.constant if slot.tensor is None else next(tensors) for slot in slots]
        arguments, named = program.call_spec.in_spec.unflatten(flat_arguments)
        return module(*arguments, **named)

    shapes = {slot.name: _shape(slot.tensor, program.range_constraints) for slot in slots if slot.tensor is not None}
    first = [torch.rand(shapes[slot.name]).to(slot.tensor.dtype) for slot in slots if slot.tensor is not None]
    with torch.inference_mode():
        result = list(flat(call(first)))
    outputs = output_specs(result, source.outputs, any(-1 in spec.shape[1:] for spec in inputs))
    if not first_axis_free(inputs):
        outputs = tuple(TensorSpec(s.name, s.dtype, tuple(t.shape)) for s, (_, t) in zip(outputs, result, strict=True))
    batched = first_axis_free((*inputs, *outputs))
    run = runner(call, inputs, outputs)
    return Native("pytorch_libtorch", inputs, outputs, run, batched, model=program, symbols=symbols, shapes=shapes)


def to_onnx(source: Source, native: Native, target: Path) -> None:  # noqa: ARG001
    """Convert by torch's exporter."""
    import torch

    program: Any = torch.onnx.export(native.model, (), dynamo=True, opset_version=OPSET, verbose=False)
    import onnx

    model = program.model_proto
    rename(model, [spec.name for spec in native.inputs], [spec.name for spec in native.outputs])
    onnx.save(model, target)


class _Slot:
    """An argument of the program: a tensor, or a value that was fixed when the model was exported."""

    def __init__(self, argument: Any, values: dict[str, Any]) -> None:
        value = values.get(getattr(argument, "name", ""))
        self.tensor = value if hasattr(value, "shape") else None
        self.name = str(getattr(argument, "name", ""))
        self.constant = getattr(argument, "value", None)
        shape = () if self.tensor is None else self.tensor.shape
        self.symbols = tuple("" if isinstance(size, int) else str(size) for size in shape)


def _arguments(program: Any) -> list[Any]:
    """The user's inputs in order."""
    return [spec.arg for spec in program.graph_signature.input_specs if spec.kind.name == "USER_INPUT"]


def _shape(tensor: Any, ranges: Any) -> tuple[int, ...]:
    """The sizes with which the model was exported, where they were kept, else some that it says it takes."""
    chosen = {}
    for symbol, allowed in ranges.items():  # of sympy, an upper end may be its infinity
        least = int(allowed.lower) if allowed.lower >= 0 else 0
        chosen[symbol] = max(least, SIZE) if allowed.upper >= max(least, SIZE) else int(allowed.upper)
    return tuple(
        size if isinstance(size, int) else int(size.node.hint or size.node.expr.subs(chosen)) for size in tensor.shape
    )
