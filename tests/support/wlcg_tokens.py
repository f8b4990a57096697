"""WLCG tokens of an issuer of the tests', whose keys a server has already."""

from __future__ import annotations

import json
import sqlite3
import time
from pathlib import Path

from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

__all__ = ["AUDIENCE", "TokenIssuer"]

AUDIENCE = "https://storage.example.org"


class TokenIssuer:
    """Signs tokens; nobody answers at its address, the server finds its keys in its cache."""

    url = "https://issuer.example.org"

    def __init__(self) -> None:
        self._key = ECKey.generate_key("P-256", {"kid": "1", "alg": "ES256", "use": "sig"}, private=True)

    def token(self, lifetime: float = 3600, scope: str = "storage.read:/") -> str:
        """A token that is valid for some seconds, or not any more."""
        now = int(time.time())
        claims = {
            "iss": self.url,
            "sub": "ada",
            "aud": AUDIENCE,
            "scope": scope,
            "wlcg.ver": "1.0",
            "jti": str(time.time_ns()),
            "iat": now - 100,
            "nbf": now - 100,
            "exp": int(now + lifetime),
        }
        return jwt.encode({"alg": "ES256", "kid": "1"}, claims, self._key)

    def configure(self, folder: Path) -> tuple[list[str], dict[str, str]]:
        """Lines of a server's configuration and its environment, so that it takes these tokens alone."""
        cache = folder / "cache" / "scitokens"
        cache.mkdir(parents=True)
        later = int(time.time()) + 86400
        keys = {"jwks": KeySet([self._key]).as_dict(private=False), "next_update": later, "expires": later}
        with sqlite3.connect(cache / "scitokens_cpp.sqllite") as database:
            database.execute("CREATE TABLE keycache (issuer text UNIQUE PRIMARY KEY NOT NULL, keys text NOT NULL)")
            database.execute("INSERT INTO keycache VALUES (?, ?)", (self.url, json.dumps(keys)))
        database.close()
        (folder / "scitokens.cfg").write_text(
            f"[Global]\naudience = {AUDIENCE}\n\n[Issuer Test]\nissuer = {self.url}\nbase_path = /\n"
        )
        lines = [
            "ofs.authorize 1",
            f"ofs.authlib libXrdAccSciTokens.so config={folder}/scitokens.cfg",
        ]
        return lines, {"XDG_CACHE_HOME": str(folder / "cache")}
