"""More files than a process may have open: the limit is raised, or files take turns."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import uproot

from mlaas4hep.streaming.readers.open_local import LocalFile, open_limit, too_many_open

READ = """
import resource, sys
from mlaas4hep.config import Reading, Sample
from mlaas4hep.streaming.files import close_files, open_files

soft, hard, folder, many = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
names = [f"{folder}/{number}.{sys.argv[5]}" for number in range(many)]
files = open_files([Sample(name="all", files=names)], "Events", Reading())
total = 0.0
for _ in range(2):
    for file in files:
        total += float(file.source.read(["x"], 0, file.source.entries)["x"].sum())
close_files(files)
print(total, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


def read_in_process(soft: int, hard: int, folder: Path, many: int, suffix: str) -> list[float]:
    """The sum over two passes and the soft limit after them."""
    command = [sys.executable, "-c", READ, str(soft), str(hard), str(folder), str(many), suffix]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [float(word) for word in done.stdout.split()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """200 small files of each format, each with other numbers."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder = tmp_path_factory.mktemp("many")
    for number in range(200):
        x = np.arange(3.0) + number
        with uproot.recreate(folder / f"{number}.root") as file:
            file.mktree("Events", {"x": "f8"}).extend({"x": x})
        pq.write_table(pa.table({"x": x}), folder / f"{number}.parquet")
        (folder / f"{number}.csv").write_text("x\n" + "".join(f"{value}\n" for value in x))
    return folder


EXPECTED = 2 * sum(3 * number + 3 for number in range(200))


@pytest.mark.parametrize("suffix", ["root", "parquet", "csv"])
def test_files_take_turns_where_the_limit_cannot_be_raised(folder: Path, suffix: str) -> None:
    assert read_in_process(100, 100, folder, 200, suffix) == [EXPECTED, 100]


@pytest.mark.parametrize("suffix", ["root", "parquet"])
def test_a_soft_limit_is_raised_when_files_need_it(folder: Path, suffix: str) -> None:
    assert read_in_process(100, 2000, folder, 200, suffix) == [EXPECTED, 2000]


def test_a_soft_limit_that_suffices_stays(folder: Path) -> None:
    assert read_in_process(100, 2000, folder, 20, "root") == [2 * sum(3 * n + 3 for n in range(20)), 100]


def test_a_file_that_was_replaced_is_not_read(tmp_path: Path) -> None:
    path, other = tmp_path / "a", tmp_path / "b"
    path.write_bytes(b"first")
    other.write_bytes(b"other")
    file = LocalFile(str(path))
    other.replace(path)
    with file.use() as descriptor:
        assert os.pread(descriptor, 5, 0) == b"first"
    file.close()
    with pytest.raises(OSError, match="is closed"), file.use():
        pass


def test_an_error_of_too_many_files_names_the_limit() -> None:
    text = too_many_open(OSError(errno.EMFILE, os.strerror(errno.EMFILE)))
    assert text is not None
    assert str(open_limit()) in text
    assert too_many_open(OSError(errno.ENOENT, "x")) is None


SPECS = """
import resource, sys
limit = int(sys.argv[1])
if limit:
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
from mlaas4hep.__main__ import main
sys.argv = ["mlaas4hep", "specs", "--output", sys.argv[2], *sys.argv[3:]]
main()
"""


def test_specs_of_more_files_than_may_be_open_are_those_of_all(folder: Path, tmp_path: Path) -> None:
    written = []
    for limit in (0, 100):
        output = tmp_path / f"{limit}.json"
        for suffix in ("root", "parquet", "csv"):
            names = [str(folder / f"{number}.{suffix}") for number in range(200)]
            command = [sys.executable, "-c", SPECS, str(limit), str(output), *names]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            written.append(output.read_text())
    assert written[:3] == written[3:]
