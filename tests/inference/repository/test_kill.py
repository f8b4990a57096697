"""A process that changes the repository is killed at any moment: afterwards the repository is whole."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
from pathlib import Path

from mlaas4hep.atomic.owners import is_work
from mlaas4hep.inference.repository.scan import Scanner
from mlaas4hep.inference.repository.store import Store
from mlaas4hep.inference.repository.verify import CHECKSUMS

WORK = """
import random, sys
from pathlib import Path
from mlaas4hep.inference.repository.served_json import ServedModel, write_served
from mlaas4hep.inference.repository.store import Store
from mlaas4hep.inference.repository.verify import write_checksums

store = Store(Path(sys.argv[1]))
store.open()
rng = random.Random(int(sys.argv[2]))
print("ready", flush=True)
while True:
    name = rng.choice("ab")
    action = rng.random()
    if action < 0.6:
        folder = store.stage()
        for i in range(4):
            (folder / f"part{i}").write_bytes(bytes([i]) * rng.randrange(20_000))
        (folder / "model.onnx").write_bytes(b"x" * 1000)
        write_served(folder, ServedModel("onnx", "onnxruntime_onnx", "ONNX", "onnx", "model.onnx", (), (), True))
        write_checksums(folder)
        store.publish(folder, name)
    elif name in store.names():
        versions = [path.name for path in (store.root / name).iterdir() if path.name.isdigit()]
        if action < 0.8:
            store.change(name, lambda now: now.changed({"canary": rng.randrange(100), "labels": {"stable": "1"}}))
        else:
            store.delete(name, rng.choice([*versions, ""]))
"""


def test_killed_at_any_moment(tmp_path: Path) -> None:
    root = tmp_path / "models"
    rng = random.Random(5)
    seen = 0
    for attempt in range(12):
        with subprocess.Popen(
            [sys.executable, "-c", WORK, str(root), str(attempt)], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            try:
                process.wait(rng.uniform(0.005, 0.12))
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
            process.wait()
            assert process.returncode == -signal.SIGKILL
        store = Store(root)
        store.open()
        assert not [path for path in (*root.iterdir(), *root.glob("*/*")) if is_work(path.name)]
        scanner = Scanner(store)
        scanner.all()
        for entry in scanner.all().values():
            for version in entry.versions.values():
                seen += 1
                assert version.problem == ""
                assert (version.folder / CHECKSUMS).exists()
        for name in store.names():
            assert any(path.name.isdigit() for path in (root / name).iterdir())
            if (root / name / "model.json").exists():
                assert set(json.loads((root / name / "model.json").read_text())) >= {"canary", "labels"}
    assert seen
