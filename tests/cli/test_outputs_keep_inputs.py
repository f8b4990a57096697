"""No output of any command destroys what the command reads, or a file of another kind."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import typing
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
import yaml

from mlaas4hep.cli.main import app
from tests.cli.conftest import MODELS, Work
from tests.support.cli import run

SOURCE = Path(__file__).parents[2] / "src"
READ = {
    "train": {"configuration", "model", "params", "preproc", "specs"},
    "workflow": {"configuration", "model", "params", "preproc", "specs"},
    "evaluate": {"bundle", "configuration"},
    "predict": {"bundle"},
    "reader": {"specs", "preproc"},
    "resnet": {"fdir", "flabels"},
    "hep_resnet": {"fdir", "flabels"},
    "serve": {"repository", "config", "tls_certificate", "tls_key"},
    "models predict": {"events"},
    "models upload": {"file"},
    "models tfaas": {"upload", "bundle", "predict", "image", "key", "cert", "capath"},
}
"""Options that name what is read; every other one that names a path is an output and is tried below."""
WRITTEN = {
    "train": {"fout", "split_out", "cache"},
    "workflow": {"fout", "split_out", "cache"},
    "specs": {"output"},
    "reader": {"fout"},
    "evaluate": {"report"},
    "predict": {"output"},
    "resnet": {"mdir"},
    "hep_resnet": {"mdir"},
    "models download": {"output"},
    "serve": {"log_file"},
}


def _paths(group: typer.Typer, before: str = "") -> Iterator[tuple[str, set[str]]]:
    for command in group.registered_commands:
        assert command.callback is not None
        kinds = typing.get_type_hints(command.callback)
        name = command.name or command.callback.__name__.replace("_", "-")
        yield before + name, {option for option, kind in kinds.items() if Path in (kind, *typing.get_args(kind))}
    for inner in group.registered_groups:
        assert inner.typer_instance is not None
        yield from _paths(inner.typer_instance, f"{inner.name} ")


def test_every_option_that_names_a_path_is_known_as_input_or_output() -> None:
    """A new output needs a case below, and so goes through the check."""
    found = {name: options for name, options in _paths(app) if options}
    known = {name: READ.get(name, set()) | WRITTEN.get(name, set()) for name in {*READ, *WRITTEN}}
    assert found == known


@pytest.fixture
def inputs(work: Work, trained: Path) -> Work:
    """All that commands read, copied to where it may be destroyed."""
    shutil.copytree(trained, work.inputs / "bundle")
    shutil.copy(MODELS / "decision_tree.py", work.inputs / "model.py")
    work.write("files.txt", f"{work.inputs / 'sig.root'}\n{work.inputs / 'bkg.root'}\n")
    work.write("labels.txt", "signal\nbackground\n")
    work.write("params.json", "{}")
    work.write("preproc.json", "{}")
    work.write("workflow.yaml", yaml.safe_dump({
        "samples": [
            {"name": "sig", "files": "sig.root", "label": "signal"},
            {"name": "bkg", "files": "bkg.root", "label": "background"},
        ],
        "training": {"model": "model.py"},
    }))  # fmt: skip
    return work


LEGACY = ["--files", "files.txt", "--labels", "labels.txt", "--model", "model.py"]
MORE = ["--params", "params.json", "--preproc", "preproc.json"]
CASES: list[tuple[list[str], str, list[str]]] = [
    (["specs", "sig.root", "bkg.root"], "-o", ["sig.root", "bkg.root"]),
    (["specs", "sig.root:Events"], "-o", ["sig.root"]),
    (["specs", "*.root"], "-o", ["sig.root", "bkg.root"]),
    (["reader", "--fin", "files.txt"], "--fout", ["files.txt", "sig.root", "bkg.root"]),
    (["reader", "--fin", "sig.root,bkg.root", "--branches", "labels.txt"], "--fout", ["bkg.root", "labels.txt"]),
    (["train", *LEGACY, *MORE], "--fout", ["sig.root", "files.txt", "labels.txt", "model.py", "params.json", "."]),
    (["workflow", *LEGACY, *MORE], "--split-out", ["bkg.root", "files.txt", "labels.txt", "model.py", "preproc.json"]),
    (["train", "workflow.yaml"], "--split-out", ["workflow.yaml", "sig.root", "model.py"]),
    (["train", "workflow.yaml"], "--fout", ["workflow.yaml", "sig.root", "model.py"]),
    (["train", "workflow.yaml"], "--cache", ["workflow.yaml", "sig.root", "bundle/inner"]),
    (["evaluate", "bundle", "--files", "files.txt", "--labels", "labels.txt"], "--report",
     ["files.txt", "labels.txt", "sig.root", "bundle/report.html", "bundle/new.html"]),
    (["evaluate", "bundle", "--workflow", "workflow.yaml"], "--report", ["workflow.yaml", "bkg.root"]),
    (["predict", "bundle", "sig.csv"], "-o", ["sig.csv", "bundle/x.csv", "bundle/native/x.root"]),
    (["predict", "bundle", "sig.root"], "-o", ["sig.root"]),
    (["resnet", "--fdir", "images", "--flabels", "images/labels.csv", "--name", "images"], "--mdir", ["."]),
]  # fmt: skip


@pytest.mark.parametrize(("command", "option", "places"), CASES, ids=lambda value: " ".join(value)[:40])
@pytest.mark.parametrize("way", ["name", "hard link", "link"])
def test_an_input_is_never_an_output(
    inputs: Work, monkeypatch: pytest.MonkeyPatch, command: list[str], option: str, places: list[str], way: str
) -> None:
    monkeypatch.chdir(inputs.inputs)
    shutil.copy("labels.txt", "sig.csv")
    Path("images").mkdir()
    Path("images/labels.csv").write_text("name,label\n")
    for number, place in enumerate(places):
        named = place
        if way == "hard link" and place.startswith("bundle/"):
            continue  # a new file takes the place of this name alone
        if way != "name" and Path(place).is_file():
            named = f"other{number}{Path(place).suffix}"
            (os.link if way == "hard link" else os.symlink)(place, named)
        before = inputs.everything()
        for more in ([], ["--overwrite"]) if "resnet" not in command else ([],):
            outcome = run(*command, option, named, *more)
            assert outcome.code == 2, (place, outcome)
            assert len(outcome.error) > 0
            assert inputs.everything() == before, place


@pytest.mark.parametrize("text", ["precious", '{"my": "notes"}', "<!doctype html><p>precious"])
def test_a_file_of_another_kind_is_replaced_only_when_asked(inputs: Work, text: str) -> None:
    place = inputs.outputs / "notes"
    place.write_text(text)
    data = inputs.inputs / "sig.root"
    labels = ["--labels", inputs.inputs / "labels.txt"]
    commands: list[list[object]] = [
        ["specs", data, "-o"],
        ["reader", "--fin", data, "--fout"],
        ["evaluate", inputs.inputs / "bundle", "--files", inputs.inputs / "files.txt", *labels, "--report"],
        [*inputs.legacy(), "--split-out"],
    ]
    for command in commands:
        inputs.refused(*command, place, says=[f"{place}: ", "or add --overwrite"])
    for command in commands:
        place.write_text(text)
        for more in (["--overwrite"], []):  # the second time it is of the kind
            outcome = run(*command, place, *more)
            assert outcome.code == 0, outcome
            assert place.read_bytes() != text.encode()


def test_two_outputs_of_a_command_are_two_places(work: Work) -> None:
    says = ["--fout and --split-out cannot be written to the same place"]
    work.refused(*work.legacy(), "--split-out", work.fout / "split.parquet", says=says)


def _specs(place: object, data: Path, **pipes: object) -> subprocess.Popen[bytes]:
    program = [sys.executable, "-m", "mlaas4hep.cli.main", "specs", str(data), "--quiet", "-o", str(place)]
    return subprocess.Popen(program, env={**os.environ, "PYTHONPATH": str(SOURCE)}, **pipes)  # type: ignore[call-overload, no-any-return]


def test_pipes_devices_and_open_files_are_written_through(work: Work) -> None:
    data = work.inputs / "sig.root"
    pipe = work.outputs / "pipe"
    os.mkfifo(pipe)
    with _specs(pipe, data) as process:
        assert json.loads(pipe.read_bytes())["events"]
    assert process.returncode == 0
    assert pipe.is_fifo()
    with _specs("/dev/stdout", data, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.read())["events"]
    assert process.returncode == 0
    file = work.outputs / "redirected"
    with file.open("wb") as out:
        out.write(b"before\n")
        out.flush()
        assert _specs("/dev/stdout", data, stdout=out).wait() == 0
        out.write(b"after\n")
    assert file.read_text().startswith("before\n{")
    assert file.read_text().endswith("}\nafter\n")
    assert run("specs", data, "-o", "/dev/null").code == 0
    assert Path("/dev/null").is_char_device()
    link = work.outputs / "link"
    link.symlink_to(work.outputs / "target")
    assert run("specs", data, "-o", link).code == 0
    assert json.loads((work.outputs / "target").read_bytes())["events"]
    assert link.is_symlink()


@pytest.mark.parametrize("name", ["n" * 250, "ü" * 125, "a\nb", os.fsdecode(b"\xff\xfe")])
def test_any_name_that_the_file_system_takes(work: Work, name: str) -> None:
    place = work.outputs / name
    assert run("specs", work.inputs / "sig.root", "-o", place).code == 0
    assert json.loads(place.read_bytes())["events"]
    place.unlink()
    arguments = [*work.legacy()[:-1], place]
    outcome = run(*arguments)
    assert outcome.code == 0, outcome.err
    assert (place / "manifest.json").is_file()
    assert [path.name for path in work.outputs.iterdir()] == [name]


def test_a_name_that_is_too_long_is_told_before_the_work(work: Work) -> None:
    place = work.outputs / ("n" * 256)
    work.refused("specs", work.inputs / "sig.root", "-o", place, says=["the name is longer than the file system takes"])
    work.refused(*work.legacy()[:-1], place, says=["the name is longer than the file system takes"])
