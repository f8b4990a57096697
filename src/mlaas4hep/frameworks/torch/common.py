"""What TorchScript and torch.export share: calling a module on tensors by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlaas4hep.frameworks.tensors import Tensors, TensorSpec, spec_of_tensor

__all__ = ["flat", "output_specs", "runner"]


def flat(result: Any) -> Iterator[tuple[str, Any]]:
    """Return tensors of a result (a tensor, or nested tuples, lists and dicts), with the key where there is one."""
    if isinstance(result, Mapping):
        for key, value in result.items():
            for name, tensor in flat(value):
                yield name or str(key), tensor
    elif isinstance(result, list | tuple):
        for value in result:
            yield from flat(value)
    elif hasattr(result, "detach"):
        yield "", result


def output_specs(
    tensors: Sequence[tuple[str, Any]], known: Sequence[TensorSpec], batched: bool
) -> tuple[TensorSpec, ...]:
    """Return specs of a result: named as `known` says, by keys, or by numbers."""
    specs = []
    for number, (key, tensor) in enumerate(tensors):
        given = known[number] if number < len(known) else None
        found = spec_of_tensor(key or (f"output_{number}" if len(tensors) > 1 else "output"), tensor)
        shape = tuple(-1 if batched or not axis else size for axis, size in enumerate(found.shape))
        if given is not None and len(given.shape) == len(shape):
            shape = given.shape
        specs.append(TensorSpec(given.name if given else found.name, found.dtype, shape))
    return tuple(specs)


def runner(
    call: Callable[[list[Any]], Any], inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]
) -> Callable[[Tensors], dict[str, NDArray[Any]]]:
    """Return a function of arrays by name from a function of torch's tensors by position."""

    def run(arrays: Tensors) -> dict[str, NDArray[Any]]:
        import torch

        tensors = [torch.from_numpy(np.array(arrays[spec.name], dtype=spec.dtype, order="C")) for spec in inputs]
        with torch.inference_mode():
            try:
                found = [tensor.detach().cpu().numpy() for _, tensor in flat(call(tensors))]
            except (RuntimeError, torch.jit.Error) as error:  # the interpreter's trace comes first, the reason last
                lines = [line for line in str(error).splitlines() if line.strip()]
                raise RuntimeError(lines[-1] if lines else "no reason given") from error
        return {spec.name: np.asarray(array) for spec, array in zip(outputs, found, strict=True)}

    return run
