"""``mlaas4hep serve`` as a process of its own, on real sockets."""

from __future__ import annotations

import json
import os
import re
import selectors
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

__all__ = ["ROOT", "ServeProcess", "eventually"]

ROOT = Path(__file__).resolve().parents[2]
_LINE = re.compile(r"serving .* at (https?://\S+)(?: and grpcs?://(\S+))?\n")
SECONDS = 60.0


class ServeProcess:
    """A server that answers.

    Args:
        folder: for its log and configuration.
        repository: of models.
        settings: sections as in the YAML file.
        options: of the command line.

    Attributes:
        url: of HTTP.
        grpc: host and port of gRPC.
        log: file of its log.
    """

    def __init__(self, folder: Path, repository: Path, settings: dict[str, Any] | None = None, *options: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.log = folder / "log"
        config = folder / "serve.yaml"
        given = {
            "repository": str(repository),
            "port": 0,
            "grpc_port": 0,
            "log_file": str(self.log),
            **(settings or {}),
        }
        config.write_text(yaml.safe_dump(given))
        self.errors = folder / "stderr"
        with self.errors.open("w") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "mlaas4hep.cli.main", "serve", "--config", str(config), *options],
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
            )
        assert self.process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            assert selector.select(SECONDS), "the server did not start in time"
        line = self.process.stdout.readline()
        match = _LINE.fullmatch(line)
        assert match, f"{line!r} {self.errors.read_text()}"
        self.url, self.grpc = match[1], match[2] or ""

    @property
    def port(self) -> int:
        return int(re.findall(r":([0-9]+)", self.url)[0])

    def signal(self, number: signal.Signals = signal.SIGTERM) -> None:
        self.process.send_signal(number)

    def wait(self) -> int:
        """Its exit code; it must have written nothing but its log."""
        code = self.process.wait(SECONDS)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code

    def stop(self) -> None:
        """A graceful stop, if it still runs."""
        if self.process.poll() is None:
            self.signal()
        assert self.wait() == 0, self.errors.read_text()
        assert self.errors.read_text() == ""

    def lines(self, message: str | None = None) -> list[dict[str, Any]]:
        """What it logged so far, as objects."""
        found = [json.loads(line) for line in self.log.read_text().splitlines()]
        return [line for line in found if message in (None, line.get("message"))]


def eventually(check: Callable[[], Any], seconds: float = 30.0) -> Any:
    """The first true answer; fails if there is none in time."""
    import time

    end = time.monotonic() + seconds
    while time.monotonic() < end:
        answer = check()
        if answer:
            return answer
        time.sleep(0.02)
    return check()
