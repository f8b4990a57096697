"""The repository around the code: documentation is complete and true, versions are pinned, files stay small."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import subprocess
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer.main
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from mlaas4hep import __version__
from mlaas4hep.cli.main import app
from mlaas4hep.config import read_legacy, read_yaml
from mlaas4hep.config.legacy.params import KEYS

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT / "docs" / "reference"
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")])
BINARY = {".root", ".png", ".jpg"}


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"repository_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def own_files() -> list[Path]:
    """Files that belong to the repository: those git knows or would not ignore."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no git, or not a clone")
    return [ROOT / name for name in listed if (ROOT / name).is_file()]


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pairs}


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_generated_reference_is_up_to_date() -> None:
    wanted = load(ROOT / "tools" / "reference.py").files()
    assert {path.name for path in REFERENCE.glob("*.json")} <= set(wanted), "a schema that nothing writes"
    for name, content in wanted.items():
        assert (REFERENCE / name).read_bytes() == content, f"{name}: run make reference"


@pytest.mark.parametrize("page", ["commands", "server", "workflow"])
def test_every_command_option_and_key_has_a_meaning(page: str) -> None:
    rows = [line for line in (REFERENCE / f"{page}.md").read_text().splitlines() if line.startswith("| `")]
    assert rows
    assert [row for row in rows if not row.rstrip(" |").rpartition("|")[2].strip(" `")] == []
    assert [row for row in rows if row.endswith("|  |")] == []


def test_every_parameter_is_documented_and_no_other() -> None:
    text = (REFERENCE / "params.md").read_text().split("# files.txt")[0]
    documented = set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE))
    spelled = {"normalization"}
    assert documented | spelled == set(KEYS)
    assert all(f"`{word}`" in text for word in spelled)


def commands_in(page: Path) -> Iterator[str]:
    for block in re.findall(r"```bash\n(.*?)```", page.read_text(), re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            match = re.search(r"(?:^|\s)(mlaas4hep .*)", line)
            if match:
                yield match[1].split("#")[0].strip()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_in_the_pages_exist(page: Path) -> None:
    known: Any = typer.main.get_command(app)
    for command in commands_in(page):
        words = command.split()[1:]
        if words[0].startswith("-"):
            continue
        found = known
        while hasattr(found, "commands"):
            assert words[0] in found.commands, command
            found = found.commands[words.pop(0)]
        options = {option for parameter in found.params for option in parameter.opts} | {"--help"}
        given = [word.split("=")[0] for word in words if re.match(r"-{1,2}[a-z]", word)]
        assert set(given) <= options, command


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_in_the_pages_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text())
    local = [link for link in links if "://" not in link]
    assert [link for link in local if not (page.parent / link).exists()] == []


def test_documentation_lists_every_page() -> None:
    listed = (ROOT / "mkdocs.yml").read_text()
    docs = ROOT / "docs"
    assert [str(page) for page in docs.rglob("*.md") if str(page.relative_to(docs)) not in listed] == []


def test_makefile_has_the_targets_of_the_pages() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {name for page in PAGES for name in re.findall(r"`make ([a-z]+)`|^make ([a-z]+)", page.read_text())}
    assert {name for pair in named for name in pair if name} | {"demo", "test", "lint", "bench"} <= targets


def test_version_is_the_same_everywhere() -> None:
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == __version__
    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text()


def test_no_file_names_this_machine() -> None:
    """No path below the home or beside the clone that really exists here."""
    absolute = re.compile(r"(?<![\w./:-])/[\w.-]+(?:/[\w.-]+)+")
    found = [
        f"{path.relative_to(ROOT)}: {place}"
        for path in own_files()
        if path.suffix not in BINARY
        for place in absolute.findall(path.read_text(encoding="utf-8"))
        if (Path.home() in Path(place).parents or ROOT.parent in Path(place).parents) and Path(place).exists()
    ]
    assert found == []


def test_no_file_is_large() -> None:
    assert [str(path) for path in own_files() if path.stat().st_size > 2_000_000] == []
    code = [path for path in own_files() if path.suffix == ".py"]
    assert [str(path) for path in code if len(path.read_text().splitlines()) > 500] == []


def test_scripts_can_be_run() -> None:
    of_deployment = [str(path.relative_to(ROOT)) for path in (ROOT / "deploy").rglob("*.sh")]
    for name in (".ci/run", "tools/venv.sh", "tools/system-packages.sh", *of_deployment):
        assert os.access(ROOT / name, os.X_OK), name
        assert (ROOT / name).read_text().startswith("#!/usr/bin/env bash\n")
        assert re.search(r"^set -e?uo pipefail$", (ROOT / name).read_text(), re.MULTILINE)


def wanted() -> list[Requirement]:
    data = project()
    extras = data["project"]["optional-dependencies"]
    groups = data["dependency-groups"]
    names = [name for name in extras if name not in ("all", "simulate")]
    texts = [*data["project"]["dependencies"], *(text for name in names for text in extras[name])]
    texts += [text for name in ("test", "lint", "docs") for text in groups[name]]
    return [Requirement(text) for text in texts]


def test_constraints_pin_everything_that_is_asked_for() -> None:
    pinned = pins()
    for requirement in wanted():
        if requirement.marker is None or requirement.marker.evaluate(
            {"sys_platform": "linux", "platform_machine": "x86_64"}
        ):
            name = canonicalize_name(requirement.name)
            assert name in pinned, requirement
            assert requirement.specifier.contains(pinned[name]), requirement
    assert pinned["torch"] == "2.13.0"


def test_all_holds_every_extra_but_the_generator() -> None:
    extras = project()["project"]["optional-dependencies"]
    inside = re.findall(r"\[(.*)\]", extras["all"][0])[0].split(",")
    assert set(inside) == set(extras) - {"all", "simulate"}


def test_core_needs_no_heavy_framework() -> None:
    core = {canonicalize_name(Requirement(text).name) for text in project()["project"]["dependencies"]}
    assert not core & {"tensorflow", "tensorflow-cpu", "keras", "torch", "xgboost", "xgboost-cpu", "xrootd"}
    assert {"scikit-learn", "onnxruntime"} <= core


def test_example_is_valid_in_both_forms() -> None:
    folder = ROOT / "examples" / "higgs"
    new = read_yaml(folder / "workflow.yaml")
    old = read_legacy(
        str(folder / "files.txt"),
        str(folder / "labels.txt"),
        folder / "params.json",
        folder / "model.py",
        folder / "preproc.json",
    )
    assert [sample.files for sample in new.samples] == [sample.files for sample in old.samples]
    assert [sample.label == "signal" for sample in new.samples] == [sample.label == 1 for sample in old.samples]
    assert new.weights.branch == old.weights.branch == "weight"
    assert new.variables[0].expression == old.variables[0].expression


SOURCE = ROOT / "src" / "mlaas4hep"
MODULES = sorted(path for path in SOURCE.rglob("*.py") if path.name != "__init__.py")


def test_every_folder_is_taken_in_at_a_glance() -> None:
    sizes = Counter(path.parent for path in MODULES)
    assert {str(folder): size for folder, size in sizes.items() if size > 15} == {}


def test_the_table_of_rooms_is_that_of_the_linter() -> None:
    contracts = project()["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["name"].startswith("The rooms"))
    wanted = [set(re.findall(r"(?<![\w(])\w+", re.sub(r"\(\w+\)", "", layer))) - {"__main__"} for layer in layers]
    text = (ROOT / "ARCHITECTURE.md").read_text().partition("## The rooms")[2].partition("Inside `inference`")[0]
    rows = re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)
    assert [set(re.findall(r"`(\w+)`", row)) for row in rows] == [layer for layer in wanted if layer]
    there = {path.name for path in SOURCE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert there | {"extras", "formats"} == set().union(*wanted)


def test_no_function_is_there_twice() -> None:
    seen: dict[str, str] = {}
    twice = []
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                body = [part for part in node.body if not isinstance(part, ast.Expr)]
                if body and body[-1].end_lineno - body[0].lineno >= 6:  # type: ignore[operator]
                    text = ast.dump(ast.Module(body, []))
                    place = f"{path.relative_to(SOURCE)}: {node.name}"
                    if text in seen:
                        twice.append((seen[text], place))
                    seen[text] = place
    assert twice == []


def test_paths_in_the_pages_for_contributors_exist() -> None:
    for page in ("ARCHITECTURE.md", "CONTRIBUTING.md"):
        paths = re.findall(
            r"`((?:tests|src|tools|docs|benchmarks|examples|validation)/[\w./-]*)`", (ROOT / page).read_text()
        )
        assert [path for path in paths if not (ROOT / path).exists()] == [], page
