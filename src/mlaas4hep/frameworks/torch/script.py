"""TorchScript models: their code is interpreted by torch, not by Python."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from mlaas4hep.errors.serving import ModelRefusedError
from mlaas4hep.frameworks.foreign import SIZES_TRIED, Native, Source
from mlaas4hep.frameworks.onnx.names import OPSET
from mlaas4hep.frameworks.tensors import TensorSpec, first_axis_free
from mlaas4hep.frameworks.torch.common import flat, output_specs, runner

__all__ = ["load", "to_onnx"]

FORBIDDEN: Final = re.compile(
    rb"\b(from_file(?=\()|torch\.save|ops\.(?!(?:aten|prims?|quantized|prepacked|mkldnn|sparse|torchvision)\.)\w+\.\w+(?=\())"
)
"""Calls of torch's operators on files, and of operators that are not torch's own; attributes may have such names."""
ROWS: Final = 4


def load(source: Source) -> Native:
    """Load; shapes from config.pbtxt or params.json, else those of the first layer of weights are tried.

    Raises:
        ModelRefusedError: the shapes cannot be found, or the code reaches for files.
    """
    _check_code(source.path)
    import torch

    torch.set_num_threads(source.threads)
    module: Any = torch.jit.load(str(source.path), map_location="cpu").eval()  # type: ignore[no-untyped-call]
    names = [argument.name for argument in module.forward.schema.arguments[1:] if not argument.has_default_value()]
    failure = ""
    for inputs in [_ordered(source.inputs, names)] if source.inputs else _guesses(module, names):
        for inner in SIZES_TRIED:
            tensors = [_example(spec, inner) for spec in inputs]
            try:
                with torch.inference_mode():
                    result = list(flat(module(*tensors)))
            except (RuntimeError, torch.jit.Error) as error:
                failure = failure or str(error).strip().splitlines()[-1]
                if any(-1 in spec.shape[1:] for spec in inputs):
                    continue
                break
            outputs = output_specs(result, source.outputs, any(-1 in spec.shape[1:] for spec in inputs))
            batched = first_axis_free((*inputs, *outputs))
            run = runner(lambda values: module(*values), inputs, outputs)
            return Native("pytorch_libtorch", inputs, outputs, run, batched, model=(module, tensors))
    what = f"the TorchScript model takes no inputs of the shapes that were {'given' if source.inputs else 'guessed'}"
    what += f" ({failure[:200]})" if failure else ""
    raise ModelRefusedError(what, hint="give the shapes of its inputs in config.pbtxt or as inputs in params.json")


def to_onnx(source: Source, native: Native, target: Path) -> None:  # noqa: ARG001
    """Convert by torch's exporter for TorchScript."""
    import torch

    module, tensors = native.model
    axes = {
        spec.name: {axis: f"{spec.name}_{axis}" if axis else "N" for axis, size in enumerate(spec.shape) if size == -1}
        for spec in (*native.inputs, *native.outputs)
    }
    torch.onnx.export(
        module,
        tuple(tensors),
        str(target),
        dynamo=False,
        input_names=[spec.name for spec in native.inputs],
        output_names=[spec.name for spec in native.outputs],
        dynamic_axes=axes,
        opset_version=OPSET,
    )


def _check_code(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if "/code/" in member.filename and member.filename.endswith(".py"):
                found = FORBIDDEN.search(archive.read(member))
                if found:
                    what = f"the TorchScript code calls {found.group().decode()}, which accesses files or other code"
                    raise ModelRefusedError(what)


def _ordered(specs: Sequence[TensorSpec], names: list[str]) -> tuple[TensorSpec, ...]:
    """By the names of the arguments of `forward` if all are there, else in the order given."""
    by_name = {spec.name: spec for spec in specs}
    return tuple(by_name[name] for name in names) if set(by_name) == set(names) else tuple(specs)


def _guesses(module: Any, names: list[str]) -> Iterator[tuple[TensorSpec, ...]]:
    """For a module of one argument: rows as wide as the first matrix of weights; images as deep as the first kernel."""
    if len(names) != 1:
        return
    for parameter in module.parameters():
        if parameter.ndim == 2:
            yield (TensorSpec(names[0], "float32", (-1, int(parameter.shape[1]))),)
        elif parameter.ndim > 2:
            inner = (-1,) * (parameter.ndim - 2)
            yield (TensorSpec(names[0], "float32", (-1, int(parameter.shape[1]), *inner)),)


def _example(spec: TensorSpec, inner: int) -> Any:
    import torch

    shape = [size if size != -1 else inner if axis else ROWS for axis, size in enumerate(spec.shape)]
    dtype = getattr(torch, spec.dtype, torch.float32)
    return torch.rand(shape).to(dtype)
