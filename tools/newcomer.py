"""Do what a new user does: a fresh environment without constraints, then README and tutorial as printed.

usage: python3 tools/newcomer.py [PAGE ...]      default: README.md and docs/tutorial/first-training.md

Each page has a copy of the tracked files and an environment of its own. Its ``bash`` and ``python`` blocks run in
order, those that install first. A command must end with status 0, and a training must leave ``model.onnx`` in its
bundle. A server is started in the background, waited for until it is ready, and stopped at the end of the page.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("README.md", "docs/tutorial/first-training.md")
BLOCK = re.compile(r"^```(bash|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INSTALL = "python3 -m venv"
SERVE = "mlaas4hep serve"
READY = "http://localhost:8083/v2/health/ready"
PATIENCE = 180
"""Seconds until a server must be ready, on a machine that does other things too."""


def blocks(text: str) -> list[tuple[str, str]]:
    """Return (language, code) of each block of a page, those that install first."""
    found = [(match[1], match[2]) for match in BLOCK.finditer(text)]
    return sorted(found, key=lambda block: INSTALL not in block[1])


def commands(code: str) -> list[str]:
    """Return the commands of a bash block, one a line; lines that end in a backslash belong together."""
    joined = code.replace("\\\n", " ")
    return [line.strip() for line in joined.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def copy_tracked(folder: Path) -> None:
    """Copy the files that git tracks, as they are in the working tree."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True)
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)


class Page:
    """One page in its own folder and environment."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.folder = folder
        self.failures: list[str] = []
        self.servers: list[subprocess.Popen[bytes]] = []
        home = folder / "home"
        home.mkdir()
        dropped = ("PYTHON", "VIRTUAL_ENV", "PIP_CONSTRAINT")
        kept = {key: value for key, value in os.environ.items() if not key.startswith(dropped)}
        self.environment = {**kept, "HOME": str(home), "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_QUIET": "1"}

    def run(self) -> None:
        """Run every block of the page."""
        text = (self.folder / self.name).read_text(encoding="utf-8")
        try:
            for language, code in blocks(text):
                if language == "python":
                    self.python(code)
                else:
                    for command in commands(code):
                        self.command(command)
        finally:
            for server in self.servers:
                os.killpg(server.pid, signal.SIGTERM)
                if server.wait(timeout=60) != 0:
                    self.failures.append(f"{SERVE}: ended with status {server.returncode}")

    def command(self, command: str) -> None:
        """Run a command as a user would type it, in the page's environment once there is one."""
        if command.startswith(SERVE):
            self.serve(command)
            return
        self.finish(command, self.shell(command))
        fout = re.search(r"--fout[ =](\S+)", command)
        if fout and not (self.folder / shlex.split(fout[1])[0] / "model.onnx").is_file():
            self.failures.append(f"{command}: no model.onnx in the bundle")

    def python(self, code: str) -> None:
        """Run a block of Python, unless it only shows a model file of the examples."""
        if any(code.strip() in file.read_text(encoding="utf-8") for file in (ROOT / "examples").rglob("*.py")):
            return
        (self.folder / "block.py").write_text(code, encoding="utf-8")
        self.finish(f"python block: {code.strip().splitlines()[0]} ...", self.shell("python block.py"))

    def shell(self, command: str) -> list[str]:
        """Return the arguments that run a command in bash, with the environment active once there is one."""
        activate = "[ -e venv/bin/activate ] && . venv/bin/activate\n"
        return ["bash", "-c", activate + command]

    def finish(self, told: str, arguments: list[str]) -> None:
        """Run to the end, tell status and seconds, and keep what went wrong."""
        print(f"$ {told}", flush=True)
        start = time.monotonic()
        done = subprocess.run(
            arguments,
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        print(f"    status {done.returncode}, {time.monotonic() - start:.0f} s", flush=True)
        if done.returncode != 0:
            self.failures.append(f"{told}: status {done.returncode}")
            print(done.stdout.decode(errors="replace")[-4000:], flush=True)
        elif wrong := next((word for word in (b"Traceback", b'{"error"') if word in done.stdout), None):
            self.failures.append(f"{told}: prints {wrong.decode()}")
            print(done.stdout.decode(errors="replace")[-4000:], flush=True)

    def serve(self, command: str) -> None:
        """Start a server and wait until it is ready."""
        print(f"$ {command}  (in the background)", flush=True)
        log = self.folder / "serve.log"
        with log.open("wb") as output:
            server = subprocess.Popen(
                self.shell(f"exec {command}"),
                cwd=self.folder,
                env=self.environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self.servers.append(server)
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and server.poll() is None:
            try:
                with urllib.request.urlopen(READY, timeout=5) as answer:
                    if answer.status == 200:
                        return
            except (urllib.error.URLError, OSError):
                time.sleep(0.2)
        self.failures.append(f"{command}: not ready")
        print(log.read_text(errors="replace")[-4000:], flush=True)
        if server.poll() is not None:
            self.servers.remove(server)


def main(pages: list[str]) -> int:
    """Run the pages; 1 if anything failed."""
    failures: list[str] = []
    for name in pages or PAGES:
        print(f"== {name}", flush=True)
        with tempfile.TemporaryDirectory(prefix="newcomer-") as folder:
            page = Page(name, Path(folder))
            copy_tracked(page.folder)
            page.run()
        failures += [f"{name}: {failure}" for failure in page.failures]
    for failure in failures:
        print(f"FAILED {failure}", file=sys.stderr)
    print(f"{len(failures)} failures", flush=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
