"""Sessions of ONNX Runtime, all made here."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

from mlaas4hep.errors.serving import ModelRefusedError
from mlaas4hep.frameworks.onnx.memory import limit_memory

__all__ = ["NO_ROOM", "open_session", "run_options", "short_message"]

NO_ROOM: Final = "it needs more memory than models are allowed (limits.model_memory)"


def open_session(
    model: Path | bytes, threads: int | None, *, memory: int | None = None, gpu: bool = False, spinning: bool = False
) -> Any:
    """Open a model.

    Args:
        model: the file, or its content.
        threads: threads of one run; None: one a core.
        memory: bytes that all models of the process that were opened so may take to compute; None: no limit.
        gpu: compute on a GPU where ONNX Runtime can.
        spinning: threads wait for the next operator without sleeping: faster, but they take the cores from others.

    Returns:
        An ``onnxruntime.InferenceSession``; it tells of failures by exceptions alone.

    Raises:
        ModelRefusedError: ONNX Runtime cannot load the model.
    """
    import onnxruntime as ort

    ort.set_default_logger_severity(4)  # allocators report by it
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.inter_op_num_threads = 1
    if threads is not None:
        options.intra_op_num_threads = threads
    if not spinning:
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if memory is not None:
        limit_memory(memory)
        options.add_session_config_entry("session.use_env_allocators", "1")
        options.add_session_config_entry("session.use_device_allocator_for_initializers", "1")
    providers = ["CPUExecutionProvider"]
    if gpu and "CUDAExecutionProvider" in ort.get_available_providers():
        providers.insert(0, "CUDAExecutionProvider")
    try:
        return ort.InferenceSession(_source(model), options, providers=providers)
    except Exception as error:  # the bindings raise classes of their own, without a common base
        what = f"ONNX Runtime cannot load the model ({short_message(error, model)})"
        raise ModelRefusedError(what) from error


def run_options() -> Any:
    """Return new options of a run, whose failures are reported by exceptions alone."""
    import onnxruntime as ort

    options = ort.RunOptions()
    options.log_severity_level = 4
    return options


def short_message(error: Exception, model: Path | bytes = b"") -> str:
    """Return the message of ONNX Runtime in one line, without its codes and the path of the file."""
    text = " ".join(str(error).split())
    if isinstance(model, Path):
        text = text.replace(str(model), model.name)
    if "bfc_arena" in text or "bad_alloc" in text:
        return NO_ROOM
    text = re.sub(r"^\[ONNXRuntimeError\] : \d+ : [A-Z_]+ : ", "", text)
    text = re.sub(r"/onnxruntime_src/\S+ ", "", text)
    text = re.sub(r"(\w+ )?onnxruntime::[\w:~]+\(.*?\) (const )?(?=[A-Z])", "", text)  # the function that says so
    return text[:300]


def _source(model: Path | bytes) -> str | bytes:
    """The path, or the content where the path is not text, which ONNX Runtime does not take."""
    if isinstance(model, bytes):
        return model
    try:
        str(model).encode()
    except UnicodeEncodeError:
        return model.read_bytes()
    return str(model)
