"""Write the files of docs/reference that follow from the code: pages and the JSON Schemas.

``make reference`` writes them; a test fails when they are not what this would write.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any, get_args

import typer.main
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from mlaas4hep.bundle import manifest_schema
from mlaas4hep.bundle.canonical import json_bytes
from mlaas4hep.cli.main import app
from mlaas4hep.config.schema import json_schema, schema_text
from mlaas4hep.config.workflow import Workflow
from mlaas4hep.errors import serving as failures
from mlaas4hep.inference.grpc.rights import right_of
from mlaas4hep.inference.grpc.service import METHODS, SERVICE
from mlaas4hep.inference.operation.settings_file import PREFIX
from mlaas4hep.inference.rest.app import create_app
from mlaas4hep.inference.rest.resources import Resources
from mlaas4hep.inference.settings import Settings

__all__ = ["commands_page", "files", "main", "server_page", "workflow_page"]

MEBI, GIBI = 1 << 20, 1 << 30
FOLDER = Path(__file__).resolve().parents[1] / "docs" / "reference"

COMMANDS = """# Commands

Every command has `--help`. A mistake ends in one line on standard error and exit code 2, with nothing half-written;
`--traceback` before or after the command shows where in the code it was raised. Results go to standard output, progress
and warnings to standard error. An interrupted training ends with exit code 130 and can be continued with `--resume`.
A command that went on without some files ends with exit code 3, unless `--allow-skipped` is given.
"""

WORKFLOW = """# workflow.yaml

One file for everything a training needs. Relative paths start at the folder of the file; local paths may be patterns
such as `data/*.root`. An unknown key is an error with a suggestion. `workflow.schema.json` beside this page is the JSON
Schema for editors.

Only `samples` is required, and `training.model` for a training. An example is `examples/higgs/workflow.yaml`; what
expressions may say stands in [expressions](expressions.md).
"""

SERVER = """# The inference server

Every call, every setting. How to start a server and what to send is in [serve a model](../how-to/serve.md); the form of
each request and answer is in the OpenAPI document of a running server, `/openapi.json`, shown for people at `/docs`.

The right is what a bearer token must allow where [tokens are asked for](../how-to/secure-a-server.md): `read`,
`predict`, `manage`; `open` is for everybody. Every error is `{"error": "..."}` with one of these codes:
"""

SETTINGS = f"""## Settings

From a YAML file (`--config`), the environment and options of `mlaas4hep serve`; the last wins. In a file:

```yaml
limits:
  body: 64 MiB
```

In the environment: `{PREFIX}LIMITS__BODY=64MiB`; lists have commas between. Relative paths in a file start at the
folder of the file. An unknown key is an error with a suggestion.
"""

GRPC_OTHERS = (
    ("/grpc.health.v1.Health/Check", "gRPC's own health protocol, also `Watch`"),
    ("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", "gRPC's reflection"),
)

MEANINGS = {
    "WORKFLOW.YAML": "The whole workflow in one file, instead of the options.",
    "name": "Name of the model, under which it is served; without one `train` takes that of the bundle.",
    "variables.name": "Name of the new branch; a feature unless excluded.",
    "features.normalisation": "Range 0 to 1, or mean 0 and deviation 1, or median 0 and 16-84 % range 2, or as it is.",
    "split.validation": "Share of the events that decides on early stopping and on the threshold.",
    "split.test": "Share of the events that nothing but the figures sees.",
    "training.epochs": "Passes over the training events; default: 10, or what the model itself says.",
    "training.batch_size": "Events a training step.",
    "training.shuffle": "Another order of the events in each epoch.",
    "training.seed": "Of all random numbers of the training.",
    "training.verbose": "1: a line with the figures of each epoch or boosting round. 2: of each chunk as well.",
    "training.classification_report": "Show purity, efficiency and F1 of each class, and the confusion matrix.",
}
"""What the code does not say itself."""


def commands_page() -> str:
    """All commands with arguments and options."""
    sections = [COMMANDS]
    for name, command in _commands(typer.main.get_command(app), "mlaas4hep"):
        sections.append(f"## {name}\n\n{_one_line(command.help)}\n")
        rows = [_parameter(parameter) for parameter in command.params if parameter.name != "help"]
        table = "| argument or option | default | meaning |\n|---|---|---|\n" + "".join(rows)
        sections.append(table)
        examples = [line.strip() for line in (command.epilog or "").splitlines() if line.strip().startswith(f"{name} ")]
        if examples:
            sections.append("```bash\n" + "\n".join(examples) + "\n```\n")
    return "\n".join(sections)


def _commands(group: Any, above: str) -> Iterator[tuple[str, Any]]:
    """All commands with their whole names, those inside groups too."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(command, f"{above} {name}")
        else:
            yield f"{above} {name}", command


def _parameter(parameter: Any) -> str:
    if not parameter.opts[0].startswith("-"):
        name = f"`{(parameter.metavar or parameter.name).strip('[]').upper()}`"
    else:
        name = ", ".join(f"`{option}`" for option in sorted(parameter.opts, key=len, reverse=True))
    default = parameter.default
    if parameter.required:
        shown = "required"
    elif default is None or default is False or default == "" or callable(default):
        shown = ""
    else:
        shown = f"`{default}`"
    meaning = _one_line(parameter.help) or MEANINGS.get(name.strip("`"), "")
    kind = parameter.type_descriptor.annotation
    listed = f" One of {', '.join(kind)}." if isinstance(kind, type) and issubclass(kind, StrEnum) else ""
    return f"| {name} | {shown} | {_cell(meaning)}{listed} |\n"


def workflow_page() -> str:
    """All keys of the YAML file, section by section."""
    sections = [WORKFLOW, "## Top level\n\n" + _table(Workflow, "", json_schema())]
    for path, model in _sections(Workflow, ""):
        sections.append(f"## {path}\n\n{_one_line(model.__doc__)}\n\n{_table(model, path, json_schema())}")
    return "\n".join(sections)


def server_page() -> str:
    """All calls over HTTP and gRPC, and all settings."""
    codes = "".join(f"| {e.status} | {e.grpc} | {_cell(_one_line(e.__doc__))} |\n" for e in _failures())
    sections = [f"{SERVER}\n| status | gRPC | meaning |\n|---|---|---|\n{codes}"]
    groups: dict[str, list[str]] = {}
    nothing: Any = None  # the table is read, nothing is called
    for call in create_app(Resources(nothing, Settings())).calls:
        described = call.operation or {}
        row = f"| `{call.method} {call.template}` | {call.right} | {_cell(described['summary'])} |\n"
        groups.setdefault(described["tags"][0], []).append(row)
    for name, rows in groups.items():
        sections.append(f"## {name}\n\n| call | right | what it does |\n|---|---|---|\n{''.join(rows)}")
    rows = [f"| `{SERVICE}/{method.name}` | {method.right} |\n" for method in METHODS]
    rows += [f"| `{name.strip('/')}`: {meaning} | {right_of(name)} |\n" for name, meaning in GRPC_OTHERS]
    sections.append("## gRPC\n\n| call | right |\n|---|---|\n" + "".join(rows))
    schema = Settings.model_json_schema()
    sections.append(SETTINGS)
    sections.append(_table(Settings, "", schema))
    for path, model in _sections(Settings, ""):
        sections.append(f"### {path}\n\n{_one_line(model.__doc__)}\n\n{_table(model, path, schema)}")
    return "\n".join(sections)


def _failures() -> list[type[failures.ServingError]]:
    """All errors but the base of them, by status: those of their module, whatever else is imported."""
    found = (getattr(failures, name) for name in failures.__all__)
    kinds = [kind for kind in found if isinstance(kind, type) and issubclass(kind, failures.ServingError)]
    return sorted((kind for kind in kinds if kind is not failures.ServingError), key=lambda kind: kind.status)


def _sections(model: type[BaseModel], above: str) -> Iterator[tuple[str, type[BaseModel]]]:
    for name, field in model.model_fields.items():
        for inner in _models(field.annotation):
            yield f"{above}{name}", inner
            yield from _sections(inner, f"{above}{name}.")


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)


def _table(model: type[BaseModel], path: str, whole: dict[str, Any]) -> str:
    schema = whole if not path else whole["$defs"][model.__name__]
    rows = []
    for name, field in model.model_fields.items():
        place = f"{path}.{name}".strip(".")
        meaning = field.description or MEANINGS.get(place, "")
        if any(_models(field.annotation)):
            meaning = f"{meaning} See [{place}](#{place.replace('.', '')}).".strip()
        default = "required" if name in schema.get("required", ()) else _default(field.default)
        rows.append(f"| `{name}` | {_kind(schema['properties'][name])} | {default} | {_cell(meaning)} |\n")
    return "| key | value | default | meaning |\n|---|---|---|---|\n" + "".join(rows)


def _default(default: Any) -> str:
    if default in (PydanticUndefined, None, (), {}, "") or isinstance(default, BaseModel):
        return ""
    if type(default) is int and default and default % MEBI == 0:
        return f"`{default // GIBI} GiB`" if default % GIBI == 0 else f"`{default // MEBI} MiB`"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def _kind(schema: dict[str, Any]) -> str:
    """A JSON Schema in a few words."""
    options = [option for option in schema.get("anyOf", [schema]) if option.get("type") != "null"]
    return " or ".join(dict.fromkeys(map(_word, options)))


def _word(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "$ref" in schema:
        return "section"
    if schema.get("type") == "array":
        return "list"
    words = {"string": "text", "integer": "whole number", "boolean": "`true`, `false`", "object": "mapping"}
    kind = words.get(schema.get("type", ""), schema.get("type", ""))
    return f"{kind} {_range(schema)}".strip()


def _range(schema: dict[str, Any]) -> str:
    bounds = [
        f"{sign} {schema[key]:g}"
        for key, sign in (("minimum", "≥"), ("exclusiveMinimum", ">"), ("maximum", "≤"), ("exclusiveMaximum", "<"))
        if key in schema
    ]
    return ", ".join(bounds)


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split())


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main() -> None:
    """Write the files."""
    for name, content in files().items():
        (FOLDER / name).write_bytes(content)


def files() -> dict[str, bytes]:
    """What the files hold, by name."""
    pages = {"commands.md": commands_page, "workflow.md": workflow_page, "server.md": server_page}
    schemas = {"workflow.schema.json": schema_text().encode(), "manifest.schema.json": json_bytes(manifest_schema())}
    return {name: page().encode() for name, page in pages.items()} | schemas


if __name__ == "__main__":
    main()
