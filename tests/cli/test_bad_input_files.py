"""Bad data files: missing, of another format, truncated, without the tree or a branch, named twice."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import awkward as ak
import numpy as np
import pytest

from tests.support.samples import columns, write_tree

if TYPE_CHECKING:
    from tests.cli.conftest import Work

EVENTS = len(columns(signal=True)["event"])


def test_no_such_file_in_the_list(work: Work) -> None:
    listed = work.write("files.txt", "# signal first\nsig.root\nbgk.root\n")
    work.refused(*work.legacy(files=listed), says=["bgk.root: no such file", f"{listed}, line 3"])


def test_no_such_file_between_commas(work: Work) -> None:
    work.refused(*work.legacy(files="a.root,b.root"), says=["a.root: no such file", "--files"])


def test_no_such_file_in_yaml(work: Work) -> None:
    samples = [{"name": "sig", "files": ["sig.root", "gone.root"], "label": 1}]
    work.refused(*work.yaml(samples=samples), says=["gone.root: no such file", "workflow.yaml: samples.0.files"])


def test_a_pattern_that_matches_nothing(work: Work) -> None:
    samples = [{"name": "sig", "files": "none/*.root", "label": 1}]
    work.refused(*work.yaml(samples=samples), says=["none/*.root: no file matches this pattern", "samples.0.files"])


def test_no_such_list_of_files(work: Work) -> None:
    work.refused(*work.legacy(files="files.txt"), says=["files.txt: no such file"])


def test_an_empty_list_of_files(work: Work) -> None:
    listed = work.write("files.txt", "# none yet\n\n")
    work.refused(*work.legacy(files=listed), says=[f"{listed}: no data file is given", "write one path per line"])


def test_a_folder(work: Work) -> None:
    (work.inputs / "sub.root").mkdir()
    files = f"{work.inputs / 'sub.root'},{work.inputs / 'bkg.root'}"
    work.refused(
        *work.legacy(files=files), says=["sub.root: is a folder without a file of a known format; check the path"]
    )


def test_not_a_root_file(work: Work) -> None:
    work.write("sig.root", "<!DOCTYPE html><html><body>Please log in</body></html>\n" * 20)
    path = work.inputs / "sig.root"
    work.refused(*work.legacy(), says=[f"{path}: is not a ROOT file", "it does not begin with the word root"])


def test_a_format_nobody_knows(work: Work) -> None:
    files = f"{work.write('sig.dat', '1')},{work.write('bkg.dat', '2')}"
    work.refused(*work.legacy(files=files), says=["sig.dat: ", "format"])


def test_an_empty_file(work: Work) -> None:
    work.write("bkg.root", "")
    work.refused(*work.legacy(), says=["bkg.root: is empty (0 bytes)", "copy the file again"])


@pytest.mark.parametrize("share", [0.01, 0.5, 0.95])
def test_a_truncated_file(work: Work, share: float) -> None:
    path = work.inputs / "bkg.root"
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    work.refused(*work.legacy(), says=[f"{path}: is truncated", "copy the file again"])


def test_a_file_damaged_within(work: Work) -> None:
    path = write_tree(work.inputs / "bkg.root", columns(20_000, signal=False))
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 4000] = bytes(4000)
    path.write_bytes(content)
    work.refused(*work.legacy(), says=[f"{path}:Events: entries ", "cannot be read", "copy the file again"])


def test_no_such_tree(work: Work) -> None:
    path = write_tree(work.inputs / "bkg.root", columns(signal=False), tree="ntuple/tree")
    work.refused(*work.legacy(), says=[f"{path}: no tree 'Events'", "trees in the file: ntuple/tree"])


def test_no_tree_at_all(work: Work) -> None:
    import uproot

    with uproot.recreate(work.inputs / "bkg.root") as file:
        file["note"] = "nothing here"
    work.refused(*work.yaml(), says=["bkg.root: no tree 'Events'"])


def test_a_branch_missing_in_one_of_the_files(work: Work) -> None:
    path = work.data("bkg.root", drop=["MET_pt"])
    for arguments in (work.legacy(), work.yaml()):
        work.refused(*arguments, says=[f"{path}: no branch MET_pt"])


def test_a_branch_that_only_one_file_has(work: Work) -> None:
    work.data("bkg.root", extra=np.ones(EVENTS, dtype=np.float32))
    path = work.inputs / "sig.root"
    work.refused(*work.legacy(), says=[f"{path}: no branch extra", "exclude it if it is not needed"])


def test_a_branch_that_is_in_no_file(work: Work) -> None:
    for arguments in (work.legacy(selected_branches="MET_pt,Jet_Pt"), work.yaml(features={"include": ["Jet_Pt"]})):
        work.refused(*arguments, says=["no branch Jet_Pt", "did you mean Jet_pt"])


def test_a_branch_that_is_flat_here_and_jagged_there(work: Work) -> None:
    path = work.data("bkg.root", Jet_pt=np.ones(EVENTS, dtype=np.float32))
    outcome = work.refused(*work.legacy(), says=["branch Jet_pt is", "in another file", "exclude it"])
    assert str(path) in outcome.error or str(work.inputs / "sig.root") in outcome.error


def test_a_branch_of_text_asked_for_as_a_feature(work: Work) -> None:
    import uproot

    for name in ("sig", "bkg"):
        with uproot.recreate(work.inputs / f"{name}.root") as file:
            file["Events"] = ak.Array({"x": np.arange(50.0), "process": [name] * 50})
    arguments = work.yaml(features={"include": ["x", "process"]})
    work.refused(*arguments, says=["sig.root: branch process holds", "not numbers", "features.include"])


def test_no_feature_left(work: Work) -> None:
    says = ["no branch is left as a feature", "exclude"]
    work.refused(*work.legacy(exclude_branches="mass,MET_pt,Jet_pt,Jet_eta,weight"), says=says)


def test_a_file_named_twice(work: Work) -> None:
    path = work.inputs / "sig.root"
    work.refused(*work.legacy(files=f"{path},{path}"), says=[f"{path}: ", "name each file once"])


def test_a_copy_of_a_file(work: Work) -> None:
    copy = shutil.copy(work.inputs / "sig.root", work.inputs / "copy.root")
    samples = [{"name": "a", "files": "sig.root", "label": 1}, {"name": "b", "files": "copy.root", "label": 0}]
    says = [f"{copy}: has the same content as {work.inputs / 'sig.root'}", "name each file once"]
    work.refused(*work.yaml(samples=samples), says=says)


def test_files_without_events(work: Work) -> None:
    for name in ("sig", "bkg"):
        write_tree(work.inputs / f"{name}.root", columns(0, signal=name == "sig"))
    work.refused(*work.legacy(), says=["the files hold no event"])


@pytest.mark.parametrize("command", [["inspect"], ["specs"], ["reader", "--fin"], ["reader", "--info", "--fin"]])
def test_other_commands(work: Work, command: list[str]) -> None:
    work.refused(*command, work.inputs / "gone.root", says=["gone.root: no such file"])
    text = work.write("text.root", "just text\n" * 20)
    work.refused(*command, text, says=[f"{text}: is not a ROOT file"])


def test_other_commands_say_which_trees_there_are(work: Work) -> None:
    path = work.inputs / "sig.root"
    for command in (["inspect", path, "--tree"], ["specs", path, "--tree"], ["reader", "--fin", path, "--branch"]):
        work.refused(*command, "tree", says=[f"{path}: no tree 'tree'", "Events"])
