"""A real OpenID provider: npm's oidc-provider on node, installed once in the user's cache."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import shutil
import subprocess
import urllib.parse
import urllib.request
from pathlib import Path

import pytest

__all__ = ["AUDIENCE", "SCOPES", "Issuer", "install"]

AUDIENCE = "http://models.example"
SCOPES = "models.read models.predict models.manage"
_SOURCE = Path(__file__).parent / "oidc"


class Issuer:
    """A running provider. Killed and started again it has the same address, and new keys if the file is gone.

    Attributes:
        url: as in the claim ``iss``.
        keys: file with the private keys.
    """

    def __init__(self, keys: Path) -> None:
        self.keys = keys
        self._folder = install()
        self._port = 0
        self.url = ""
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(
            ["node", "issuer.mjs", str(self._port), str(self.keys)],
            cwd=self._folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self._process.stdout is not None
        self.url = json.loads(self._process.stdout.readline())["url"]
        self._port = urllib.parse.urlsplit(self.url).port or 0

    def stop(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()
        self._process.wait(10)

    def token(self, scope: str = SCOPES, audience: str = AUDIENCE, *, ttl: int = 3600, alg: str = "RS256") -> str:
        """An access token by client credentials."""
        data = {
            "grant_type": "client_credentials",
            "resource": f"{audience}?ttl={ttl}&alg={alg}",
            "scope": scope,
        }
        secret = base64.b64encode(b"physicist:secret").decode()
        request = urllib.request.Request(
            f"{self.url}/token", urllib.parse.urlencode(data).encode(), {"authorization": f"Basic {secret}"}
        )
        with urllib.request.urlopen(request, timeout=10) as response:
            return str(json.load(response)["access_token"])


def install() -> Path:
    """The folder with the provider; skips the test where there is no node, or its packages cannot be had."""
    for tool in ("node", "npm"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed, so there is no OpenID provider")
    version = json.loads((_SOURCE / "package.json").read_text())["dependencies"]["oidc-provider"]
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    folder = cache / "mlaas4hep-tests" / f"oidc-provider-{version}"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for name in ("package.json", "issuer.mjs"):
            shutil.copyfile(_SOURCE / name, folder / name)
        if not (folder / ".installed").exists():
            command = ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts"]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)
            if done.returncode:
                pytest.skip(f"npm cannot install oidc-provider {version}: {done.stderr.strip()[-300:]}")
            (folder / ".installed").touch()
    return folder
