"""A training that is interrupted, as a real process that gets SIGINT: nothing half-written, and `--resume`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.cli import run
from tests.support.samples import columns

if TYPE_CHECKING:
    from tests.cli.conftest import Work

SOURCE = Path(__file__).parents[2] / "src"

STOPS_IN_FIT = """
import signal
from sklearn.tree import DecisionTreeClassifier


class Slow(DecisionTreeClassifier):
    def fit(self, x, y, sample_weight=None):
        print("fitting", flush=True)
        signal.pause()


def model():
    return Slow()
"""

STOPS_AFTER_TWO_EPOCHS = """
import os, signal
import torch


class Network(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.layers = torch.nn.Sequential(torch.nn.Linear(width, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1))
        self.calls = 0

    def forward(self, x):
        if self.training:
            self.calls += 1
            if "CALLS" in os.environ:
                with open(os.environ["CALLS"], "a") as file:
                    file.write("x")
            if self.calls == int(os.environ.get("STOP_AT", "-1")):
                print("stopped", flush=True)
                signal.pause()
        return torch.sigmoid(self.layers(x))


def model(idim):
    torch.manual_seed(7)
    return Network(idim)
"""


def _heed_interrupts() -> None:
    """A shell starts what runs in its background with SIGINT ignored, and children inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def interrupt(arguments: list[str | Path], word: str, **environment: str) -> tuple[int, str]:
    """Start the command, send SIGINT once it has printed a word; exit code and standard error."""
    process = subprocess.Popen(
        [sys.executable, "-m", "mlaas4hep.cli.main", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(SOURCE), "PYTHONDONTWRITEBYTECODE": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_heed_interrupts,  # noqa: PLW1509 - the call is safe between fork and exec
    )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        if line.strip() == word:
            process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert line.strip() == word, errors
    return process.returncode, errors


def test_an_interrupted_training_leaves_nothing(work: Work) -> None:
    arguments = work.legacy(model=work.model(STOPS_IN_FIT))
    before = work.everything()
    code, errors = interrupt(arguments, "fitting")
    assert code == 130
    assert errors.splitlines()[-1] == "interrupted"
    assert "Traceback" not in errors
    assert work.everything() == before


def test_an_interrupted_training_is_resumed(work: Work, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    model = work.model(STOPS_AFTER_TWO_EPOCHS)
    arguments = work.yaml(training={"model": str(model), "epochs": 4, "batch_size": 64, "threads": 1, "seed": 5})
    calls = tmp_path / "calls"
    monkeypatch.setenv("CALLS", str(calls))
    whole = run(*arguments, "--json", "--quiet")
    steps = calls.stat().st_size
    calls.unlink()
    assert whole.code == 0, whole.err
    other = work.outputs / "other"
    arguments = [*arguments[:-1], other]
    code, errors = interrupt(arguments, "stopped", STOP_AT=str(steps // 2 + 3))
    assert code == 130
    assert errors.splitlines()[-1] == "interrupted; the same command with --resume continues from the last checkpoint"
    assert sorted(path.name for path in work.outputs.iterdir()) == ["bundle", "other.checkpoint"]
    calls.unlink()
    resumed = run(*arguments, "--resume", "--json", "--quiet")
    assert resumed.code == 0, resumed.err
    assert sorted(path.name for path in work.outputs.iterdir()) == ["bundle", "other"]
    assert calls.stat().st_size == steps // 2
    assert json.loads(resumed.out)["metrics"] == json.loads(whole.out)["metrics"]
    assert (other / "model.onnx").read_bytes() == (work.fout / "model.onnx").read_bytes()


def test_a_checkpoint_of_another_training_is_not_resumed(work: Work) -> None:
    pytest.importorskip("torch")
    model = work.model(STOPS_AFTER_TWO_EPOCHS)
    training = {"model": str(model), "epochs": 3, "batch_size": 64}
    arguments = work.yaml(training=training)
    code, _ = interrupt(arguments, "stopped", STOP_AT="14")
    assert code == 130
    checkpoint = work.outputs / "bundle.checkpoint"
    says = [f"{checkpoint}: the checkpoint is of a training with other data, model or configuration", "--resume"]
    work.refused(*work.yaml(training={**training, "seed": 1}), "--resume", says=says)
    model.write_text(STOPS_AFTER_TWO_EPOCHS.replace("8", "9"))
    work.refused(*work.yaml(training=training), "--resume", says=says)
    model.write_text(STOPS_AFTER_TWO_EPOCHS)
    work.data("bkg.root", event=columns(signal=False)["event"] + 7)
    work.refused(*work.yaml(training=training), "--resume", says=says)
