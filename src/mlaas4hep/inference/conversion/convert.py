"""Conversion of one model, run in a child process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mlaas4hep.errors.serving import ModelRefusedError
from mlaas4hep.frameworks.foreign import Kind, Source, columns_of
from mlaas4hep.frameworks.loading import load_native, loader_of
from mlaas4hep.frameworks.recognise import recognise
from mlaas4hep.frameworks.registry import format_of_kind
from mlaas4hep.frameworks.tensors import TensorSpec
from mlaas4hep.inference.conversion.hints import find_config, find_labels, find_params, specs_in_params
from mlaas4hep.inference.conversion.judge import judge
from mlaas4hep.inference.repository.served_json import ServedModel, write_served
from mlaas4hep.inference.repository.triton_config import TritonConfig

__all__ = ["convert", "run"]


def run(question: dict[str, Any]) -> dict[str, Any]:
    """Convert, see `convert`, in the child process; return an empty answer."""
    try:
        convert(Path(question["original"]), Path(question["out"]), question["params"], sandboxed=question["sandboxed"])
    except RecursionError as error:
        raise ModelRefusedError("its structure is nested too deeply") from error
    return {}


def convert(original: Path, out: Path, params: dict[str, Any], *, sandboxed: bool = True) -> None:
    """Recognise a model, load, convert and compare it, and write what it is.

    Args:
        original: folder of the upload.
        out: folder for ``model.onnx`` and ``served.json``.
        params: what the client said about the model.
        sandboxed: this process is confined well enough for formats whose loaders could run code.
    """
    kind, path = recognise(original)
    known = format_of_kind(kind)
    if known.confined and not sandboxed:
        what = f"files of {known.maker} are only loaded in a sandbox, because loading them can run code"
        raise ModelRefusedError(what, hint="install bubblewrap on the server, or export to ONNX")
    params = find_params(original, params)
    config = find_config(original)
    source = _source(kind, path, params, config, find_labels(original, params))
    native = load_native(source)
    verdict = judge(source, native, loader_of(kind), out / "model.onnx", sandboxed=sandboxed)
    classes = native.classes or source.labels
    found = {**vars(verdict), "outputs": tuple(_named(spec, classes) for spec in verdict.outputs)}
    served = ServedModel(
        **found,
        platform="onnxruntime_onnx" if verdict.runtime == "onnx" else native.platform,
        framework=known.maker,
        kind=kind,
        original=f"original/{path.relative_to(original)}" if path != original else "original",
        classes=classes,
        labels=source.labels,
        params=params,
        max_batch_size=config.max_batch_size if config and config.says_batch else None,
    )
    write_served(out, served)


def _source(
    kind: Kind, path: Path, params: dict[str, Any], config: TritonConfig | None, labels: tuple[str, ...]
) -> Source:
    """Return what is known before loading: config.pbtxt goes before params.json."""
    if config is not None and (config.inputs or config.outputs):
        batch = True if config.max_batch_size else None
        return Source(kind, path, config.inputs, config.outputs, batch, params, labels)
    inputs, outputs = specs_in_params(params, "input"), specs_in_params(params, "output")
    return Source(kind, path, inputs, outputs, None, params, labels)


def _named(spec: TensorSpec, classes: tuple[str, ...]) -> TensorSpec:
    if spec.columns or not spec.shape:
        return spec
    return TensorSpec(spec.name, spec.dtype, spec.shape, columns_of(classes, spec.shape[-1]))
