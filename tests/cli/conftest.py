"""A working folder with a small sample, and the ways to train on it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.cli import Outcome, run
from tests.support.samples import columns, write_tree

PROGRESS = re.compile(r"\w+: [0-9,]+ .*[0-9]M?k?/s")
MODELS = Path(__file__).parents[1] / "models"


@dataclass(frozen=True)
class Work:
    """Inputs in one folder, outputs in another.

    Attributes:
        inputs: data files, configuration, model files.
        outputs: where bundles are written; made and empty.
    """

    inputs: Path
    outputs: Path

    @property
    def fout(self) -> Path:
        """The bundle."""
        return self.outputs / "bundle"

    def data(self, name: str, *, signal: bool = False, drop: Iterable[str] = (), **changes: Any) -> Path:
        """Write a data file; changes replace or add branches, None of them need be given."""
        branches = {**columns(signal=signal), **changes}
        for branch in drop:
            del branches[branch]
        return write_tree(self.inputs / name, branches)

    def write(self, name: str, text: str) -> Path:
        """Write a text file among the inputs."""
        path = self.inputs / name
        path.write_text(text, encoding="utf-8")
        return path

    def model(self, text: str) -> Path:
        """Write a model file."""
        return self.write("model.py", text)

    def legacy(
        self,
        *,
        files: str | Path | None = None,
        labels: str | Path = "1,0",
        model: Path | None = None,
        preproc: Any = None,
        **params: Any,
    ) -> list[str | Path]:
        """Arguments of a training in the original's form."""
        arguments: list[str | Path] = [
            "train",
            *("--files", files or f"{self.inputs / 'sig.root'},{self.inputs / 'bkg.root'}"),
            *("--labels", labels),
            *("--model", model or MODELS / "decision_tree.py"),
            *("--params", self.write("params.json", json.dumps(params))),
            *("--fout", self.fout),
        ]
        if preproc is not None:
            arguments += ["--preproc", self.write("preproc.json", json.dumps(preproc))]
        return arguments

    def yaml(self, **changes: Any) -> list[str | Path]:
        """Arguments of a training in one YAML file; changes replace or add sections, None removes one."""
        sections: dict[str, Any] = {
            "samples": [
                {"name": name, "files": f"{name}.root", **({} if "label_branch" in changes else {"label": label})}
                for name, label in (("sig", "signal"), ("bkg", "background"))
            ],
            "training": {"model": str(MODELS / "decision_tree.py")},
            **changes,
        }
        sections = {key: value for key, value in sections.items() if value is not None}
        return ["train", self.write("workflow.yaml", yaml.safe_dump(sections, sort_keys=False)), "--fout", self.fout]

    def refused(self, *arguments: object, says: Iterable[str], only: bool = True) -> Outcome:
        """Run a command that must fail with one clear line and leave nothing behind.

        Args:
            arguments: of the command.
            says: what the line must contain.
            only: whether this line, progress apart, is all that stands on standard error.
        """
        before = self.everything()
        outcome = run(*arguments)
        assert outcome.code == 2, outcome
        for part in says:
            assert part in outcome.error
        if only:
            assert [line for line in outcome.err.splitlines() if not PROGRESS.match(line)] == [outcome.error]
        assert outcome.out == ""
        assert self.everything() == before
        return outcome

    def everything(self) -> dict[str, bytes | None]:
        """Every file and folder with its content."""
        top = self.inputs.parent
        return {
            str(path.relative_to(top)): path.read_bytes() if path.is_file() else None for path in sorted(top.rglob("*"))
        }


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Work:
    """A fresh working folder with sig.root and bkg.root; the test runs in an empty folder of its own."""
    found = Work(tmp_path / "inputs", tmp_path / "outputs")
    found.outputs.mkdir()
    found.data("sig.root", signal=True)
    found.data("bkg.root")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return found


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle trained on sig.root and bkg.root, with a cut, a variable and weights; labels are names."""
    top = tmp_path_factory.mktemp("trained")
    work = Work(top / "inputs", top / "outputs")
    work.outputs.mkdir()
    work.data("sig.root", signal=True)
    work.data("bkg.root")
    arguments = work.yaml(
        name="small",
        variables={"HT": "sum(Jet_pt)"},
        selection="MET_pt > 5",
        weights={"branch": "weight"},
        training={"model": str(MODELS / "hist_gradient_boosting.py"), "signal": "signal"},
    )
    outcome = run(*arguments)
    assert outcome.code == 0, outcome.err
    return work.fout
