"""The Python client with tokens of a real OpenID provider."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mlaas4hep.client import ModelClient, ServerError
from tests.support.issuer import Issuer
from tests.support.onnx_models import reference, scorer
from tests.support.serve_process import ServeProcess, eventually


def test_no_token_and_too_few_rights(guarded: ServeProcess, issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    with ModelClient(guarded.url, token="") as client, pytest.raises(ServerError, match="BEARER_TOKEN") as caught:
        client.models()
    assert caught.value.status == 401
    monkeypatch.setenv("BEARER_TOKEN", issuer.token("models.read"))
    with ModelClient(guarded.url) as client:
        [model] = eventually(client.models)  # a file put there by hand counts when it no longer changes
        assert model["name"] == "scorer"
        with pytest.raises(ServerError, match=r"lacks the scope models\.manage \(status 403\)"):
            client.delete("scorer")


@pytest.mark.parametrize("rows", [2, 3000])
def test_a_token_that_may_predict_and_nothing_else(
    guarded: ServeProcess, issuer: Issuer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    """A large matrix goes by JSON then, as the client may not ask for the names of the model's tensors."""
    monkeypatch.delenv("BEARER_TOKEN", raising=False)
    (tmp_path / "token").write_text(issuer.token("models.predict"))
    monkeypatch.setenv("BEARER_TOKEN_FILE", str(tmp_path / "token"))
    matrix = np.random.default_rng(rows).normal(size=(rows, 3)).astype(np.float32)
    with ModelClient(guarded.url) as client:
        scores = client.predict(matrix, "scorer")
        with pytest.raises(ServerError, match="status 403"):
            client.metadata("scorer")
    np.testing.assert_allclose(scores, reference(scorer(), {"features": matrix})["scores"], rtol=1e-5, atol=1e-6)
