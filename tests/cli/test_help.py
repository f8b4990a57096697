"""What every command says about itself, and that saying it costs nothing."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from mlaas4hep import __version__
from tests.support.cli import run

COMMANDS = ("train", "workflow", "inspect", "specs", "predict", "evaluate", "reader", "resnet", "hep_resnet", "doctor")
HEAVY = {
    "awkward", "fastavro", "fsspec", "hist", "keras", "matplotlib", "mplhep", "numba", "numpy", "onnx", "onnxruntime",
    "pandas", "pyarrow", "pydantic", "scipy", "skl2onnx", "sklearn", "skops", "tensorflow", "torch", "uproot",
    "xgboost", "yaml",
}  # fmt: skip
LIST_MODULES = """
import json, sys
from mlaas4hep.cli.main import main
try:
    main(sys.argv[1:])
finally:
    print("modules:", json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def words(text: str) -> str:
    """The text without frames and line breaks."""
    return " ".join(text.translate(str.maketrans("│╭╮╰╯─", "      ")).split())


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_an_example(command: str) -> None:
    outcome = run(command, "--help")
    assert outcome.code == 0
    assert outcome.err == ""
    text = words(outcome.out)
    assert f"Usage: mlaas4hep {command}" in text
    example = text.partition("Examples: ")[2]
    assert example.count(f"mlaas4hep {command} ") >= 2


def test_a_group_without_a_command_says_what_is_missing() -> None:
    outcome = run("models")
    assert outcome.code == 2
    assert "upload" in outcome.out
    assert outcome.err == "error: a command is missing; see `mlaas4hep models --help`\n"


def test_help_names_every_command() -> None:
    for arguments in (["--help"], ["-h"], []):
        outcome = run(*arguments)
        assert outcome.code == 0
        assert "Usage: mlaas4hep [OPTIONS] COMMAND" in words(outcome.out)
        for command in COMMANDS:
            assert f" {command} " in words(outcome.out)


def test_version() -> None:
    outcome = run("--version")
    assert (outcome.code, outcome.out, outcome.err) == (0, f"mlaas4hep {__version__}\n", "")


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["train", "--help"], ["nonsense"]])
def test_nothing_heavy_is_imported(arguments: list[str]) -> None:
    done = subprocess.run([sys.executable, "-c", LIST_MODULES, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == (2 if arguments == ["nonsense"] else 0), done.stderr
    allowed = {"pydantic"} if "--help" not in arguments[:1] else set()  # typer itself imports it for a command
    line = next(line for line in done.stdout.splitlines() if line.startswith("modules: "))
    assert (HEAVY - allowed) & set(json.loads(line.removeprefix("modules: "))) == set()
