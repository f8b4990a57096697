"""Each key of workflow.yaml changes something that a user can see; a key without such a test fails here."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import uproot
import yaml
from pydantic import BaseModel

from mlaas4hep.config.legacy.params import KEYS
from mlaas4hep.config.workflow import Workflow
from mlaas4hep.training import workflow as module
from tests.support.cli import Outcome, run

MODEL = (
    "from sklearn.linear_model import SGDClassifier\n"
    "def model():\n    return SGDClassifier(loss='log_loss', learning_rate='constant', eta0=0.01, alpha=0.01)\n"
)
TREE = "from sklearn.tree import DecisionTreeClassifier\ndef model():\n    return DecisionTreeClassifier(max_depth=2)\n"
NEGATIVE = {"weights": {"branch": "signed"}}

# What is changed (None removes a key), in a file that has something else, and in what the change shows:
# `metrics` (figures), `manifest` (all of it but the configuration, versions and times), `report`, `said` (notes and
# warnings), `error` (the run is refused), `files` (what stands beside the bundle).
CHANGES: dict[str, tuple[dict[str, Any], str]] = {
    "name": ({"name": "other"}, "manifest"),
    "samples.name": ({"samples.0.name": "other"}, "manifest"),
    "samples.files": ({"samples.0.files": "b.root", "samples.1.files": "a.root"}, "metrics"),
    "samples.label": ({"samples.0.label": "third", "training.signal": "third"}, "manifest"),
    "samples.weight": ({"samples.0.weight": 7.0, "weights": {"branch": "w"}}, "metrics"),
    "samples.tree": ({"samples.0.tree": "Other"}, "metrics"),
    "tree": ({"tree": "Other"}, "metrics"),
    "label_branch": (
        {"samples.0.label": None, "samples.1.label": None, "label_branch": "kind", "training.signal": 1},
        "manifest",
    ),
    "identifier": ({"identifier": ["x"]}, "manifest"),
    "events": ({"events": 300}, "metrics"),
    "preprocessing": ({"preprocessing": "code.py"}, "metrics"),
    "variables": ({"variables": {"z": "x + y"}}, "manifest"),
    "variables.name": ({"variables": [{"name": "other", "expression": "x * y"}]}, "manifest"),
    "variables.expression": ({"variables": [{"name": "v", "expression": "x * y + 1"}]}, "manifest"),
    "variables.kind": ({"variables": [{"name": "v", "expression": "x * y", "kind": "jagged"}]}, "error"),
    "selection": ({"selection": "x > 0"}, "metrics"),
    "selection.name": ({"selection": [{"name": "a cut", "expression": "x > 0"}]}, "said"),
    "selection.expression": ({"selection": [{"name": "cut", "expression": "x > 0.5"}]}, "metrics"),
    "features.include": ({"features.include": ["x"]}, "manifest"),
    "features.exclude": ({"features.exclude": ["y"]}, "manifest"),
    "features.length": ({"features.length": 1}, "manifest"),
    "features.quantile": ({"features.quantile": 0.3}, "manifest"),
    "features.normalisation": ({"features.normalisation": "standard"}, "manifest"),
    "features.missing": ({"features.missing": [-999]}, "manifest"),
    "features.impute": ({"features.missing": [-999], "features.impute": "centre"}, "manifest"),
    "features.mask": ({"features.mask": True}, "manifest"),
    "weights.branch": ({"weights.branch": "w"}, "metrics"),
    "weights.balance": ({"weights": {"branch": "w", "balance": False}}, "metrics"),
    "weights.negative": ({**NEGATIVE, "weights.negative": "abs"}, "metrics"),
    "split.validation": ({"split.validation": 0.4}, "metrics"),
    "split.test": ({"split.test": 0.4}, "metrics"),
    "split.seed": ({"split.seed": 4}, "metrics"),
    "reading.chunk_size": ({"reading.chunk_size": 50, "training.epochs": 3}, "metrics"),
    "reading.memory_limit": ({"reading.memory_limit": 40_000}, "said"),
    "reading.cache": ({"reading.cache": "cache"}, "files"),
    "reading.cache_limit": ({"reading.cache": "cache", "reading.cache_limit": 10}, "said"),
    "reading.redirector": ({"reading.redirector": "file:///nowhere", "samples.0.files": "/store/a.root"}, "error"),
    "reading.format": ({"reading.format": "csv"}, "error"),
    "reading.names": ({"reading.names": ["x", "y"]}, "error"),
    "reading.separator": ({"reading.separator": ";"}, "error"),
    "training.model": ({"training.model": "tree.py"}, "metrics"),
    "training.task": ({"training.task": "regression"}, "error"),
    "training.signal": ({"training.signal": "b"}, "manifest"),
    "training.epochs": ({"training.epochs": 1}, "metrics"),
    "training.batch_size": ({"training.model": "torch_mlp.py", "training.batch_size": 16}, "metrics"),
    "training.shuffle": ({"training.shuffle": False}, "metrics"),
    "training.order": ({"training.order": "chunk"}, "metrics"),
    "training.early_stopping": ({"training.epochs": 40, "training.early_stopping": 1}, "metrics"),
    "training.seed": ({"training.seed": 9}, "metrics"),
    "training.verbose": ({"training.verbose": 1}, "said"),
    "training.threshold": ({"training.threshold": 0.9}, "metrics"),
    "training.classification_report": ({"training.classification_report": False}, "report"),
    "training.importance": ({"training.importance": 0}, "report"),
    "histograms": ({"histograms": "plots"}, "files"),
    "specs": ({"specs": "specs.json"}, "manifest"),
}

_POLICY = ("connection_timeout", "request_timeout", "stream_timeout", "retries", "longest_pause", "give_up_after")

ELSEWHERE = {
    **{
        f"reading.remote.{name}": "no result: tests/streaming/remote/test_connection.py, test_faults.py"
        for name in _POLICY
    },
    "reading.on_bad_file": "tests/streaming/test_bad_files.py",
    "reading.max_bad": "tests/streaming/test_bad_files.py",
    "reading.workers": "how many threads read changes no result: tests/streaming/test_execution.py",
    "training.threads": "how many threads compute changes no result here: tests/training/backends",
}


def keys_of(model: type[BaseModel], above: str = "") -> Iterator[str]:
    """All keys that hold values, and lists of sections under their own names."""
    for name, field in model.model_fields.items():
        inner = list(_models(field.annotation))
        if name in ("variables", "selection") or not inner:
            yield f"{above}{name}"
        for kind in inner:
            yield from keys_of(kind, f"{above}{name}.")


def _models(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)


def test_every_key_is_in_the_table() -> None:
    assert set(keys_of(Workflow)) == set(CHANGES) | set(ELSEWHERE)


def test_every_key_of_params_leads_to_one_of_them() -> None:
    targets = {".".join(target) for target in KEYS.values() if target}
    assert targets <= set(CHANGES) | set(ELSEWHERE)


BASE: dict[str, Any] = {
    "samples": [
        {"name": "a", "files": "a.root", "label": "a"},
        {"name": "b", "files": "b.root", "label": "b"},
    ],
    "features": {"exclude": ["w", "signed", "kind"]},
    "training": {"model": "model.py", "signal": "a", "epochs": 3},
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    rng = np.random.default_rng(3)
    for name, mean in (("a", 0.6), ("b", 0.0)):
        with uproot.recreate(folder / f"{name}.root") as file:
            for tree, events in (("Events", 500), ("Other", 400)):
                x = rng.normal(mean, 1, events)
                y = np.where(rng.random(events) < 0.2, -999.0, rng.normal(-mean, 1, events))
                counts = rng.integers(0, 4, events)
                lists = np.split(rng.exponential(1 + mean, counts.sum()), np.cumsum(counts)[:-1])
                columns: dict[str, Any] = {
                    "x": x,
                    "y": y,
                    "j": lists,
                    "w": rng.uniform(0.5, 2.0, events) * (2 if name == "a" else 1),
                    "signed": np.where(rng.random(events) < 0.2, -1.0, 1.0),
                    "kind": np.full(events, int(name == "a"), np.int32),
                }
                types = {key: "var * float64" if key == "j" else np.asarray(v).dtype for key, v in columns.items()}
                import awkward as ak

                file.mktree(tree, types, counter_name=lambda n: f"n{n}").extend(
                    {key: ak.Array([list(item) for item in v]) if key == "j" else v for key, v in columns.items()}
                )
    (folder / "model.py").write_text(MODEL)
    (folder / "tree.py").write_text(TREE)
    (folder / "code.py").write_text("def preprocessing(events):\n    return events[events.x > 0]\n")
    (folder / "torch_mlp.py").write_text(
        "from torch import nn\n"
        "def model(idim):\n    return nn.Sequential(nn.Linear(idim, 4), nn.ReLU(), nn.Linear(4, 1), nn.Sigmoid())\n"
    )
    specs = {
        "jdim": {"j": 3}, "minv": {"x": -9.0, "y": -999.0, "j": 0.0, "nj": 0.0}, "maxv": {"x": 9.0, "y": 9.0, "j": 30.0,
        "nj": 3.0}, "fkeys": ["x", "y", "nj"], "jkeys": ["j"], "nans": {}, "events": {"total": 1000},
    }  # fmt: skip
    (folder / "specs.json").write_text(json.dumps(specs))
    return folder


def trained(data: Path, changes: dict[str, Any], folder: Path) -> tuple[Outcome, dict[str, str]]:
    """A training, and what it shows, by aspect."""
    sections = copy.deepcopy(BASE)
    for place, value in changes.items():
        *above, last = place.split(".")
        inside: Any = sections
        for part in above:
            inside = inside[int(part)] if part.isdigit() else inside.setdefault(part, {})
        if value is None:
            inside.pop(last, None)
        else:
            inside[last] = value
    for name in data.iterdir():
        (folder / name.name).symlink_to(name)
    (folder / "w.yaml").write_text(yaml.safe_dump(sections))
    done = run("train", folder / "w.yaml", "--fout", folder / "bundle")
    if done.code:
        return done, {"error": done.err}
    manifest = json.loads((folder / "bundle/manifest.json").read_text())
    for key in ("files", "created", "uuid"):
        manifest.pop(key, None)
    for key in ("configuration", "packages", "seeds"):
        manifest["provenance"].pop(key, None)
    metrics = json.loads((folder / "bundle/metrics.json").read_text())
    figures = metrics["parts"]["test"]
    report = re.sub(r"<details.*?</details>", "", (folder / "bundle/report.html").read_text(), flags=re.DOTALL)
    shown = {
        "manifest": json.dumps(manifest, sort_keys=True),
        "metrics": json.dumps(figures, sort_keys=True),
        "report": " ".join(re.findall(r"<h[23][^>]*>[^<]*", report)),
        "said": re.sub(r"[0-9.]+ ?k?/?s\b|\S*/\S*", "", done.err),
        "files": " ".join(sorted(path.name for path in folder.iterdir())),
        "error": "",
    }
    return done, shown


@pytest.fixture(scope="module")
def usual(data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    done, shown = trained(data, {}, tmp_path_factory.mktemp("usual"))
    assert done.code == 0, done.err
    return shown


def no_report(*_arguments: object) -> str:
    """Nothing: the report takes longer than all else, and is looked at where it matters."""
    return ""


PARTNERS: dict[str, dict[str, Any]] = {
    "samples.weight": {"weights": {"branch": "w"}},
    "variables.name": {"variables": [{"name": "v", "expression": "x * y"}]},
    "variables.expression": {"variables": [{"name": "v", "expression": "x * y"}]},
    "selection.name": {"selection": [{"name": "cut", "expression": "x > 0"}]},
    "selection.expression": {"selection": [{"name": "cut", "expression": "x > 0"}]},
    "features.impute": {"features.missing": [-999]},
    "weights.balance": {"weights": {"branch": "w"}},
    "weights.negative": NEGATIVE,
    "reading.cache_limit": {"reading.cache": "cache"},
    "training.batch_size": {"training.model": "torch_mlp.py"},
    "training.early_stopping": {"training.epochs": 40},
}
"""Settings without which a key has nothing to act on: the key is compared with these alone."""


@pytest.mark.parametrize("key", CHANGES)
def test_a_key_changes_what_it_says(
    key: str, data: Path, usual: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes, aspect = CHANGES[key]
    before = usual
    if aspect != "report":
        monkeypatch.setattr(module, "report_of", no_report)
    if key in PARTNERS:
        (tmp_path / "partner").mkdir()
        done, before = trained(data, PARTNERS[key], tmp_path / "partner")
        assert done.code == 0, done.err
    (tmp_path / "changed").mkdir()
    done, after = trained(data, changes, tmp_path / "changed")
    if aspect == "error":
        assert done.code == 2
        assert done.error
        return
    assert done.code == 0, done.err
    assert after[aspect] != before[aspect]
