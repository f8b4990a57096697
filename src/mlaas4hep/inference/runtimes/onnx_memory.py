"""A limit on the memory that ONNX models of this process may take for what they compute."""

from __future__ import annotations

import threading

__all__ = ["limit_memory"]

_lock = threading.Lock()
_registered = False


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
