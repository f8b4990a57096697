"""A bundle is the same again, byte by byte: without a cache, with one, interrupted and resumed."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from mlaas4hep.cli.console import Terminal
from mlaas4hep.streaming import ranges as scanning
from mlaas4hep.streaming.monitor import Collector
from mlaas4hep.training.workflow import run_training
from tests.support.trained import Interrupting, Small, streamed


def contents(bundle: Path) -> dict[str, bytes]:
    return {str(path.relative_to(bundle)): path.read_bytes() for path in bundle.rglob("*") if path.is_file()}


def test_bundle_follows_from_files_configuration_and_seed_alone(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scanning, "target_events", lambda _files: 40)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    plain = streamed(small, tmp_path)
    run_training(plain, tmp_path / "plain", Collector())
    expected = contents(tmp_path / "plain")
    cached = streamed(small, tmp_path, cache=tmp_path / "cache", cache_limit=10**9)
    for turn in ("written", "read", "damaged"):
        if turn == "damaged":
            for path in (tmp_path / "cache").glob("*.*"):
                path.write_bytes(b"?" * 100)
        monitor = Collector()
        run_training(cached, tmp_path / turn, monitor)
        assert contents(tmp_path / turn) == expected
        assert any("is damaged" in text or "cannot be read" in text for text in monitor.warnings) == (turn == "damaged")
    with pytest.raises(KeyboardInterrupt):
        run_training(plain, tmp_path / "resumed", Interrupting(1))
    run_training(plain, tmp_path / "resumed", Terminal(quiet=True), resume=True)
    assert contents(tmp_path / "resumed") == expected
    run_training(plain, tmp_path / "resumed", Terminal(io.StringIO()), split_out=tmp_path / "split.parquet")
    assert contents(tmp_path / "resumed") == expected
