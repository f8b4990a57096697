"""Real processes that are killed while they publish, or that hold a place while another run comes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from mlaas4hep.atomic.alone import alone
from mlaas4hep.atomic.files import beside
from mlaas4hep.atomic.scratch import temporary_files
from mlaas4hep.bundle.write import BundleContents, write_bundle
from mlaas4hep.errors import OutputError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """An empty folder."""
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("way", ["swap", "renames"])
def test_killed_at_any_step_the_old_or_the_new_bundle_is_there(
    contents: BundleContents, out: Path, tmp_path: Path, way: str
) -> None:
    source = write_bundle(tmp_path / "source", contents)
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.kills", str(out / "model"), str(source), way],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) > 30
    kept = {line.split()[0] for line in lines}
    assert {"old", "new"} <= kept <= ({"old", "new"} if way == "swap" else {"old", "new", "nothing"})
    assert {tuple(line.split()[1:]) for line in lines} == {("old",), ("new",)}, "something was lost or left"


HOLDS = """
import sys
from pathlib import Path
from mlaas4hep.atomic.alone import alone
from mlaas4hep.atomic.files import beside
from mlaas4hep.atomic.scratch import temporary_files
import tempfile

place = Path(sys.argv[1])
with alone(place, print), temporary_files(), beside(place) as partial:
    partial.write_text("half")
    (Path(tempfile.mkdtemp()) / "matrix").write_text("of XGBoost")
    print("holds", flush=True)
    sys.stdin.read()
"""


def _holder(place: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(place)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "TMPDIR": tempfile.gettempdir()},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "holds\n"
    return process


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for temporary files of this test's own."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


def test_a_place_that_is_being_written_is_refused_and_says_by_whom(out: Path, temporary: Path) -> None:
    told: list[str] = []
    process = _holder(out / "model")
    try:
        says = rf"{out / 'model'}: another run is writing there \(process {process.pid} on \S+, since 20.* UTC\); wait"
        with pytest.raises(OutputError, match=says), alone(out / "model", told.append):
            pass
        with alone(out / "other", told.append), temporary_files(), beside(out / "model"):
            assert sum(path.name.startswith(".model.") for path in out.iterdir()) == 3, "two workspaces and the lock"
    finally:
        process.communicate()
    assert process.returncode == 0
    assert list(out.iterdir()) == list(temporary.iterdir()) == []
    assert told == []


def test_what_a_killed_run_left_goes_with_the_next_and_its_lock_with_it(out: Path, temporary: Path) -> None:
    process = _holder(out / "model")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert len(list(out.iterdir())) == 2
    assert len(list(temporary.iterdir())) == 1
    with alone(out / "model", print), temporary_files():
        assert [path.name for path in out.iterdir()] == [".model.lock"]
        assert len(list(temporary.iterdir())) == 1, "ours"
    assert list(out.iterdir()) == list(temporary.iterdir()) == []
