"""The load generators: wrk for HTTP/1.1 and h2load for gRPC, both written in C, one thread each."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.serving.bodies import GRPC_METHOD, Body

__all__ = ["Measured", "check_tools", "grpc_load", "http_load"]

SCRIPT = Path(__file__).with_name("load.lua")
TOOLS = {"wrk": "wrk", "h2load": "nghttp2-client"}


@dataclass(frozen=True)
class Measured:
    """One run.

    Attributes:
        requests: answered.
        seconds: it took.
        errors: connections broken, time-outs, answers that are not 200 or without content.
        p50, p99: of the latency, in milliseconds; NaN where the tool does not tell.
        processor: seconds of processor time that the server took.
    """

    requests: int
    seconds: float
    errors: int
    p50: float
    p99: float
    processor: float = 0.0

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds


def check_tools() -> None:
    """Ends with a message if a load generator is missing."""
    missing = [package for tool, package in TOOLS.items() if shutil.which(tool) is None]
    if missing:
        msg = f"the load generators are missing: apt-get install {' '.join(missing)}"
        raise SystemExit(msg)


def http_load(url: str, body: Body, connections: int, seconds: float) -> Measured:
    """Post the bodies over as many keep-alive connections for so long."""
    with tempfile.NamedTemporaryFile() as file:
        many = len(body.contents) > 1
        file.write(b"\n".join(body.contents))
        file.flush()
        headers = [part for header in body.headers.items() for part in header]
        command = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "10s"]
        command += ["-s", str(SCRIPT), url, "--", file.name, "lines" if many else "whole", *headers]
        output = _output(command)
    match = re.search(r"^RESULT (\d+) (\d+) (\d+) (\d+) (\d+) (\d+) (\d+)$", output, re.MULTILINE)
    if match is None:
        raise SystemExit(output)
    requests, took, broken, late, status, p50, p99 = map(int, match.groups())
    return Measured(requests, took / 1e6, broken + late + status, p50 / 1e3, p99 / 1e3)


def grpc_load(port: int, body: Body, answer: int, connections: int, streams: int, seconds: float) -> Measured:
    """Call ``ModelInfer`` over HTTP/2 connections with so many calls at a time on each.

    Args:
        port: of the server.
        body: one framed message.
        answer: bytes of the framed answer: fewer mean that calls failed.
        connections: as many.
        streams: calls under way on each.
        seconds: for so long.
    """
    with tempfile.NamedTemporaryFile() as file:
        file.write(body.contents[0])
        file.flush()
        command = ["h2load", "-t1", f"-c{connections}", f"-m{streams}", f"-D{max(1, round(seconds))}"]
        command += ["-w24", "-W24", "-d", file.name, "-H", "content-type: application/grpc", "-H", "te: trailers"]
        output = _output([*command, f"http://127.0.0.1:{port}{GRPC_METHOD}"])
    took = re.search(r"finished in ([\d.]+)(m?s)", output)
    done = re.search(r"(\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", output)
    data = re.search(r"\((\d+)\) data", output)
    if took is None or done is None or data is None:
        raise SystemExit(output)
    succeeded, failed, errored, late = (int(done[index]) for index in (2, 3, 4, 5))
    empty = max(0, succeeded - int(data[1]) // answer)
    seconds_taken = float(took[1]) * (1e-3 if took[2] == "ms" else 1)
    nan = float("nan")
    return Measured(succeeded, seconds_taken, failed + errored + late + empty, nan, nan)


def _output(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    return done.stdout
