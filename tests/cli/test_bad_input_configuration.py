"""Bad configuration: unknown keys and options, values of the wrong type, broken files."""

from __future__ import annotations

import errno
import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from mlaas4hep.training import workflow
from tests.cli.conftest import MODELS
from tests.support.cli import run

if TYPE_CHECKING:
    from tests.cli.conftest import Work


@pytest.mark.parametrize(
    ("key", "meant"), [("chunksize", "chunk_size"), ("nevents", "nevts"), ("epoch", "epochs"), ("Split", "split")]
)
def test_an_unknown_parameter(work: Work, key: str, meant: str) -> None:
    parameters: dict[str, Any] = {key: 3}
    says = [f"params.json: unknown key '{key}'", f"did you mean '{meant}'?"]
    work.refused(*work.legacy(**parameters), says=says)


def test_an_unknown_parameter_like_no_other(work: Work) -> None:
    work.refused(*work.legacy(xyzzy=1), says=["params.json: unknown key 'xyzzy'", "known keys are name, nevts"])


@pytest.mark.parametrize(
    ("sections", "says"),
    [
        ({"selections": []}, ["workflow.yaml: unknown key 'selections'", "did you mean 'selection'?"]),
        ({"reading": {"chunksize": 5}}, ["workflow.yaml: reading: unknown key 'chunksize'", "'chunk_size'"]),
        ({"chunk_size": 5}, ["workflow.yaml: unknown key 'chunk_size'", "did you mean 'reading.chunk_size'?"]),
        (
            {"samples": [{"name": "a", "file": "sig.root", "label": 1}]},
            ["workflow.yaml: samples.0: unknown key 'file'", "did you mean 'files'?"],
        ),
    ],
)
def test_an_unknown_key_in_yaml(work: Work, sections: dict[str, Any], says: list[str]) -> None:
    work.refused(*work.yaml(**sections), says=says)


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("epochs", "ten", ["params.json: epochs: should be a valid integer", "'ten'"]),
        ("epochs", 0, ["params.json: epochs: should be greater than or equal to 1", "is 0"]),
        ("nevts", 0, ["params.json: nevts: should be positive, or -1 for all"]),
        ("split", 1.5, ["params.json: split: should be less than 1"]),
        ("split", [0.7, 0.3], ["params.json: split: should be a valid number"]),
        ("batch_size", 2.5, ["params.json: batch_size: should be a valid integer", "2.5"]),
        ("shuffle", "perhaps", ["params.json: shuffle: should be a valid boolean", "'perhaps'"]),
        ("selected_branches", 7, ["params.json: selected_branches: should be a list", "is 7"]),
        ("selected_branches", "wanted.txt", ["params.json: selected_branches: no such file: wanted.txt"]),
        ("normalisation", "max", ["params.json: normalisation: should be 'minmax', 'standard', 'robust' or 'none'"]),
        ("negative_weights", "ignore", ["params.json: negative_weights: should be 'keep', 'abs', 'drop' or 'error'"]),
        ("metrics", 3, ["params.json: metrics: should be true, false or"]),
        ("training", 3, ["params.json: training: should be 'standard' or 'chunk', is 3"]),
        ("nan", "zero", ["params.json: nan: should be NaN or a number, is 'zero'"]),
        ("weights", [1.0], ["params.json: weights: 1 weight for 2 files", "one weight per file"]),
        ("weights", {"sig.root": 1.0}, ["params.json: weights: no weight for file", "bkg.root", "add 'bkg'"]),
        ("memory_limit", "lots", ["params.json: memory_limit: should be a number of bytes, or a size such as '2 GB'"]),
    ],
)
def test_a_parameter_of_the_wrong_type(work: Work, key: str, value: Any, says: list[str]) -> None:
    work.refused(*work.legacy(**{key: value}), says=says)


@pytest.mark.parametrize(
    ("sections", "says"),
    [
        ({"reading": [1]}, ["workflow.yaml: reading: should be a mapping of keys to values"]),
        ({"training": {"model": "m.py", "epochs": "ten"}}, ["workflow.yaml: training.epochs", "'ten'"]),
        ({"samples": []}, ["workflow.yaml: samples: is empty"]),
        ({"samples": None}, ["workflow.yaml: required key 'samples' is missing"]),
        ({"training": None}, ["no training section", "training.model"]),
        (
            {"samples": [{"name": "a", "files": "sig.root"}, {"name": "b", "files": "bkg.root", "label": 0}]},
            ["workflow.yaml: ", "sample a has no label"],
        ),
        ({"split": {"validation": 0.6, "test": 0.5}}, ["workflow.yaml: split", "leave nothing for training"]),
    ],
)
def test_a_wrong_value_in_yaml(work: Work, sections: dict[str, Any], says: list[str]) -> None:
    work.refused(*work.yaml(**sections), says=says)


def test_several_mistakes_are_counted(work: Work) -> None:
    arguments = work.legacy(epochs="ten", batch_size=-1, split=2)
    assert "; and 1 more problem)" in work.refused(*arguments, says=["params.json: "]).error


def test_broken_json(work: Work) -> None:
    arguments = work.legacy()
    path = work.write("params.json", '{"epochs": 3,\n "split" 0.3}')
    work.refused(*arguments, says=[f"{path}:2:10: not valid JSON"])
    path.write_text("[1, 2]")
    work.refused(*arguments, says=[f"{path}: should be an object"])
    path.write_text('{"epochs": 3, "epochs": 4}')
    work.refused(*arguments, says=[f"{path}: key 'epochs' is given twice"])
    path.write_bytes(b'{"name": "\xff"}')
    work.refused(*arguments, says=[f"{path}: is not UTF-8 text"])
    path.unlink()
    work.refused(*arguments, says=[f"{path}: no such file"])


def test_broken_yaml(work: Work) -> None:
    path = work.write("workflow.yaml", "name: higgs\nsamples: [\n")
    arguments = ["train", path, "--fout", work.fout]
    work.refused(*arguments, says=[f"{path}:3:1: not valid YAML"])
    path.write_text("name: a\nname: b\n")
    work.refused(*arguments, says=[f"{path}:2:1: not valid YAML: key 'name' is given twice"])
    path.write_text("name: !!python/object/apply:os.getcwd []\n")
    work.refused(*arguments, says=[f"{path}:1:7: not valid YAML: could not determine a constructor"])
    path.write_text("")
    work.refused(*arguments, says=[f"{path}: is empty", "`samples`"])
    work.refused("train", work.inputs / "none.yaml", says=["none.yaml: no such file"])


def test_both_forms_of_configuration(work: Work) -> None:
    path = work.yaml()[1]
    says = [f"{path} and --files, --labels cannot be given together", "use one or the other"]
    work.refused("train", path, "--files", "a.root", "--labels", "1", "--fout", work.fout, says=says)


def test_no_configuration(work: Work) -> None:
    says = ["--files, --labels, --model not given", "name a workflow.yaml"]
    work.refused("train", "--fout", work.fout, says=says)
    arguments = ["--files", "a.root", "--labels", "1"]
    work.refused("workflow", *arguments, says=["--model not given"])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["train", "--filse", "a.root"], ["No such option: --filse", "--files", "mlaas4hep train --help"]),
        (["train", "a.yaml", "b.yaml"], ["unexpected extra argument", "b.yaml"]),
        (["train", "--fout"], ["--fout", "requires an argument"]),
        (["trian"], ["No such command 'trian'", "train", "mlaas4hep --help"]),
        (["specs"], ["Missing argument", "mlaas4hep specs --help"]),
        (["predict", "bundle", "a.root"], ["Missing option '--output'", "mlaas4hep predict --help"]),
        (["specs", "a.root", "--workers", "0"], ["Invalid value for '--workers'"]),
        (["specs", "a.root", "--dtype", "pdf"], ["Invalid value for '--dtype'", "'pdf' is not one of", "'parquet'"]),
    ],
)
def test_mistakes_on_the_command_line(work: Work, arguments: list[str], says: list[str]) -> None:
    work.refused(*arguments, says=says)


@pytest.mark.parametrize(
    ("preproc", "says"),
    [
        ({"new_branches": {}}, ["preproc.json: unknown key 'new_branches'", "did you mean 'new_branch'?"]),
        ({"new_branch": {"x": {"def": "mass"}}}, ["preproc.json: new_branch.x: required key 'type' is missing"]),
        (
            {"new_branch": {"x": {"def": "mass", "type": "list"}}},
            ["preproc.json: new_branch.x.type: should be 'flat' or 'jagged', is 'list'"],
        ),
        ({"flat_cut": {"mass": {"Cut": "mass>3"}}}, ["preproc.json: flat_cut.mass: unknown key 'Cut'", "'cut'"]),
        ({"flat_cut": {"mass": {"cut": 3}}}, ["preproc.json: flat_cut.mass.cut: should be an expression in quotes"]),
        (
            {"jagged_cut": {"Jet_pt": {"cut": "Jet_pt>3"}}},
            ["preproc.json: jagged_cut.Jet_pt.cut: should be a list of two"],
        ),
        (
            {"jagged_cut": {"Jet_pt": {"cut": ["Jet_pt>3", "some"]}}},
            ["preproc.json: jagged_cut.Jet_pt.cut: should end with 'all' or 'any', ends with 'some'"],
        ),
        (
            {"flat_cut": {"mass": {"cut": "mass>3", "remove": "perhaps"}}},
            ['preproc.json: flat_cut.mass.remove: should be "True" or "False"'],
        ),
    ],
)
def test_a_wrong_preproc(work: Work, preproc: Any, says: list[str]) -> None:
    work.refused(*work.legacy(preproc=preproc), says=says)


def test_specs_that_do_not_fit(work: Work) -> None:
    nothing: dict[str, Any] = {"jdim": {}, "minv": {}, "maxv": {}, "fkeys": [], "jkeys": [], "nans": {}, "events": {}}
    path = work.write("specs.json", json.dumps(nothing))
    work.refused(*work.legacy(), "--specs", path, says=["specs.json", "no branch mass", "make the specs again"])
    path.write_text('{"jdim": {}}')
    work.refused(*work.legacy(), "--specs", path, says=[f"{path}: "])
    work.refused(*work.legacy(), "--specs", work.inputs / "no.json", says=["no.json: no such file"])


@pytest.mark.parametrize("place", ["before", "after"])
def test_traceback_shows_where_it_was_raised(work: Work, place: str) -> None:
    arguments = work.legacy(xyzzy=1)
    outcome = run(*(["--traceback", *arguments] if place == "before" else [*arguments, "--traceback"]))
    assert outcome.code == 2
    lines = outcome.err.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert any("config/legacy/params.py" in line for line in lines)
    assert lines[-1].startswith("error: ")
    assert "unknown key 'xyzzy'" in lines[-1]


def test_a_fault_of_the_machine_nobody_foresaw(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    """A medium that fails in the midst of the work: no error of ours, but one line all the same."""

    def fails(*_arguments: object, **_options: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO), "/somewhere/file")

    monkeypatch.setattr(workflow, "publish", fails)
    outcome = run(*work.legacy())
    assert outcome.code == 2
    assert outcome.error.startswith("error: /somewhere/file")
    assert "--traceback shows where it happened" in outcome.error
    assert not work.fout.exists()


def test_bytes_of_a_model_are_no_configuration(work: Work) -> None:
    model = MODELS / "decision_tree.py"
    work.refused("train", model, "--fout", work.fout, says=[f"{model}"])
