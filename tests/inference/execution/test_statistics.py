"""Statistics in Triton's form."""

from __future__ import annotations

from mlaas4hep.inference.execution.statistics import MAX_SIZES, VersionStatistics


def test_nothing_yet() -> None:
    found = VersionStatistics().to_dict()
    assert found["inference_count"] == found["execution_count"] == found["last_inference"] == 0
    assert found["inference_stats"]["success"] == {"count": 0, "ns": 0}
    assert found["batch_stats"] == []


def test_sums() -> None:
    statistics = VersionStatistics()
    statistics.executed(5, 60, 7)
    statistics.executed(5, 40)
    statistics.executed(1, 10)
    statistics.succeeded(rows=3, total=100, before=10, queue=20, infer=60)
    statistics.succeeded(rows=2, total=50, before=5, queue=0, infer=40)
    statistics.failed(9)
    found = statistics.to_dict()
    assert found["inference_count"] == 5
    assert found["execution_count"] == 3
    assert found["last_inference"] > 1.7e12
    stats = found["inference_stats"]
    assert stats["success"] == {"count": 2, "ns": 150}
    assert stats["fail"] == {"count": 1, "ns": 9}
    assert stats["queue"] == {"count": 2, "ns": 20}
    assert stats["compute_input"] == {"count": 2, "ns": 15}
    assert stats["compute_infer"] == {"count": 2, "ns": 100}
    assert stats["compute_output"] == {"count": 2, "ns": 15}
    sizes = {entry["batch_size"]: entry for entry in found["batch_stats"]}
    assert list(sizes) == [1, 5]
    assert sizes[5]["compute_infer"] == {"count": 2, "ns": 100}
    assert sizes[5]["compute_input"] == {"count": 2, "ns": 7}


def test_sizes_do_not_grow_without_end() -> None:
    statistics = VersionStatistics()
    for size in range(1, 10_000):
        statistics.executed(size, 1)
    found = statistics.to_dict()
    assert len(found["batch_stats"]) <= MAX_SIZES + 16
    assert sum(entry["compute_infer"]["count"] for entry in found["batch_stats"]) == 9_999
