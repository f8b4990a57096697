"""The memory that ONNX models of this process compute in: one arena, with a limit, given back when nobody needs it.

ONNX Runtime's arena keeps what it once had: what a first model took is missing to a second, and is not given back when
a model goes. So the arena is made to let go of what is free: when a run finds no room (`give_back`, then it is tried
again), when a model is closed, and some seconds after the last long run.
"""

from __future__ import annotations

import threading
import time
from typing import Any, Final

__all__ = ["give_back", "limit_memory", "ran"]

LONG: Final = 0.02
"""Seconds; a shorter run cannot have filled much memory."""
IDLE: Final = 5.0
"""Seconds without a long run after which memory is given back: until then the next run has it at once."""

_lock = threading.Lock()
_registered = False
_session: Any = None


def limit_memory(limit: int) -> None:
    """Let all sessions that ask for it (``session.use_env_allocators``) share one arena of at most `limit` bytes.

    The first call of the process counts. A model that wants more fails; the process lives on.
    """
    global _registered  # noqa: PLW0603 - the arena belongs to the process
    import onnxruntime as ort

    with _lock:
        if _registered:
            return
        where = ort.OrtMemoryInfo("Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT)
        arena = ort.OrtArenaCfg({"max_mem": limit, "arena_extend_strategy": 1})
        ort.create_and_register_allocator(where, arena)
        _registered = True


def give_back() -> None:
    """Return what is free in the arena to the system. Takes as long as that takes: tens of milliseconds a GiB."""
    import onnxruntime as ort

    global _session  # noqa: PLW0603
    with _lock:
        if not _registered:
            return
        if _session is None:
            options = ort.SessionOptions()
            options.log_severity_level = 4
            options.intra_op_num_threads = options.inter_op_num_threads = 1
            options.add_session_config_entry("session.use_env_allocators", "1")
            _session = ort.InferenceSession(_nothing(), options, providers=["CPUExecutionProvider"])
    shrinking = ort.RunOptions()
    shrinking.log_severity_level = 4
    shrinking.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    _session.run(None, {}, shrinking)


def ran(seconds: float) -> None:
    """Note that a run took so long: after a long one the arena is emptied once there is peace."""
    if seconds >= LONG and _registered:
        _peace.disturbed()


class _Peace:
    """Waits for some seconds without a long run."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0.0
        self._waits = False

    def disturbed(self) -> None:
        """Note that a long run has ended."""
        with self._lock:
            self._last = time.monotonic()
            if self._waits:
                return
            self._waits = True
        threading.Thread(target=self._wait, name="mlaas4hep-memory", daemon=True).start()

    def _wait(self) -> None:
        while True:
            with self._lock:
                left = self._last + IDLE - time.monotonic()
                if left <= 0:
                    self._waits = False  # the next long run starts a thread of its own
                    break
            time.sleep(left)
        give_back()


_peace = _Peace()


def _nothing() -> bytes:
    """A model whose run takes no memory at all: its output has no elements."""
    from onnx import TensorProto, helper

    empty = helper.make_tensor("value", TensorProto.FLOAT, [0], [])
    graph = helper.make_graph(
        [helper.make_node("Constant", [], ["nothing"], value=empty)],
        "nothing",
        [],
        [helper.make_tensor_value_info("nothing", TensorProto.FLOAT, [0])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    content: bytes = model.SerializeToString()
    return content
