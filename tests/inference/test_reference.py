"""The reference page of the server lists every call and every setting, as the server itself has them."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from tritonclient.grpc import service_pb2

import mlaas4hep.inference
from mlaas4hep.errors.serving import ServingError
from mlaas4hep.inference.settings import Settings
from tests.support.table import table

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "server.md"
NOT_SERVED = {  # of Triton's service
    "CudaSharedMemoryRegister", "CudaSharedMemoryStatus", "CudaSharedMemoryUnregister", "LogSettings",
    "SystemSharedMemoryRegister", "SystemSharedMemoryStatus", "SystemSharedMemoryUnregister", "TraceSetting",
}  # fmt: skip


@pytest.fixture(scope="module")
def rows() -> list[str]:
    return [line for line in PAGE.read_text().splitlines() if line.startswith("| ")]


def test_every_http_call_is_listed(rows: list[str]) -> None:
    calls = {(call.method, call.template) for call in table().calls}
    listed = [row.split("`")[1] for row in rows if row.startswith(("| `GET", "| `P", "| `DELETE"))]
    assert len(listed) == len(set(listed))
    assert set(listed) == {f"{method} {path}" for method, path in calls}


def test_every_grpc_call_is_listed(rows: list[str]) -> None:
    service = service_pb2.DESCRIPTOR.services_by_name["GRPCInferenceService"]
    listed = {row.split("`")[1].rpartition("/")[2] for row in rows if row.startswith("| `inference.")}
    assert listed == {method.name for method in service.methods} - NOT_SERVED


def settings_of(model: type[BaseModel]) -> set[str]:
    names: set[str] = set()
    for name, field in model.model_fields.items():
        names.add(name)
        inner: Any = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            names |= settings_of(inner)
    return names


def test_every_setting_is_listed_with_a_meaning(rows: list[str]) -> None:
    table = {
        row.split("`")[1]: row.rsplit("|", 2)[1].strip()
        for row in rows
        if row.startswith("| `") and row.count("|") == 5
    }
    assert set(table) == settings_of(Settings)
    assert [name for name, meaning in table.items() if not meaning] == []


def test_every_kind_of_error_is_listed(rows: list[str]) -> None:
    for module in pkgutil.walk_packages(mlaas4hep.inference.__path__, "mlaas4hep.inference."):
        importlib.import_module(module.name)
    kinds = [kind for kind in ServingError.__subclasses__() if kind.__module__.startswith("mlaas4hep.")]
    assert {kind.__module__ for kind in kinds} == {"mlaas4hep.errors.serving"}
    wanted = {f"| {kind.status} | {kind.grpc} | {' '.join((kind.__doc__ or '').split())} |" for kind in kinds}
    assert wanted == {row for row in rows if row.split(" ")[1].isdigit()}
