"""What does not fit into the memory limit is refused before the training; wide events are read in shorter ranges."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot
from hypothesis import given
from hypothesis import strategies as st

from mlaas4hep.config.workflow import Workflow
from mlaas4hep.errors import MemoryLimitError
from mlaas4hep.streaming.monitor import Collector
from mlaas4hep.streaming.ranges import TARGET_EVENTS, narrowed, target_events
from mlaas4hep.training.events import memory
from mlaas4hep.training.events.memory import size_text
from mlaas4hep.training.workflow import run_training
from tests.support.written import model_file


def files(folder: Path, longest: int) -> dict[str, Path]:
    """600 events with lists of 0 to 3 values, and ten very long ones: some are surely in the training part."""
    paths = {}
    for seed, name in enumerate("ab"):
        rng = np.random.default_rng(seed)
        counts = rng.integers(0, 4, 300)
        counts[17:27] = longest
        cells = ak.unflatten(rng.normal(seed, 1.0, counts.sum()).astype(np.float32), counts)
        paths[name] = folder / f"{name}.root"
        with uproot.recreate(paths[name]) as file:
            file["Events"] = {"cells": cells, "met": rng.normal(size=300).astype(np.float32)}
    return paths


def configured(folder: Path, longest: int, **features: object) -> Workflow:
    samples = [{"name": name, "files": str(path), "label": name} for name, path in files(folder, longest).items()]
    model = model_file(folder, 'SGDClassifier(loss="log_loss")', "from sklearn.linear_model import SGDClassifier")
    settings = {
        "samples": samples,
        "features": features,
        "reading": {"memory_limit": "1 MB"},
        "training": {"model": str(model), "signal": "b", "epochs": 1},
    }
    return Workflow.model_validate(settings)


def test_very_long_lists_are_refused_before_the_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_FLOOR", 0)
    monitor = Collector()
    with pytest.raises(MemoryLimitError) as caught:
        run_training(configured(tmp_path, 5000), tmp_path / "bundle", monitor)
    need = 600 * (4 * 5001 + 24) / 2**20
    assert "an event has 5001 columns" in str(caught.value)
    assert f"need {need:.1f} MiB in memory; half of the limit is 488.3 KiB" in str(caught.value)
    assert "give branch cells (5000 columns) a smaller length (features.length)" in str(caught.value)
    assert not (tmp_path / "bundle").exists()
    result = run_training(configured(tmp_path, 5000, length={"cells": 3}), tmp_path / "bundle", Collector())
    assert result.bundle.is_dir()


@given(st.integers(1, 5000), st.integers(0, 50_000))
def test_ranges_of_all_files_together_hold_a_bounded_number_of_values(count: int, branches: int) -> None:
    target = narrowed(target_events(count), count, branches)
    assert 1 <= target <= target_events(count)
    assert target * branches * count <= 16 * 2**22 or target == 1
    if branches <= 256 and count <= 16:
        assert target == TARGET_EVENTS


def test_sizes() -> None:
    assert (size_text(12), size_text(1536), size_text(3 * 2**30)) == ("12 bytes", "1.5 KiB", "3.0 GiB")


def test_chunks_cut_by_the_memory_limit_are_said_and_not_kept(tmp_path: Path) -> None:
    """The limit may be the machine's, and the bundle's bytes are not to depend on that."""
    monitor = Collector()
    result = run_training(configured(tmp_path, 3), tmp_path / "bundle", monitor)
    assert any("more do not fit into the memory limit" in text for text in monitor.warnings)
    assert not any("memory limit" in text for text in result.warnings)
