"""Where settings come from, which of them wins, and what is said of wrong ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mlaas4hep.errors import ConfigError, FileReadError
from mlaas4hep.inference.operation.settings_file import load_settings
from mlaas4hep.inference.settings import Settings

P = "MLAAS4HEP_SERVE_"


def test_defaults() -> None:
    settings = load_settings()
    assert settings == Settings()
    assert (settings.host, settings.port, settings.grpc_port) == ("127.0.0.1", 8083, 8001)


def test_the_last_wins(tmp_path: Path) -> None:
    file = tmp_path / "serve.yaml"
    file.write_text("port: 1\ngrpc_port: 2\nworkers: 3\nlimits: {body: 1 MB, rows: 7}\n")
    settings = load_settings(
        file, {f"{P}PORT": "10", f"{P}GRPC_PORT": "20", f"{P}LIMITS__BODY": "2 MiB"}, {"port": 100}
    )
    assert (settings.port, settings.grpc_port, settings.workers) == (100, 20, 3)
    assert (settings.limits.body, settings.limits.rows) == (2 * 2**20, 7)


def test_options_that_were_not_given_change_nothing() -> None:
    assert load_settings(None, {f"{P}HOST": "::1"}, {"host": None}).host == "::1"


def test_paths_in_the_file_start_at_the_file(tmp_path: Path) -> None:
    file = tmp_path / "serve.yaml"
    file.write_text("repository: models\nlog_file: /var/log/x\ntls: {certificate: a.pem, key: b.pem}\n")
    settings = load_settings(file, {}, {"tls.key": Path("c.pem")})
    assert settings.repository == tmp_path / "models"
    assert settings.log_file == Path("/var/log/x")
    assert settings.tls.certificate == tmp_path / "a.pem"
    assert settings.tls.key == Path("c.pem")


@pytest.mark.parametrize(
    ("name", "text", "read"),
    [
        ("SECURITY__ISSUERS", "https://a.example, https://b.example/", ("https://a.example", "https://b.example/")),
        ("ROOT_URLS", "root://eos.example//store", ("root://eos.example//store",)),
        ("GRPC_PORT", "null", None),
        ("INSECURE", "true", True),
        ("LIMITS__RATE", "5000-m", "5000-M"),
        ("BASE_PATH", "ml/v1/", "/ml/v1"),
        ("DRAIN", "2.5", 2.5),
        ("LOG", "text", "text"),
    ],
)
def test_the_environment(name: str, text: str, read: Any) -> None:
    settings: Any = load_settings(None, {f"{P}{name}": text, "OTHER": "x"})
    for part in name.lower().split("__"):
        settings = getattr(settings, part)
    assert settings == read


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("prot: 1", "{file}: unknown key 'prot'; did you mean 'port'?"),
        ("limits: {bdy: 1}", "{file}: limits: unknown key 'bdy'; did you mean 'body'?"),
        ("port: 70000", "{file}: port: should be less than or equal to 65535, is 70000"),
        (
            "limits: {rate: 5-X}",
            "{file}: limits.rate: should be a number and a unit, S, M, H or D, such as '100-S', is '5-X'",
        ),
        (
            "security: {issuers: ['http://a.example']}",
            "{file}: security.issuers: should be an https URL, is 'http://a.example'",
        ),
        ("tls: {key: k.pem}", "{file}: tls: needs both `certificate` and `key`"),
        ("base_path: /a/../b", "{file}: base_path: should be a path such as '/ml', is '/a/../b'"),
        ("- port", "{file}: should be a mapping of keys to values"),
        ("limits: 5", "{file}: limits: should be a mapping of keys to values, is 5"),
        ("port: 1\nport: 2", "{file}"),
    ],
)
def test_a_wrong_file(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "serve.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError) as error:
        load_settings(file)
    assert str(error.value).startswith(message.format(file=file))
    assert "\n" not in str(error.value)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileReadError, match="no such file"):
        load_settings(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("variables", "options", "message"),
    [
        ({f"{P}PROT": "1"}, {}, f"{P}PROT: unknown variable of the environment; did you mean '{P}PORT'?"),
        ({f"{P}PORT": "many"}, {}, f"{P}PORT: should be a valid integer, is 'many'"),
        ({f"{P}LIMITS__ROWS": "0"}, {}, f"{P}LIMITS__ROWS: should be greater than 0, is '0'"),
        ({}, {"workers": 0}, "--workers: should be greater than or equal to 1, is 0"),
    ],
)
def test_a_wrong_value_is_told_with_its_source(
    variables: dict[str, str], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError) as error:
        load_settings(None, variables, options)
    assert str(error.value) == message
