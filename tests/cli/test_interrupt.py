"""A training that is interrupted, as a real process that gets SIGINT: nothing half-written, and `--resume`."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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


STOPS = [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "stopped by SIGTERM"), (signal.SIGHUP, "stopped by SIGHUP")]


# A shell starts what runs in its background with SIGINT ignored, and children inherit that. Not by `preexec_fn`: what
# Python runs after a fork brings the child down where gRPC's threads are (seen in one start of eight).
HEEDS_SIGNALS = ["env", "--default-signal=" + ",".join(number.name.removeprefix("SIG") for number, _ in STOPS)]


def interrupt(
    arguments: list[str | Path], word: str, number: signal.Signals = signal.SIGINT, **environment: str
) -> tuple[int, str]:
    """Start the command, send a signal once it has printed a word; exit code and standard error."""
    with started(arguments, **environment) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        if line.strip() == word:
            process.send_signal(number)
        _, errors = process.communicate(timeout=60)
    assert line.strip() == word, errors
    return process.returncode, errors


@contextmanager
def started(arguments: list[str | Path], **environment: str) -> Iterator[subprocess.Popen[str]]:
    """The command as a process, which does not outlive the block."""
    process = subprocess.Popen(
        [*HEEDS_SIGNALS, sys.executable, "-m", "mlaas4hep.cli.main", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(SOURCE), "PYTHONDONTWRITEBYTECODE": "1", **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(("number", "word"), STOPS)
def test_an_interrupted_training_leaves_nothing(work: Work, tmp_path: Path, number: signal.Signals, word: str) -> None:
    arguments = work.legacy(model=work.model(STOPS_IN_FIT))
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    before = work.everything()
    code, errors = interrupt(arguments, "fitting", number, TMPDIR=str(temporary))
    assert code == 128 + number
    assert errors.splitlines()[-1] == word
    assert "Traceback" not in errors
    assert work.everything() == before


@pytest.mark.parametrize(("number", "word"), STOPS)
@pytest.mark.parametrize("command", ["predict", "evaluate", "specs", "throughput"])
def test_other_commands_stop_as_trainings_do(
    work: Work, trained: Path, tmp_path: Path, command: str, number: signal.Signals, word: str
) -> None:
    """While the command waits for a server that never answers."""
    (tmp_path / "temporary").mkdir()
    labels = work.write("labels.txt", "signal\n")
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(60)
        data = f"http://127.0.0.1:{server.getsockname()[1]}/sig.root"
        arguments: dict[str, list[str | Path]] = {
            "predict": [trained, data, "-o", work.outputs / "scores.csv"],
            "evaluate": [trained, "--files", data, "--labels", labels, "--report", work.outputs / "report.html"],
            "specs": [data, "-o", work.outputs / "specs.json"],
            "throughput": [data],
        }
        before = sorted(tmp_path.rglob("*"))
        with started([command, *arguments[command]], TMPDIR=str(tmp_path / "temporary")) as process:
            connection, _ = server.accept()
            with connection:
                process.send_signal(number)
                _, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + number, errors
    assert errors.splitlines()[-1] == word
    assert "Traceback" not in errors
    assert sorted(tmp_path.rglob("*")) == before


STAYS_IN_FIT = """
import ctypes
from sklearn.tree import DecisionTreeClassifier


class Deaf(DecisionTreeClassifier):
    def fit(self, x, y, sample_weight=None):
        # one call that tells that it has begun and does not come back to Python
        ctypes.CDLL(None).system(b"echo fitting; read forever")


def model():
    return Deaf()
"""


def test_a_second_signal_ends_what_does_not_come_back(work: Work) -> None:
    """Signals that come together, as from `timeout`, count as one: the second is sent until it is heeded."""
    arguments = work.legacy(model=work.model(STAYS_IN_FIT))
    with started(arguments) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "fitting\n"
        while process.poll() is None:
            process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.3)
        _, errors = process.communicate()
    assert process.returncode == 143
    assert errors.splitlines()[-1] == "ended immediately by a second SIGTERM"


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
