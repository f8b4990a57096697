from __future__ import annotations

import math
from pathlib import Path

import pytest

from mlaas4hep.config.json_file import read_json, read_text
from mlaas4hep.errors import ConfigError, FileReadError, MLaaS4HEPError


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "p.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_nan_and_byte_order_mark(tmp_path: Path) -> None:
    found = read_json(written(tmp_path, b'\xef\xbb\xbf{"nan": NaN}'))
    assert math.isnan(found["nan"])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{\n  "epochs": 3,\n}', ":3:1: not valid JSON: Expecting property name enclosed in double quotes"),
        ('{"epochs": 3', ":1:13: not valid JSON: Expecting ',' delimiter"),
        ("", ":1:1: not valid JSON: Expecting value"),
        ('{"epochs": 3, "epochs": 4}', ": key 'epochs' is given twice; keep one of them"),
        ('{"a": {"b": 1, "b": 2}}', ": key 'b' is given twice; keep one of them"),
        ("[1]", ": should be an object { ... } of keys and values"),
        ("[" * 100_000, ": is nested too deeply"),
        (b'{"a": "\xff"}', ": is not UTF-8 text (byte 7)"),
    ],
)
def test_bad_json(tmp_path: Path, text: str | bytes, problem: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        read_json(path)
    assert str(caught.value).startswith(f"{path}{problem}")
    assert "\n" not in str(caught.value)


def test_a_number_of_thousands_of_digits(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not valid JSON"):
        read_json(written(tmp_path, '{"a": ' + "9" * 5000 + "}"))


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(FileReadError) as caught:
        read_text(tmp_path / "none.json")
    assert str(caught.value) == f"{tmp_path / 'none.json'}: no such file"


def test_a_name_no_file_can_have() -> None:
    with pytest.raises(FileReadError, match="no such file"):
        read_text(Path("a\0b"))


def test_a_folder(tmp_path: Path) -> None:
    with pytest.raises(MLaaS4HEPError, match="cannot be read \\(Is a directory\\)"):
        read_text(tmp_path)
