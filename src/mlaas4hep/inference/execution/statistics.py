"""Counts and times of one version, as Triton's ModelStatistics has them."""

from __future__ import annotations

import time
from typing import Any

__all__ = ["VersionStatistics"]

MAX_SIZES = 256


class VersionStatistics:
    """Counts requests and runs of one version since the server started, also over unloading and reloading.

    Attributes:
        inferences: rows predicted (a model without a batch axis: runs).
        executions: runs of the model.
        last: time of the last request, milliseconds since 1970.
    """

    def __init__(self) -> None:
        self.inferences = 0
        self.executions = 0
        self.last = 0
        self._answered = self._total = self._queue = self._input = self._infer = self._output = 0
        self._failed = self._lost = 0
        self._sizes: dict[int, list[int]] = {}

    def succeeded(self, rows: int, total: int, before: int, queue: int, infer: int) -> None:
        """Count a request that was answered.

        Args:
            rows: of the request.
            total: nanoseconds in all.
            before: of these, until the tensors were ready.
            queue: of these, waiting.
            infer: of these, in the model.
        """
        self.inferences += rows
        self.last = time.time_ns() // 1_000_000
        self._answered += 1
        self._total += total
        self._queue += queue
        self._input += before
        self._infer += infer
        output = total - before - queue - infer
        if output > 0:
            self._output += output

    def failed(self, total: int) -> None:
        """Count a request that failed after `total` nanoseconds."""
        self._failed += 1
        self._lost += total

    def executed(self, rows: int, infer: int, before: int = 0) -> None:
        """Count a run of the model on the rows of one or several requests."""
        self.executions += 1
        size = self._sizes.get(rows)
        if size is None:
            if len(self._sizes) >= MAX_SIZES:  # any size counts towards the next power of two once there are many
                rows = 1 << max(0, rows - 1).bit_length()
            size = self._sizes.setdefault(rows, [0, 0, 0])
        size[0] += 1
        size[1] += before
        size[2] += infer

    def to_dict(self) -> dict[str, Any]:
        """Return them as Triton has them in JSON, times in nanoseconds."""
        return {
            "last_inference": self.last,
            "inference_count": self.inferences,
            "execution_count": self.executions,
            "inference_stats": {
                "success": _duration(self._answered, self._total),
                "fail": _duration(self._failed, self._lost),
                "queue": _duration(self._answered, self._queue),
                "compute_input": _duration(self._answered, self._input),
                "compute_infer": _duration(self._answered, self._infer),
                "compute_output": _duration(self._answered, self._output),
                "cache_hit": _duration(0, 0),
                "cache_miss": _duration(0, 0),
            },
            "batch_stats": [
                {
                    "batch_size": rows,
                    "compute_input": _duration(count, before),
                    "compute_infer": _duration(count, infer),
                    "compute_output": _duration(count, 0),
                }
                for rows, (count, before, infer) in sorted(self._sizes.items())
            ],
        }


def _duration(count: int, ns: int) -> dict[str, int]:
    return {"count": count, "ns": ns}
