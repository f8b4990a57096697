"""The commands of the pages about serving are run as they stand there, on a server of the test's own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.onnx_models import scorer, write
from tests.support.serve_process import ROOT, ServeProcess
from tests.support.serving import make_bundle

PAGES = ROOT / "docs" / "how-to"
SERVE = "mlaas4hep serve --repository models"
SHIM = '#!/bin/sh\nexec "{python}" -m mlaas4hep.cli.main "$@"\n'


@dataclass(frozen=True)
class Desk:
    """A folder with the examples, where `mlaas4hep` is a command and a server listens."""

    folder: Path
    server: ServeProcess

    def run(self, block: str) -> str:
        """What the commands print; the port is the server's."""
        script = self._here(block)
        environment = {
            **os.environ,
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT / "src"),
            "MLAAS4HEP_URL": self.server.url,
            "PYTHONWARNINGS": "error",
        }
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=self.folder, env=environment, capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def python(self, block: str) -> None:
        """Run a block of Python."""
        (self.folder / "block.py").write_text(self._here(block))
        self.run(f"'{sys.executable}' block.py")

    def _here(self, block: str) -> str:
        return block.replace("localhost:8083", f"127.0.0.1:{self.server.port}").replace(
            "localhost:8001", self.server.grpc
        )


def blocks(page: str, kind: str = "bash") -> list[str]:
    text = (PAGES / page).read_text()
    return re.findall(rf"```{kind}\n(.*?)```", text, re.DOTALL)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "mlaas4hep").write_text(SHIM.format(python=sys.executable))
    (tmp_path / "bin" / "mlaas4hep").chmod(0o755)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    (tmp_path / "clients").symlink_to(ROOT / "clients")
    server = ServeProcess(tmp_path / "serve", tmp_path / "models")
    yield Desk(tmp_path, server)
    server.stop()


def test_serve(desk: Desk) -> None:
    everything = blocks("serve.md")
    assert SERVE in everything[0]
    everything[0] = everything[0].replace(SERVE, "")
    printed = [desk.run(block) for block in everything]
    readme = re.search(r"## Serve\n.*?```bash.*?```.*?```bash\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert readme
    printed.append(desk.run(readme[1]))
    answers = [json.loads(text) for text in printed if text.startswith('{"scores"')]
    assert len(answers) == 2
    assert answers[0]["scores"] == answers[1]["scores"]
    assert 0.5 < answers[0]["scores"][0][0] < 1.0
    assert sum("keys are missing" in text for text in printed) == 2
    assert any("scores (TTree): 8,000 entries" in text for text in printed)


def test_clients(desk: Desk) -> None:
    bundle = make_bundle(desk.folder / "higgs.tar.gz", name="higgs", flat=("MET_pt",), jagged={"Jet_pt": 2})
    desk.run(f"mlaas4hep models upload {bundle}")
    write_events(desk.folder)
    for block in blocks("clients.md", "python"):
        desk.python(block)
    command_line, _, sonic = blocks("clients.md")
    printed = desk.run(command_line)
    assert "READY" in printed
    assert (desk.folder / "copy.tar.gz").exists()
    desk.run(sonic)
    assert 'name: "higgs"' in (desk.folder / "data/models/higgs/config.pbtxt").read_text()


def test_models_trained_elsewhere(desk: Desk) -> None:
    write(scorer(), desk.folder / "network.onnx")
    (desk.folder / "labels.txt").write_text("background\nsignal\n")
    first, upload, ask, _named, _picture = blocks("serve-foreign-models.md")
    desk.run(first.splitlines()[0])
    printed = desk.run(upload) + desk.run(ask)
    assert '"classes":["background","signal"]' in printed
    assert '"model_name":"network"' in printed
    assert "error" not in printed


def write_events(folder: Path) -> None:
    """A ROOT file and a JSON file with the branches of the toy bundle."""
    import awkward as ak
    import numpy as np
    import uproot

    with uproot.recreate(folder / "events.root") as file:
        jets = ak.values_astype(ak.Array([[50.0, 31.0], [], [20.0]]), np.float32)
        file.mktree("Events", {"MET_pt": "float32", "Jet_pt": "var * float32"}).extend(
            {"MET_pt": np.array([35.0, 60.0, 12.0], np.float32), "Jet_pt": jets}
        )
    (folder / "events.json").write_text('[{"MET_pt": 35.0, "Jet_pt": [50.0]}]')
