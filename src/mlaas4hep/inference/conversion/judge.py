"""Verdict on a conversion: ONNX Runtime serves a model if it agrees with the framework, else the framework if safe."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.errors import MLaaS4HEPError
from mlaas4hep.errors.serving import ModelRefusedError
from mlaas4hep.errors.text import first_line
from mlaas4hep.frameworks.foreign import Loader, Native, Source
from mlaas4hep.frameworks.onnx.edit import fixed_batch, free_batch
from mlaas4hep.frameworks.onnx.runtime import OnnxRuntime
from mlaas4hep.frameworks.registry import format_of_kind
from mlaas4hep.frameworks.tensors import Tensors, TensorSpec
from mlaas4hep.inference.conversion.compare import Examples, differences, examples, independent, stacked

__all__ = ["Verdict", "judge"]


@dataclass(frozen=True)
class Verdict:
    """How a model is served; the fields are those of `ServedModel`."""

    runtime: Literal["onnx", "worker"]
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    batched: bool
    difference: float | None
    rows: int
    reason: str = ""


def judge(source: Source, native: Native, loader: Loader, target: Path, *, sandboxed: bool = True) -> Verdict:
    """Convert a model, compare it with its framework, and return how it is served.

    Args:
        source: the upload.
        native: the model as its framework runs it.
        loader: the module of its format.
        target: where ``model.onnx`` goes; removed if it does not agree.
        sandboxed: processes of frameworks are confined by bubblewrap.

    Raises:
        ModelRefusedError: it neither agrees nor may its framework serve it, or it fails on every generated input.
    """
    try:
        expected = examples(native)
    except MemoryError:
        raise
    except Exception as error:  # models raise anything
        if source.kind == "onnx":
            loader.to_onnx(source, native, target)
            batched = native.batched and len(native.inputs) == 1
            reason = f"it could not be compared: it fails on generated inputs ({first_line(error)})"
            return Verdict("onnx", native.inputs, native.outputs, batched, None, 0, reason)
        what = f"the model fails on generated inputs ({first_line(error)})"
        raise ModelRefusedError(what, hint="give the shapes of its inputs in config.pbtxt or params.json") from error
    runtime, reason, difference = _converted(source, native, loader, target, expected)
    if runtime is not None:
        rows = stacked(expected) if runtime.batched and not native.batched else expected
        batched = runtime.batched and independent(runtime.run, rows)
        outputs = _refined(runtime.outputs, native, expected, batched)
        return Verdict("onnx", _merged(runtime.inputs, native.inputs), outputs, batched, difference, expected.rows)
    target.unlink(missing_ok=True)
    worker = format_of_kind(source.kind).worker
    if worker == "never":
        raise ModelRefusedError(f"the model cannot be served as ONNX, and not otherwise: {reason}")
    if worker == "sandboxed" and not sandboxed:
        what = f"the model cannot be served as ONNX ({reason}), and by its framework only in a sandbox"
        raise ModelRefusedError(what, hint="install bubblewrap on the server, or export the model to ONNX")
    batched = native.batched and independent(native.run, expected)
    outputs = _refined(native.outputs, native, expected, batched)
    return Verdict("worker", native.inputs, outputs, batched, None, expected.rows, reason)


def _converted(
    source: Source, native: Native, loader: Loader, target: Path, expected: Examples
) -> tuple[OnnxRuntime | None, str, float]:
    """Return the converted model, or None and why it cannot be used; the largest difference."""
    try:
        loader.to_onnx(source, native, target)
        if not native.batched:
            _free_batch(target, expected)
        runtime = OnnxRuntime(target, source.threads)
        names = [[spec.name for spec in specs] for specs in (runtime.inputs, runtime.outputs)]
        wanted = [[spec.name for spec in specs] for specs in (native.inputs, native.outputs)]
        if sorted(names[0]) != sorted(wanted[0]) or not set(wanted[1]) <= set(names[1]):
            return None, f"the ONNX model has the inputs and outputs {names} instead of {wanted}", 0.0

        def run(inputs: Tensors) -> dict[str, NDArray[Any]]:
            return runtime.run({name: np.asarray(array, order="C") for name, array in inputs.items()})

        difference, wrong = differences(run, expected, spread=native.spread)
    except MemoryError:
        raise
    except MLaaS4HEPError as error:
        return None, f"the ONNX model fails ({error})", 0.0
    except Exception as error:  # converters raise anything
        return None, f"it cannot be converted to ONNX ({type(error).__name__}: {first_line(error)})", 0.0
    if wrong:
        return None, f"the ONNX model does not agree with the original: {wrong}", difference
    return runtime, "", difference


def _free_batch(target: Path, expected: Examples) -> None:
    """Let a model that was made for a batch of one size take any, where that changes nothing.

    Every row alone, and the rows of many batches in one, must give what they gave in their batch.
    """
    import onnx

    model = onnx.load(target)
    size = fixed_batch(model)
    if size is None:
        return
    together = stacked(expected)
    for reshapes in (False, True):
        freed = free_batch(model, size, reshapes=reshapes)
        try:
            run = OnnxRuntime(freed.SerializeToString()).run
            right = not differences(run, expected)[1] and not differences(run, together)[1]
            right = right and independent(run, together)
        except Exception:  # the graph itself says how many rows there are
            continue
        if right:
            onnx.save(freed, target)
            return


def _merged(specs: tuple[TensorSpec, ...], known: tuple[TensorSpec, ...]) -> tuple[TensorSpec, ...]:
    """Return specs with the sizes and names that the framework knows and the ONNX file does not."""
    others = {spec.name: spec for spec in known}
    merged = []
    for spec in specs:
        other = others.get(spec.name, spec)
        shape = spec.shape
        if len(other.shape) == len(shape):
            shape = tuple(b if a == -1 and i else a for i, (a, b) in enumerate(zip(shape, other.shape, strict=True)))
        merged.append(TensorSpec(spec.name, spec.dtype, shape, spec.columns or other.columns))
    return tuple(merged)


def _refined(
    specs: tuple[TensorSpec, ...], native: Native, expected: Examples, batched: bool
) -> tuple[TensorSpec, ...]:
    """Return output specs, with sizes as they were seen where no input's size beside the batch can vary."""
    seen = {name: np.asarray(array) for name, array in expected.outputs[0].items()}
    merged = tuple(
        TensorSpec(spec.name, spec.dtype, (-1,) * seen[spec.name].ndim)
        if spec.name in seen and seen[spec.name].ndim != len(spec.shape)
        else spec
        for spec in _merged(specs, native.outputs)
    )
    if not batched or any(-1 in spec.shape[1:] for spec in native.inputs):
        return merged
    return tuple(
        TensorSpec(spec.name, spec.dtype, (-1, *seen[spec.name].shape[1:]), spec.columns) if spec.name in seen else spec
        for spec in merged
    )
