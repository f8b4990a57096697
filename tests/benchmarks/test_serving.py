"""The benchmark of serving: its page says what was measured, and nothing of what was not."""

from __future__ import annotations

from benchmarks.serving import report
from benchmarks.serving.bodies import Body, json_keys
from benchmarks.serving.cases import Case, cases
from benchmarks.serving.load import Measured
from benchmarks.serving.servers import BEFORE, OURS


def runs(*rates: tuple[str, str, int]) -> report.Runs:
    """Two rounds; the second at half the speed for all, as on a busy machine."""
    return {
        (key, name): [Measured(rate, slower, 0, 1.0, 2.0, 0.5) for slower in (1.0, 2.0)] for key, name, rate in rates
    }


def test_cases_go_to_servers_that_can_answer() -> None:
    asked = {case.key: case for case in cases()}
    for name in (OURS, BEFORE):
        assert all(case.asks(name) for case in asked.values())
    for name in ("Triton", "Triton, 2 instances", f"{OURS}, 2 processes", f"{BEFORE}, 2 processes"):
        assert asked["grpc"].asks(name)
        assert not asked["events"].asks(name)
    assert not asked["batch"].asks("MLServer")


def test_ratios_are_taken_within_a_round_and_between_equals() -> None:
    two = f"{OURS}, 2 processes"
    measured = runs(
        ("grpc", OURS, 1000), ("grpc", two, 3000), ("grpc", "Triton", 2000), ("grpc", "Triton, 2 instances", 1500),
        ("grpc", BEFORE, 1000), ("grpc", f"{BEFORE}, 2 processes", 6000),
    )  # fmt: skip
    found = {text: (value, good) for text, value, good in report.targets(measured, None)}
    assert found["single rows, gRPC, Triton's: at least 1.00 times"] == ("0.50 times", False)
    assert found["single rows, gRPC, two processes, Triton's with two instances: at least 1.00 times"] == (
        "2.00 times",
        True,
    )
    assert found[f"grpc, the speed of {BEFORE}: at least 0.95 times"] == ("1.00 times", True)
    assert found[f"grpc, the speed of {BEFORE}, 2 processes: at least 0.95 times"] == ("0.50 times", False)
    assert found["no error of our server"] == ("0", True)
    assert not any("MLServer" in text or "JSON" in text for text in found)


def test_page_names_the_servers_of_the_run() -> None:
    body: Body = json_keys()
    case = Case("keys", "single rows", body, "/json", 64)
    text = report.page([case], runs(("keys", OURS, 1000), ("keys", BEFORE, 500)), None, "--short", 3.0)
    assert "The machine had other work" in text
    assert f"| single rows | 64 | {BEFORE} | 375 | 1.0 | 2.0 | 1 000 | 2.00 |" in text
    assert "Triton" not in text.partition("| target")[0]
