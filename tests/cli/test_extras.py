"""A library that is not installed: one line that names it and the extra that brings it."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from mlaas4hep.extras import EXTRAS, extra_of

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import sys
sys.modules[sys.argv[1]] = None
from mlaas4hep.cli.main import main
main(sys.argv[2:])
"""


def without(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command in a process in which a module cannot be imported."""
    line = [sys.executable, "-c", PROGRAM, module, *arguments]
    return subprocess.run(line, capture_output=True, text=True, check=False, timeout=300)


@pytest.mark.parametrize("module", [name for name in EXTRAS["server"] if name != "google.protobuf"])
def test_the_server_names_what_it_lacks(tmp_path: Path, module: str) -> None:
    done = without(module, "serve", "--repository", str(tmp_path), "--port", "0")
    assert done.returncode == 2
    assert done.stderr == f"error: the package {module} is not installed; pip install 'mlaas4hep[server]'\n"
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("module", "extra", "source"),
    [
        ("torch", "torch", "import torch\n\ndef model(idim):\n    return torch.nn.Linear(idim, 1)\n"),
        ("keras", "tensorflow", "import keras\n\ndef model(idim):\n    return keras.Sequential()\n"),
        ("tensorflow", "tensorflow", "import tensorflow as tf\n\ndef model(idim):\n    return tf.keras.Sequential()\n"),
        ("xgboost", "xgboost", "import xgboost\n\ndef model(idim):\n    return xgboost.XGBClassifier()\n"),
    ],
)
def test_a_training_names_what_its_model_needs(tmp_path: Path, module: str, extra: str, source: str) -> None:
    (tmp_path / "model.py").write_text(source)
    lines = ["event,x,label", *(f"{i},{(i % 7) * 0.5},{i % 2}" for i in range(200))]
    (tmp_path / "events.csv").write_text("\n".join(lines))
    (tmp_path / "workflow.yaml").write_text(
        f"samples:\n  - {{name: a, files: {tmp_path}/events.csv, label: 1}}\n"
        f"  - {{name: b, files: {tmp_path}/events.csv, label: 0}}\ntraining:\n  model: {tmp_path}/model.py\n"
    )
    done = without(module, "train", str(tmp_path / "workflow.yaml"))
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    last = done.stderr.splitlines()[-1]
    assert f"{module} is not installed" in last or module in last
    assert f"pip install 'mlaas4hep[{extra}]'" in last


def test_the_core_names_what_it_lacks() -> None:
    done = without("httpx", "models", "list")
    assert done.returncode == 2
    assert done.stderr == "error: the package httpx is not installed; install mlaas4hep again, with all that it needs\n"


def test_a_fault_of_our_own_is_not_a_missing_package() -> None:
    done = without("mlaas4hep.inference.operation.process", "serve")
    assert done.returncode == 1
    assert "ModuleNotFoundError" in done.stderr


def test_the_table_is_what_the_extras_install() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert set(EXTRAS) == set(extras) - {"all"}
    imported: dict[str, set[str]] = {}
    for module, names in importlib.metadata.packages_distributions().items():
        for name in names:
            imported.setdefault(re.sub(r"[-_.]+", "-", name).lower(), set()).add(module)
    for extra, wanted in extras.items():
        for text in wanted if extra != "all" else ():
            name = re.split(r"[\[<>=!~; ]", text)[0].lower()
            there = imported.get(name, set())
            known = {one.partition(".")[0] for one in EXTRAS[extra]}
            assert not there or there & known, f"{name} of [{extra}] is imported as {sorted(there)}"


@pytest.mark.parametrize(
    ("module", "extra"),
    [("torch.nn", "torch"), ("google.protobuf", "server"), ("google.cloud", None), ("torchvision", None)],
)
def test_of_a_module(module: str, extra: str | None) -> None:
    assert extra_of(module) == extra
