#!/usr/bin/env python3
"""Keep an X.509 proxy and a bearer token valid, and raise an alarm when that fails.

``renew_credentials.py once`` (for cron) renews what ends soon; ``loop`` does so for ever; ``check`` renews nothing and
says how long they last. Exit codes: 0 all is well, 1 something ends soon and could not be renewed (``check``: ends
soon), 2 something has expired or is missing.

Settings are in the environment:

    PROXY_COMMAND   makes a proxy in {file}, e.g. voms-proxy-init --voms cms --valid 24:00 --out {file}
    PROXY_FILE      the proxy; default: X509_USER_PROXY, or the usual file
    PROXY_BEFORE    seconds before its end when it is renewed; default 21600
    TOKEN_COMMAND   prints a token, e.g. oidc-token cms, or htgettoken ... -o /dev/stdout
    TOKEN_FILE      the token; default: BEARER_TOKEN_FILE, or the usual file
    TOKEN_BEFORE    seconds before its end when it is renewed; default 1200
    ALARM_COMMAND   gets one line about what failed on its standard input, e.g. mail -s credentials me@example.org
    PAUSE           seconds between two looks of the loop; default 60

A command is run without a shell. What it makes replaces the old file whole, readable by its owner alone, and only if it
is valid for longer. An alarm is raised once, and again only after all was well.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlaas4hep.credentials import bearer, x509
from mlaas4hep.credentials.found import Credential, duration

__all__ = ["main"]

SECONDS = 300
"""That a command may take."""


@dataclass(frozen=True)
class Kind:
    """What is kept valid.

    Attributes:
        name: for messages and the names of settings, in capitals.
        variable: that names its file for every tool.
        usual: name of its file in /tmp.
        before: seconds before its end when it is renewed.
        find: looks for it where ``variable`` says.
        prints: whether the command prints it, rather than writing a file.
    """

    name: str
    variable: str
    usual: str
    before: float
    find: Callable[[], Credential | None]
    prints: bool

    @property
    def command(self) -> list[str]:
        """What makes a new one; empty: it is not kept."""
        return shlex.split(os.environ.get(f"{self.name.upper()}_COMMAND", ""))

    @property
    def file(self) -> Path:
        """Where it lies."""
        named = os.environ.get(f"{self.name.upper()}_FILE") or os.environ.get(self.variable)
        return Path(named) if named else Path("/tmp", f"{self.usual}{os.getuid()}")

    def left(self, file: Path) -> float:
        """Seconds for which the one in a file is valid; 0 if there is none."""
        if not file.is_file():
            return 0.0
        os.environ[self.variable] = str(file)
        found = self.find()
        if found is None or found.problem is not None or found.exposed is not None:
            return 0.0
        return float("inf") if found.expires is None else max(0.0, found.expires - time.time())

    def soon(self) -> float:
        """Seconds before its end when it is renewed, as the settings say."""
        return float(os.environ.get(f"{self.name.upper()}_BEFORE") or self.before)


KINDS = (
    Kind("proxy", "X509_USER_PROXY", "x509up_u", 21600, x509.find, prints=False),
    Kind("token", "BEARER_TOKEN_FILE", "bt_u", 1200, bearer.find, prints=True),
)


def renew(kind: Kind) -> str | None:
    """Make a new one if the old one ends soon; return what went wrong, or None."""
    file = kind.file
    left = kind.left(file)
    if left > kind.soon():
        return None
    with tempfile.TemporaryDirectory(dir=file.parent, prefix=".renewed") as folder:
        made = Path(folder) / "new"
        reason = _make(kind, made)
        if reason is None and kind.left(made) <= left:
            reason = "gave one that is valid for no longer"
        if reason is None:
            made.chmod(0o600)
            made.replace(file)
            return None
    state = f"is valid for {duration(left)} more" if left else "is not valid"
    return f"the {kind.name} in {file} {state}, and {kind.command[0]} {reason}"


def _make(kind: Kind, made: Path) -> str | None:
    line = [part.replace("{file}", str(made)) for part in kind.command]
    try:
        done = subprocess.run(line, capture_output=True, timeout=SECONDS, check=False, stdin=subprocess.DEVNULL)
    except OSError as error:
        return f"cannot be run ({error.strerror})"
    except subprocess.TimeoutExpired:
        return f"took over {SECONDS} s"
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        return f"failed with exit code {done.returncode}{f' ({said[-1][:200]})' if said else ''}"
    if kind.prints:
        made.touch(mode=0o600)
        made.write_bytes(done.stdout.strip() + b"\n")
    elif made.is_file():
        made.chmod(0o600)
    return None if made.is_file() else "wrote no file; say {file} where its name belongs"


def look() -> tuple[int, list[str]]:
    """Return the exit code of ``check``, and one line for each kind."""
    code, lines = 0, []
    for kind in (kind for kind in KINDS if kind.command):
        left = kind.left(kind.file)
        code = max(code, 2 if left <= 0 else 1 if left <= kind.soon() else 0)
        state = "has expired or is missing" if left <= 0 else f"is valid for {_text(left)}"
        lines.append(f"{kind.name}: {kind.file} {state}")
    return code, lines


def _text(left: float) -> str:
    return "ever" if left == float("inf") else duration(left)


def alarm(problems: Sequence[str], raised: Path) -> None:
    """Tell somebody, unless it has been told already; all being well, forget it."""
    if not problems:
        raised.unlink(missing_ok=True)
        return
    text = "; ".join(problems)
    print(f"error: {text}", file=sys.stderr, flush=True)
    command = shlex.split(os.environ.get("ALARM_COMMAND", ""))
    if not command or raised.exists():
        return
    try:
        subprocess.run(command, input=f"{text}\n", text=True, timeout=SECONDS, check=True)
        raised.touch()
    except (OSError, subprocess.SubprocessError) as error:
        print(f"error: the alarm itself failed: {error}", file=sys.stderr, flush=True)


def once() -> int:
    """Renew what ends soon; return the exit code."""
    kept = [kind for kind in KINDS if kind.command]
    problems = [problem for kind in kept if (problem := renew(kind)) is not None]
    raised = kept[0].file.with_name(f".alarm-raised-{os.getuid()}")
    alarm(problems, raised)
    return max(look()[0], 1) if problems else 0


def main(arguments: Sequence[str]) -> int:
    """Run what the command line says; return the exit code."""
    if list(arguments) not in (["once"], ["loop"], ["check"]):
        print(__doc__, file=sys.stderr)
        return 2
    if not any(kind.command for kind in KINDS):
        print("error: neither PROXY_COMMAND nor TOKEN_COMMAND is set", file=sys.stderr)
        return 2
    os.umask(0o077)
    os.environ.pop("BEARER_TOKEN", None)  # which would hide the file
    if arguments[0] == "check":
        code, lines = look()
        print("\n".join(lines))
        return code
    while True:
        code = once()
        if arguments[0] == "once":
            return code
        time.sleep(float(os.environ.get("PAUSE") or 60))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
