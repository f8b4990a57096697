from __future__ import annotations

from pathlib import Path

import pytest

from mlaas4hep.config import Cut, Features, Reading, Sample, Split, Training, Variable, Weights, Workflow, read_yaml
from mlaas4hep.errors import ConfigError, FileReadError

FULL = """
name: higgs
samples:
  - name: signal
    files: data/s*.root
    label: ggH
    weight: 0.25
  - name: background
    files: [data/b.root, "root://host//store/b.root", /store/b.root]
    label: other
tree: folder/events
identifier: run, event
events: 5000
variables:
  Lepton_sum: sum(Lepton_pt)
  ratio: MET_pt / HT
selection:
  - MET_pt > 20
  - {name: two leptons, expression: len(Lepton_pt) >= 2}
features:
  exclude: [gen*]
  normalisation: robust
  missing: -999
  mask: true
weights: {branch: weight, negative: abs, balance: true}
split: {validation: 0.25, test: 0.25, seed: 7}
reading: {chunk_size: -1, memory_limit: 2 GB}
training:
  model: model.py
  epochs: 5
  signal: ggH
histograms: plots
specs: ../specs.json
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    data = tmp_path / "work" / "data"
    data.mkdir(parents=True)
    for name in ("s2.root", "s1.root", "b.root"):
        (data / name).touch()
    return tmp_path / "work"


def written(folder: Path, text: str) -> Path:
    path = folder / "w.yaml"
    path.write_text(text)
    return path


def test_everything(folder: Path) -> None:
    assert read_yaml(written(folder, FULL)) == Workflow(
        name="higgs",
        samples=(
            Sample(
                name="signal",
                files=(f"{folder}/data/s1.root", f"{folder}/data/s2.root"),
                label="ggH",
                weight=0.25,
            ),
            Sample(
                name="background",
                files=(f"{folder}/data/b.root", "root://host//store/b.root", "/store/b.root"),
                label="other",
            ),
        ),
        tree="folder/events",
        identifier=("run", "event"),
        events=5000,
        variables=(
            Variable(name="Lepton_sum", expression="sum(Lepton_pt)"),
            Variable(name="ratio", expression="MET_pt / HT"),
        ),
        selection=(
            Cut(name="MET_pt > 20", expression="MET_pt > 20"),
            Cut(name="two leptons", expression="len(Lepton_pt) >= 2"),
        ),
        features=Features(
            exclude=("gen*",),
            normalisation="robust",
            missing=(-999.0,),
            mask=True,
        ),
        weights=Weights(branch="weight", negative="abs", balance=True),
        split=Split(validation=0.25, test=0.25, seed=7),
        reading=Reading(chunk_size=-1, memory_limit=2_000_000_000),
        training=Training(model=folder / "model.py", epochs=5, signal="ggH"),
        histograms=folder / "plots",
        specs=folder.parent / "specs.json",
    )


def test_defaults_and_the_working_folder_does_not_matter(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(folder, "samples: [{name: s, files: data/b.root}]")
    monkeypatch.chdir(tmp_path)
    found = read_yaml(Path("work/w.yaml"))
    assert found == Workflow(samples=(Sample(name="s", files=(str(folder / "data" / "b.root"),)),))
    assert (found.tree, found.events, found.identifier, found.training) == ("Events", -1, None, None)


def test_with_a_redirector_any_absolute_name_may_be_remote(folder: Path) -> None:
    text = "reading: {redirector: 'root://host'}\nsamples: [{name: s, files: [/user/x.root, data/b.root]}]"
    assert read_yaml(written(folder, text)).samples[0].files == ("/user/x.root", str(folder / "data" / "b.root"))


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", ": is empty; it needs at least `samples`"),
        ("- a", ": should be a mapping of keys to values; it needs at least `samples`"),
        ("tree: Events", ": required key 'samples' is missing"),
        ("samples: 3", ": samples: should be a list, is 3"),
        (
            "samples: [{name: s, files: data/b.root, label: 1}]\ntraining: {model: m.py, epoch: 2}",
            ": training: unknown key 'epoch'; did you mean 'epochs'?",
        ),
        (
            "samples: [{name: s, files: data/b.root, label: 1}]\ntraining: {model: m.py, epochs: 0}",
            ": training.epochs: should be greater than or equal to 1, is 0",
        ),
        ("samples:\n- name: s\n   files: x", ":3:9: not valid YAML: mapping values are not allowed here"),
        ("tree: a\ntree: b", ":2:1: not valid YAML: key 'tree' is given twice"),
    ],
)
def test_mistakes(folder: Path, text: str, what: str) -> None:
    path = written(folder, text)
    with pytest.raises(ConfigError) as caught:
        read_yaml(path)
    assert str(caught.value) == f"{path}{what}"


@pytest.mark.parametrize(
    ("files", "what"),
    [
        ("data/none.root", "data/none.root: no such file"),
        ("data/x*.root", "data/x*.root: no file matches this pattern"),
        ("/user/x.root", "/user/x.root: no such file"),
    ],
)
def test_files_that_are_not_there(folder: Path, files: str, what: str) -> None:
    path = written(folder, f"samples: [{{name: s, files: data/b.root}}, {{name: t, files: {files}}}]")
    with pytest.raises(FileReadError) as caught:
        read_yaml(path)
    assert str(caught.value) == f"{what}; given in {path}: samples.1.files"


def test_no_such_yaml(tmp_path: Path) -> None:
    with pytest.raises(FileReadError, match="no such file"):
        read_yaml(tmp_path / "w.yaml")
