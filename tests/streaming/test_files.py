"""The files of a workflow in an order that does not depend on how they were named."""

from __future__ import annotations

import shutil
from itertools import permutations
from pathlib import Path

import pytest

from mlaas4hep.config import Reading, Sample
from mlaas4hep.errors import ConfigError, FileReadError, TreeNotFoundError
from mlaas4hep.streaming.files import close_files, open_files
from tests.support.written import make_events, write_csv, write_ttree


def sample(name: str, *files: Path | str) -> Sample:
    return Sample(name=name, files=tuple(str(file) for file in files), label=name)


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("files")
    return {
        name: write_ttree(folder / f"{name}.root", make_events(5 + seed, seed=seed, signal=False), names=["met"])
        for seed, name in enumerate("abc")
    }


def test_the_order_does_not_depend_on_the_order_of_names(paths: dict[str, Path]) -> None:
    orders = []
    for names in permutations("abc"):
        files = open_files([sample(name, paths[name]) for name in names], "Events", Reading())
        orders.append([file.sample.name for file in files])
        assert [names[file.index] for file in files] == orders[-1]
        assert [file.source.identity for file in files] == sorted(file.source.identity for file in files)
        close_files(files)
    assert all(order == orders[0] for order in orders)


def test_index_counts_files_over_all_samples(paths: dict[str, Path]) -> None:
    files = open_files([sample("one", paths["c"], paths["a"]), sample("two", paths["b"])], "Events", Reading())
    found = {file.index: (file.sample.name, Path(file.path).stem) for file in files}
    assert found == {0: ("one", "c"), 1: ("one", "a"), 2: ("two", "b")}
    close_files(files)


def test_moving_a_file_does_not_change_the_order(paths: dict[str, Path], tmp_path: Path) -> None:
    before = open_files([sample(name, paths[name]) for name in "abc"], "Events", Reading())
    moved = [sample(name, shutil.copy(paths[name], tmp_path / f"{'zyx'['abc'.index(name)]}.root")) for name in "abc"]
    after = open_files(moved, "Events", Reading())
    assert [file.sample.name for file in after] == [file.sample.name for file in before]
    close_files([*before, *after])


def test_the_same_content_twice(paths: dict[str, Path], tmp_path: Path) -> None:
    copy = shutil.copy(paths["a"], tmp_path / "copy.root")
    with pytest.raises(ConfigError) as caught:
        open_files([sample("a", paths["a"]), sample("copy", copy)], "Events", Reading())
    assert caught.value.what == f"has the same content as {paths['a']}"
    assert caught.value.where == str(copy)


def test_two_empty_files_are_no_twins(tmp_path: Path) -> None:
    first = write_ttree(tmp_path / "empty.root", [], names=["met"])
    second = shutil.copy(first, tmp_path / "again.root")
    files = open_files([sample("a", first), sample("b", second)], "Events", Reading())
    assert sorted(file.sample.name for file in files) == ["a", "b"]
    close_files(files)


def test_files_of_one_table_with_other_rows_are_no_twins(tmp_path: Path) -> None:
    events = make_events(6, seed=1, signal=True, odd=False)
    first = write_csv(tmp_path / "a.csv", events[:3], ["met", "w"])
    second = write_csv(tmp_path / "b.csv", events[3:], ["met", "w"])
    files = open_files([sample("a", first), sample("b", second)], None, Reading())
    assert sum(file.source.entries for file in files) == 6
    close_files(files)


def test_one_bad_file_is_named(paths: dict[str, Path], tmp_path: Path) -> None:
    missing = tmp_path / "missing.root"
    with pytest.raises(FileReadError, match=str(missing)):
        open_files([sample("a", paths["a"]), sample("b", missing)], "Events", Reading())
    with pytest.raises(TreeNotFoundError, match="Events"):
        open_files([sample("a", paths["a"])], "Other", Reading())


def test_format_by_wish(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "table.txt", make_events(4, seed=1, signal=True, odd=False), ["met"])
    (file,) = open_files([sample("a", path)], None, Reading(format="csv"))
    assert file.source.entries == 4
    close_files([file])
