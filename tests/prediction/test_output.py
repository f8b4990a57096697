from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.csv
import pyarrow.parquet
import pytest
import uproot
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from mlaas4hep.errors import OutputError
from mlaas4hep.prediction.output import SUFFIXES, check_output, open_writer

KINDS: dict[str, Any] = {
    "file": np.int32,
    "entry": np.int64,
    "event": np.uint64,
    "mass": np.float64,
    "selected": np.bool_,
    "score": np.float32,
    "score_b,c": np.float32,
}
Rows = dict[str, NDArray[Any]]


def make(count: int, seed: int = 0) -> Rows:
    generator = np.random.default_rng(seed)
    return {
        "file": generator.integers(0, 5, count, dtype=np.int32),
        "entry": np.arange(count, dtype=np.int64) + 2**40,
        "event": generator.integers(0, 2**64, count, dtype=np.uint64),
        "mass": generator.normal(size=count),
        "selected": generator.random(count) < 0.5,
        "score": generator.random(count, dtype=np.float32),
        "score_b,c": np.where(generator.random(count) < 0.1, np.nan, 1e-42).astype(np.float32),
    }


def read(path: Path) -> Rows:
    if path.suffix == ".root":
        with uproot.open(path) as file:
            found: Rows = file["scores"].arrays(library="np")
            return found
    if path.suffix == ".parquet":
        table = pyarrow.parquet.read_table(path)
        return {name: table[name].to_numpy() for name in table.column_names}
    names = {name: pyarrow.from_numpy_dtype(np.uint8 if kind is np.bool_ else kind) for name, kind in KINDS.items()}
    options = pyarrow.csv.ConvertOptions(column_types=names)
    table = pyarrow.csv.read_csv(path, convert_options=options)
    found = {name: table[name].to_numpy() for name in table.column_names}
    return found | {"selected": found["selected"].astype(np.bool_)}


@pytest.fixture(params=SUFFIXES)
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / "deep" / f"scores{request.param}"


@pytest.mark.parametrize("sizes", [[], [0], [1], [10, 0, 3], [120_000, 5]])
def test_what_is_written_is_read(path: Path, sizes: list[int]) -> None:
    parts = [make(size, seed) for seed, size in enumerate(sizes)]
    with open_writer(path, KINDS) as writer:
        for part in parts:
            writer.write(part)
        assert not path.exists(), "the name appears at the end"
    found = read(path)
    assert list(found) == list(KINDS)
    for name, kind in KINDS.items():
        expected = np.concatenate([np.zeros(0, kind), *(part[name] for part in parts)])
        assert found[name].dtype == expected.dtype
        np.testing.assert_array_equal(found[name], expected)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=hnp.arrays(np.float32, st.integers(1, 20), elements=st.floats(width=32)))
def test_every_float_comes_back_from_csv(tmp_path: Path, values: NDArray[np.float32]) -> None:
    with open_writer(tmp_path / "a.csv", {"v": np.float32, "d": np.float64}, overwrite=True) as writer:
        writer.write({"v": values, "d": values.astype(np.float64) / 3})
    lines = (tmp_path / "a.csv").read_text().splitlines()
    assert lines[0] == "v,d"
    table = [line.split(",") for line in lines[1:]]
    np.testing.assert_array_equal(np.array([row[0] for row in table], dtype=np.float32), values)
    np.testing.assert_array_equal([float(row[1]) for row in table], values.astype(np.float64) / 3)


def test_other_types_and_byte_orders_are_converted(path: Path) -> None:
    with open_writer(path, {"run": ">i4", "weight": np.float16, "x": "f4"}) as writer:
        writer.write({"run": np.array([7], dtype=">i4"), "weight": np.array([0.5], np.float16), "x": np.ones(1)})
        writer.write({"x": np.ones(1), "weight": np.ones(1), "run": np.array([8])})
    if path.suffix == ".csv":
        assert path.read_text() == "run,weight,x\n7,0.5,1\n8,1,1\n"
        return
    found = read(path)
    assert [found[name].dtype for name in found] == [np.int32, np.float32, np.float32]
    np.testing.assert_array_equal(found["run"], [7, 8])
    np.testing.assert_array_equal(found["weight"], [0.5, 1.0])


def fail_inside(path: Path, error: type[BaseException]) -> None:
    with open_writer(path, KINDS, overwrite=True) as writer:
        writer.write(make(10))
        raise error


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_nothing(path: Path, error: type[BaseException]) -> None:
    with pytest.raises(error):
        fail_inside(path, error)
    assert list(path.parent.iterdir()) == []


def test_an_error_leaves_the_old_file(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt):
        fail_inside(path, KeyboardInterrupt)
    assert path.read_text() == "old"


def test_discard(path: Path) -> None:
    writer = open_writer(path, KINDS)
    writer.write(make(10))
    writer.discard()
    assert list(path.parent.iterdir()) == []


def test_an_existing_file_is_replaced_only_when_asked(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("old")
    with pytest.raises(OutputError, match="the file exists already; choose another name or add --overwrite"):
        open_writer(path, KINDS)
    assert path.read_text() == "old"
    with open_writer(path, KINDS, overwrite=True) as writer:
        writer.write(make(3))
    assert len(read(path)["entry"]) == 3


@pytest.fixture
def small_disk() -> Iterator[None]:
    """A limit on the size of files stands for a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.usefixtures("small_disk")
def test_a_full_disk_leaves_nothing(path: Path) -> None:
    def write_much() -> None:
        with open_writer(path, KINDS) as writer:
            for seed in range(3):
                writer.write(make(100_000, seed))

    with pytest.raises(OutputError, match=r"scores.*cannot be written \(File too large\)"):
        write_much()
    assert list(path.parent.iterdir()) == []


def test_other_columns_are_refused(path: Path) -> None:
    with open_writer(path, {"a": np.float32, "b": np.float32}) as writer:
        with pytest.raises(ValueError, match=r"columns \{'a': 1\} do not fit \['a', 'b'\]"):
            writer.write({"a": np.ones(1)})
        with pytest.raises(ValueError, match="do not fit"):
            writer.write({"a": np.ones(1), "b": np.ones(2)})


@pytest.mark.parametrize("name", ["scores.h5", "scores", "scores.root.gz"])
def test_an_unknown_suffix(tmp_path: Path, name: str) -> None:
    with pytest.raises(OutputError, match=r"unknown output format '.*'") as caught:
        open_writer(tmp_path / name, KINDS)
    assert all(suffix in str(caught.value.hint) for suffix in (".root", ".parquet", ".csv"))


def test_text_columns_are_refused(path: Path) -> None:
    with pytest.raises(OutputError, match="column name is of type <U3, only numbers and booleans can be written"):
        open_writer(path, {"name": "U3"})
    with pytest.raises(OutputError, match="there are no columns to write"):
        open_writer(path, {})


def test_a_folder_of_the_name(path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(OutputError, match="there is a folder of this name; choose another name"):
        open_writer(path, KINDS, overwrite=True)


def test_the_place_can_be_checked_before_the_work(path: Path) -> None:
    check_output(path)
    assert not path.parent.exists()
    (path.parent.parent / "deep").write_text("")
    with pytest.raises(OutputError, match="a part of the path is a file, not a folder"):
        check_output(path)


def test_importing_the_module_imports_no_format() -> None:
    code = "import sys, mlaas4hep.prediction.output; print([n for n in ('uproot', 'pyarrow') if n in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=dict(os.environ))
    assert run.stdout.strip() == "[]"
