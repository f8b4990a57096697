"""Counters and histograms, cheap to count and added up over the server processes when they are read."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable
from typing import Any, TypeAlias

__all__ = ["BUCKETS", "OTHER", "Family", "Histogram", "Metrics", "added", "exposition"]

Labels: TypeAlias = tuple[tuple[str, str], ...]
BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
OTHER = "other"
"""The label of paths that are not in the table of routes, whatever they are."""
SIZES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 4096.0, 16384.0, 65536.0)


class Histogram:
    """Counts how many values lay in which range, and their sum.

    Args:
        bounds: upper ends of the ranges, rising; one more range is open.
    """

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: tuple[float, ...] = BUCKETS) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def add(self, value: float, times: int = 1) -> None:
        """Count a value."""
        self.counts[bisect_left(self.bounds, value)] += times
        self.sum += value * times

    def __add__(self, other: Histogram) -> Histogram:
        both = Histogram(self.bounds)
        both.counts = [mine + others for mine, others in zip(self.counts, other.counts, strict=True)]
        both.sum = self.sum + other.sum
        return both

    @property
    def count(self) -> int:
        """Return the number of values."""
        return sum(self.counts)


class Family:
    """Values of one name, told apart by labels.

    Args:
        name: without the endings of counters and histograms.
        kind: counter, gauge, histogram.
        text: what it counts, with its unit.
    """

    def __init__(self, name: str, kind: str, text: str) -> None:
        self.name, self.kind, self.text = name, kind, text
        self.values: dict[Labels, float | Histogram] = {}

    def set(self, value: float | Histogram, **labels: str) -> None:
        """Set the value of these labels."""
        self.values[tuple(labels.items())] = value

    def dump(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        values = [
            [labels, [value.bounds, value.counts, value.sum] if isinstance(value, Histogram) else value]
            for labels, value in self.values.items()
        ]
        return {"name": self.name, "kind": self.kind, "text": self.text, "values": values}

    @classmethod
    def load(cls, data: dict[str, Any]) -> Family:
        """Return the family that `dump` was called of."""
        family = cls(data["name"], data["kind"], data["text"])
        for labels, value in data["values"]:
            known = tuple((str(name), str(text)) for name, text in labels)
            if isinstance(value, list):
                histogram = Histogram(tuple(value[0]))
                histogram.counts, histogram.sum = list(value[1]), value[2]
                family.values[known] = histogram
            else:
                family.values[known] = value
        return family


class Metrics:
    """Counts what one process does on its hot paths.

    Attributes:
        in_flight: HTTP requests under way.
    """

    def __init__(self) -> None:
        self.in_flight = 0
        self._requests: dict[tuple[str, str, str, str], Histogram] = {}
        self._models: dict[tuple[str, str], Histogram] = {}
        self._failures: dict[tuple[str, str, str], int] = {}

    def request(self, protocol: str, method: str, route: str, status: str, seconds: float) -> None:
        """Count a request that was answered; `route` must be one of few."""
        key = (protocol, method, route, status)
        found = self._requests.get(key)
        if found is None:
            found = self._requests[key] = Histogram()
        found.add(seconds)

    def by_method(self) -> dict[str, int]:
        """Return the number of HTTP requests answered, by method."""
        found = dict.fromkeys(("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"), 0)
        for (protocol, method, _, _), times in self._requests.items():
            if protocol == "http" and method in found:
                found[method] += times.count
        return found

    def predicted(self, model: str, version: str, seconds: float) -> None:
        """Count a prediction; `seconds` include its waiting."""
        found = self._models.get((model, version))
        if found is None:
            found = self._models[model, version] = Histogram()
        found.add(seconds)

    def failed(self, model: str, version: str, error: str) -> None:
        """Count a prediction that ended with an error of this class; model and version must exist, or be ""."""
        self._failures[model, version, error] = self._failures.get((model, version, error), 0) + 1

    def families(self) -> list[Family]:
        """Return what was counted."""
        total = Family("mlaas4hep_requests", "counter", "Requests answered.")
        seconds = Family(
            "mlaas4hep_request_seconds", "histogram", "Seconds from a request's head to the end of its answer."
        )
        sums: dict[tuple[str, str], Histogram] = {}
        for (protocol, method, route, status), found in self._requests.items():
            total.set(found.count, protocol=protocol, method=method, route=route, status=status)
            sums[protocol, route] = sums.get((protocol, route), Histogram()) + found
        for (protocol, route), found in sums.items():
            seconds.set(found, protocol=protocol, route=route)
        latency = Family("mlaas4hep_prediction_seconds", "histogram", "Seconds of a prediction, waiting included.")
        for (model, version), found in self._models.items():
            latency.set(found, model=model, version=version)
        failures = Family("mlaas4hep_prediction_failures", "counter", "Predictions that ended with an error.")
        for (model, version, error), count in self._failures.items():
            failures.set(count, model=model, version=version, error=error)
        return [total, seconds, latency, failures]


def added(groups: Iterable[Iterable[Family]]) -> list[Family]:
    """Return the families of several processes as one: counters and histograms are added, of gauges the last counts."""
    result: dict[str, Family] = {}
    for families in groups:
        for family in families:
            whole = result.setdefault(family.name, Family(family.name, family.kind, family.text))
            for labels, value in family.values.items():
                known: Any = whole.values.get(labels)
                whole.values[labels] = value if known is None or family.kind == "gauge" else known + value
    return list(result.values())


def exposition(families: Iterable[Family]) -> bytes:
    """Return them in the text format of Prometheus, version 0.0.4."""
    lines: list[str] = []
    for family in families:
        name = f"{family.name}_total" if family.kind == "counter" else family.name
        lines += [f"# HELP {name} {family.text}", f"# TYPE {name} {family.kind}"]
        for labels, value in family.values.items():
            if isinstance(value, Histogram):
                seen = 0
                for bound, count in zip((*value.bounds, math.inf), value.counts, strict=True):
                    seen += count
                    end = "+Inf" if math.isinf(bound) else repr(float(bound))
                    lines.append(f"{name}_bucket{_braces((*labels, ('le', end)))} {seen}")
                lines.append(f"{name}_sum{_braces(labels)} {value.sum!r}")
                lines.append(f"{name}_count{_braces(labels)} {seen}")
            else:
                lines.append(f"{name}{_braces(labels)} {value!r}")
    return ("\n".join(lines) + "\n").encode()


def _braces(labels: Labels) -> str:
    if not labels:
        return ""
    inner = ",".join(
        '{}="{}"'.format(name, value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n"))
        for name, value in labels
    )
    return f"{{{inner}}}"
