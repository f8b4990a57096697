"""Whole trainings: `mlaas4hep train` as a command, and the framework called directly, each a process of its own."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import yaml

from benchmarks.streaming.measure import Figure
from benchmarks.streaming.ours import configuration, waiting
from benchmarks.streaming.sample import Sample

__all__ = ["BATCH", "FRAMEWORKS", "VALIDATION", "direct", "train", "write"]

DIRECT = Path(__file__).with_name("direct.py")
FRAMEWORKS = ("keras", "torch")
BATCH = 1024
VALIDATION = 0.2

MODELS = {
    "keras": """from keras import Input, Sequential
from keras.layers import Dense


def model(idim):
    network = Sequential()
    network.add(Input((idim,)))
    network.add(Dense(128, activation="relu"))
    network.add(Dense(64, activation="relu"))
    network.add(Dense(1, activation="sigmoid"))
    network.compile(optimizer="adam", loss="binary_crossentropy")
    return network
""",
    "torch": """import torch


def model(idim):
    return torch.nn.Sequential(
        torch.nn.Linear(idim, 128), torch.nn.ReLU(), torch.nn.Linear(128, 64), torch.nn.ReLU(),
        torch.nn.Linear(64, 1), torch.nn.Sigmoid(),
    )
""",
}


def write(sample: Sample, folder: Path, epochs: int) -> None:
    """Models, workflows and settings of both frameworks."""
    for framework in FRAMEWORKS:
        (folder / f"model_{framework}.py").write_text(MODELS[framework], encoding="utf-8")
        workflow = configuration(sample, validation=VALIDATION)
        workflow["training"] |= {"model": f"model_{framework}.py", "batch_size": BATCH, "epochs": epochs}
        (folder / f"{framework}.yaml").write_text(yaml.safe_dump(workflow), encoding="utf-8")
    (folder / "settings.json").write_text(json.dumps({"batch": BATCH, "epochs": epochs}), encoding="utf-8")


def train(framework: str, folder: Path, events: int) -> Figure:
    """The command, with all that belongs to it: specs, training, figures, report, ONNX, bundle."""
    bundle = folder / f"bundle_{framework}"
    if bundle.exists():
        shutil.rmtree(bundle)
    command = [sys.executable, "-m", "mlaas4hep", "train", str(folder / f"{framework}.yaml"), "--fout", str(bundle)]
    start = time.perf_counter()
    output = _run([*command, "--json", "--quiet"])
    return Figure(events, time.perf_counter() - start, waiting=waiting(output))


def direct(framework: str, folder: Path, events: int) -> Figure:
    """The same model, events, batch size and epochs, from imports to the last epoch, without loading the arrays."""
    start = time.perf_counter()
    output = _run([sys.executable, "-P", str(DIRECT), framework, str(folder)])
    loading = json.loads(output.rpartition("result: ")[2])["loading"]
    return Figure(events, time.perf_counter() - start - loading)


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return done.stdout
