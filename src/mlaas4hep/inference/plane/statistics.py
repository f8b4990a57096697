"""Counts and times of one version, as Triton's ModelStatistics has them."""

from __future__ import annotations

import time
from typing import Any

__all__ = ["VersionStatistics"]

MAX_SIZES = 256


class _Duration:
    """How often, and how long in all."""

    __slots__ = ("count", "ns")

    def __init__(self) -> None:
        self.count = 0
        self.ns = 0

    def add(self, ns: int) -> None:
        self.count += 1
        self.ns += ns

    def to_dict(self) -> dict[str, int]:
        return {"count": self.count, "ns": self.ns}


class VersionStatistics:
    """Statistics of one version since the server started; survive unloading and reloading.

    Attributes:
        inferences: rows predicted (a model without a batch axis: runs).
        executions: runs of the model.
        last: time of the last request, milliseconds since 1970.
    """

    def __init__(self) -> None:
        self.inferences = 0
        self.executions = 0
        self.last = 0
        self._success, self._fail, self._queue = _Duration(), _Duration(), _Duration()
        self._input, self._infer, self._output = _Duration(), _Duration(), _Duration()
        self._sizes: dict[int, tuple[_Duration, _Duration, _Duration]] = {}

    def succeeded(self, rows: int, total: int, before: int, queue: int, infer: int) -> None:
        """A request was answered.

        Args:
            rows: of the request.
            total: nanoseconds in all.
            before: of these, until the tensors were ready.
            queue: of these, waiting.
            infer: of these, in the model.
        """
        self.inferences += rows
        self.last = time.time_ns() // 1_000_000
        self._success.add(total)
        self._queue.add(queue)
        self._input.add(before)
        self._infer.add(infer)
        self._output.add(max(0, total - before - queue - infer))

    def failed(self, total: int) -> None:
        """A request failed after so many nanoseconds."""
        self._fail.add(total)

    def executed(self, rows: int, infer: int, before: int = 0) -> None:
        """The model was run once, on so many rows of one or several requests."""
        self.executions += 1
        size = self._sizes.get(rows)
        if size is None:
            if len(self._sizes) >= MAX_SIZES:  # any size counts towards the next power of two once there are many
                rows = 1 << max(0, rows - 1).bit_length()
            size = self._sizes.setdefault(rows, (_Duration(), _Duration(), _Duration()))
        size[0].add(before)
        size[1].add(infer)
        size[2].add(0)

    def to_dict(self) -> dict[str, Any]:
        """As Triton has them in JSON, times in nanoseconds."""
        return {
            "last_inference": self.last,
            "inference_count": self.inferences,
            "execution_count": self.executions,
            "inference_stats": {
                "success": self._success.to_dict(),
                "fail": self._fail.to_dict(),
                "queue": self._queue.to_dict(),
                "compute_input": self._input.to_dict(),
                "compute_infer": self._infer.to_dict(),
                "compute_output": self._output.to_dict(),
                "cache_hit": {"count": 0, "ns": 0},
                "cache_miss": {"count": 0, "ns": 0},
            },
            "batch_stats": [
                {
                    "batch_size": rows,
                    "compute_input": size[0].to_dict(),
                    "compute_infer": size[1].to_dict(),
                    "compute_output": size[2].to_dict(),
                }
                for rows, size in sorted(self._sizes.items())
            ],
        }
