"""Every call over HTTP and gRPC without a good token is refused, by a real server and a real OpenID provider."""

from __future__ import annotations

import base64
import hmac
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import httpx
import pytest
from joserfc import jwk, jwt
from tritonclient.grpc import service_pb2, service_pb2_grpc

from mlaas4hep.inference.grpc.rights import right_of
from mlaas4hep.inference.grpc.service import METHODS, SERVICE
from mlaas4hep.web.rights import Right
from tests.support.issuer import AUDIENCE, SCOPES, Issuer
from tests.support.serve_process import ServeProcess, eventually
from tests.support.table import table

OPEN = {"/health/live", "/health/ready", "/v2/health/live", "/v2/health/ready"}
NAMES = {"model": "scorer", "version": "1", "label": "stable", "path:path": "model.onnx"}
BAD = ("none", "basic", "garbage", "unsigned", "hmac", "forged", "altered", "expired", "audience", "issuer", "ps256")


def routes() -> list[tuple[str, str]]:
    """All calls of the application, with real names in the paths."""
    found = []
    for call in table().calls:
        path = call.path
        for name, value in NAMES.items():
            path = path.replace(f"{{{name}}}", value)
        found.append((call.method, path))
    return [(method, path) for method, path in found if path not in OPEN]


def expected(method: str, path: str) -> Right:
    """By the words of the interface, not by the code: what changes models, what scores, what looks."""
    if method == "GET" or path == "/v2/repository/index":
        return Right.READ
    scoring = path.startswith(("/predict", "/json", "/proto", "/image")) or path.endswith("/infer")
    return Right.PREDICT if scoring else Right.MANAGE


SCOPE = {Right.READ: "models.read", Right.PREDICT: "models.predict", Right.MANAGE: "models.manage"}


@pytest.fixture(scope="module")
def client(guarded: ServeProcess) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=guarded.url, timeout=30) as made:
        yield made


@pytest.fixture(scope="module")
def channel(guarded: ServeProcess) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(guarded.grpc) as made:
        yield made


@pytest.fixture(scope="module")
def bad(issuer: Issuer, foreign: Issuer) -> dict[str, str | None]:
    """Headers that must not open anything, by what is wrong with them."""
    good = issuer.token()
    head, _, signature = good.split(".")
    content = {
        "iss": issuer.url,
        "sub": "physicist",
        "aud": AUDIENCE,
        "scope": SCOPES,
        "iat": int(time.time()),
        "exp": int(time.time()) + 3600,
    }
    own = next(key for key in json.loads(issuer.keys.read_text()) if key["alg"] == "RS256")
    unsigned = signed({"alg": "none"}, content, b"")
    public = jwk.RSAKey.import_key(own).as_pem(private=False)  # the key that everybody has, taken for a secret
    confused = signed({"alg": "HS256", "kid": own["kid"]}, content, public)
    forged = jwt.encode({"alg": "RS256", "kid": own["kid"]}, content, jwk.RSAKey.generate_key(2048))
    return {
        "none": None,
        "basic": "Basic cGh5c2ljaXN0OnNlY3JldA==",
        "garbage": "Bearer abc.def.ghi",
        "unsigned": f"Bearer {unsigned}",
        "hmac": f"Bearer {confused}",
        "forged": f"Bearer {forged}",
        "altered": f"Bearer {head}.{issuer.token('models.read').split('.')[1]}.{signature}",
        "expired": f"Bearer {issuer.token(ttl=-3600)}",
        "audience": f"Bearer {issuer.token(audience='http://other.example')}",
        "issuer": f"Bearer {foreign.token()}",
        "ps256": f"Bearer {issuer.token(alg='PS256')}",
    }


def signed(header: dict[str, str], claims: dict[str, Any], secret: bytes) -> str:
    """A token by HMAC, or without a signature."""
    start = b".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, claims))
    signature = hmac.digest(secret, start, "sha256") if secret else b""
    return (start + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()


def headers(text: str | None) -> dict[str, str]:
    return {} if text is None else {"authorization": text}


def test_the_table_of_rights_covers_every_route() -> None:
    found, known = routes(), table()
    assert len(found) > 40
    assert {(method, path): known.find(method, path).right for method, path in found} == {
        (method, path): expected(method, path) for method, path in found
    }
    assert all(known.find("GET", path).right is Right.OPEN for path in OPEN)


@pytest.mark.parametrize(
    ("method", "path", "right"),
    [
        ("POST", "/v2/models/a/b/infer", Right.MANAGE),
        ("POST", "/ml/v2/models/a/infer", Right.MANAGE),
        ("BREW", "/coffee", Right.MANAGE),
        ("GET", "/coffee", Right.READ),
        ("OPTIONS", "/upload", Right.READ),
        ("HEAD", "/models", Right.READ),
        ("POST", "/health/live", Right.MANAGE),
        ("GET", "/health/live/", Right.READ),
    ],
)
def test_what_is_not_in_the_table_needs_a_right(method: str, path: str, right: Right) -> None:
    assert table().find(method, path).right is right


@pytest.mark.parametrize("kind", BAD)
def test_http_refuses(client: httpx.Client, bad: dict[str, str | None], kind: str) -> None:
    for method, path in routes():
        response = client.request(method, path, headers=headers(bad[kind]), content=b"{}" if method != "GET" else None)
        assert (response.status_code, method, path) == (401, method, path)
        challenge = response.headers["www-authenticate"]
        assert challenge.startswith("Bearer")
        assert ('error="invalid_token"' in challenge) == (kind not in ("none", "basic"))
        assert response.json()["error"]


@pytest.mark.parametrize(("method", "path"), routes())
def test_http_wants_the_scope(client: httpx.Client, issuer: Issuer, method: str, path: str) -> None:
    needed = SCOPE[expected(method, path)]
    others = " ".join(scope for scope in SCOPE.values() if scope != needed)
    response = client.request(method, path, headers=headers(f"Bearer {_token(issuer, others)}"))
    assert response.status_code == 403
    assert response.json() == {"error": f"the token lacks the scope {needed}"}
    assert response.headers["www-authenticate"].endswith(f'error="insufficient_scope", scope="{needed}"')
    if method == "GET":
        allowed = client.get(path, headers=headers(f"Bearer {_token(issuer, needed)}"))
        assert allowed.status_code not in (401, 403)


@pytest.mark.parametrize("alg", ["RS256", "ES256"])
def test_http_answers_with_a_good_token(client: httpx.Client, issuer: Issuer, alg: str) -> None:
    token = issuer.token("models.predict", alg=alg)
    body = {"model": "scorer", "rows": [[1.0, 2.0, 3.0]]}
    for _ in range(2):  # verified, then remembered
        response = client.post("/predict", json=body, headers=headers(f"bearer {token}"))
        assert response.status_code == 200
        assert len(response.json()["scores"][0]) == 2


def test_the_wlcg_audience_is_for_all(client: httpx.Client, issuer: Issuer) -> None:
    token = issuer.token("models.read", audience="https://wlcg.cern.ch/jwt/v1/any")
    assert client.get("/models", headers=headers(f"Bearer {token}")).status_code == 200


def test_health_is_open(client: httpx.Client) -> None:
    for path in sorted(OPEN):
        assert client.get(path).status_code == 200


def test_a_token_that_expires_is_not_remembered(start: Callable[..., ServeProcess], issuer: Issuer) -> None:
    serving = start({"security": {"issuers": [issuer.url], "audience": [AUDIENCE], "leeway": 0}})
    token = issuer.token("models.read", ttl=3)
    expires = time.time() + 3
    with httpx.Client(base_url=serving.url, headers=headers(f"Bearer {token}")) as made:
        assert made.get("/models").status_code == 200
        while made.get("/models").status_code == 200:
            assert time.time() < expires + 2
        assert made.get("/models").json() == {"error": "the token is expired"}
    assert time.time() >= expires - 1
    serving.stop()


CALLS = {
    "ServerMetadata": Right.READ,
    "ModelReady": Right.READ,
    "ModelMetadata": Right.READ,
    "ModelConfig": Right.READ,
    "ModelStatistics": Right.READ,
    "RepositoryIndex": Right.READ,
    "ModelInfer": Right.PREDICT,
    "ModelStreamInfer": Right.PREDICT,
    "RepositoryModelLoad": Right.MANAGE,
    "RepositoryModelUnload": Right.MANAGE,
}


def call(channel: grpc.Channel, name: str, header: str | None) -> grpc.StatusCode:
    """The status of a call with a header."""
    stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
    metadata = [] if header is None else [("authorization", header)]
    try:
        if name == "ModelStreamInfer":
            list(stub.ModelStreamInfer(iter([service_pb2.ModelInferRequest()]), metadata=metadata, timeout=20))
        else:
            getattr(stub, name)(getattr(service_pb2, f"{name}Request")(), metadata=metadata, timeout=20)
    except grpc.RpcError as error:
        return error.code()
    return grpc.StatusCode.OK


@pytest.mark.parametrize("kind", BAD)
def test_grpc_refuses(channel: grpc.Channel, bad: dict[str, str | None], kind: str) -> None:
    for name in CALLS:
        assert (call(channel, name, bad[kind]), name) == (grpc.StatusCode.UNAUTHENTICATED, name)


@pytest.mark.parametrize("name", CALLS)
def test_grpc_wants_the_scope(channel: grpc.Channel, issuer: Issuer, name: str) -> None:
    assert right_of(f"/{SERVICE}/{name}") is CALLS[name]
    needed = SCOPE[CALLS[name]]
    others = " ".join(scope for scope in SCOPE.values() if scope != needed)
    assert call(channel, name, f"Bearer {_token(issuer, others)}") is grpc.StatusCode.PERMISSION_DENIED
    status = call(channel, name, f"Bearer {_token(issuer, needed)}")
    assert status not in (grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAUTHENTICATED)


def test_grpc_refuses_what_it_does_not_know_and_leaves_health_open(channel: grpc.Channel) -> None:
    assert {method.name for method in METHODS} == {*CALLS, "ServerLive", "ServerReady"}
    unknown = channel.unary_unary("/some.Service/Call")
    with pytest.raises(grpc.RpcError) as refused:
        unknown(b"", timeout=20)
    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
    stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
    assert stub.ServerLive(service_pb2.ServerLiveRequest()).live
    assert stub.ServerReady(service_pb2.ServerReadyRequest()).ready


_TOKENS: dict[tuple[str, str], str] = {}


def _token(issuer: Issuer, scope: str) -> str:
    if (issuer.url, scope) not in _TOKENS:
        _TOKENS[issuer.url, scope] = issuer.token(scope)
    return _TOKENS[issuer.url, scope]


def test_the_log_names_who_changed_something_over_grpc(
    guarded: ServeProcess, channel: grpc.Channel, issuer: Issuer
) -> None:
    for _ in range(2):  # with a token that is verified, and with one that is remembered
        call(channel, "RepositoryModelLoad", f"Bearer {_token(issuer, 'models.manage')}")

    def subjects() -> list[str]:
        lines = [line for line in guarded.lines("request") if line["path"].endswith("/RepositoryModelLoad")]
        return [line["subject"] for line in lines if line["status"] not in ("UNAUTHENTICATED", "PERMISSION_DENIED")]

    assert eventually(lambda: len(found := subjects()) >= 2 and set(found) == {"physicist"})
