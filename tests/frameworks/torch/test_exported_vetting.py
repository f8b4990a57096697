from __future__ import annotations

import json
import pickle
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from mlaas4hep.errors.serving import ModelRefusedError
from mlaas4hep.frameworks.torch.exported_vetting import vet


class Net(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = torch.nn.Conv1d(2, 4, 3, padding=1)
        self.second = torch.nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pooled = torch.relu(self.first(x)).mean(dim=2) * (1 + 1 / x.shape[2])
        return torch.softmax(self.second(pooled), 1)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pt2") / "model.pt2"
    shapes = {"x": {0: torch.export.Dim("N"), 2: torch.export.Dim("length")}}
    torch.export.save(torch.export.export(Net().eval(), (torch.rand(3, 2, 7),), dynamic_shapes=shapes), path)
    return path


def changed(path: Path, good: Path, member: str, change: Callable[[bytes], bytes]) -> Path:
    """A copy in which one member is another."""
    with zipfile.ZipFile(good) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            new.writestr(name, change(old.read(name)) if name.endswith(member) else old.read(name))
    return path


def test_what_torch_writes_is_fine(good: Path) -> None:
    vet(good)


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return (print, ("run",))


def replaced(old: str, new: str) -> Callable[[bytes], bytes]:
    def change(content: bytes) -> bytes:
        text = content.decode()
        assert re.search(old, text)
        return re.sub(old, lambda _: new, text, count=1).encode()

    return change


CASES: list[tuple[str, Callable[[bytes], bytes], str]] = [
    (
        "models/model.json",
        replaced(r"torch\.ops\.aten\.relu\.default", "torch.os.system"),
        "the operation torch.os.system",
    ),
    ("models/model.json", replaced(r"Symbol\('s\d+'", "__import__('os').system('x')"), "the expression"),
    ("models/model.json", replaced(r"Symbol\('s\d+'", "evil('s0'"), "the expression"),
    ("models/model.json", replaced(r'"name": "x"', '"name": "x): import os"'), "the name"),
    (
        "models/model.json",
        replaced(r'"forward_arg_names": \["x"\]', '"forward_arg_names": ["x="]'),
        "something other than a name",
    ),
    ("models/model.json", replaced(r"builtins\.tuple", "builtins.eval"), "the type builtins.eval"),
    ("weights_config.json", replaced(r'"use_pickle": false', '"use_pickle": true'), "a pickle among its weights"),
    ("weights_config.json", replaced(r'"weight_0"', '"custom_obj_0"'), "the object custom_obj_0"),
    ("weights_config.json", lambda _: b"[]", "no object in"),
    ("sample_inputs/model.pt", lambda _: pickle.dumps(Evil()), "sample inputs that are more than tensors"),
]


@pytest.mark.parametrize(("member", "change", "why"), CASES)
def test_what_could_run_code_is_refused(
    tmp_path: Path, good: Path, member: str, change: Callable[[bytes], bytes], why: str
) -> None:
    with pytest.raises(ModelRefusedError, match=f"holds {why}.* (could run code|is not one of torch's own)"):
        vet(changed(tmp_path / "m.pt2", good, member, change))


def guarded(path: Path, good: Path, guard: str) -> Path:
    text = json.dumps([guard])
    return changed(path, good, "models/model.json", replaced(r'"guards_code": \[\]', f'"guards_code": {text}'))


@pytest.mark.parametrize(
    "guard",
    [
        "L['x'].size()[0] == L['y'].size()[0]",
        "L['d']['a'].size()[0] == L['t'][0].size()[1]",
        "((4*L['x'].size()[0]) % 32) == 0 and not L['x'].size()[0] == 1",
        "(L['x'].size()[0] // 8) != L['x'].size()[0] or -1 < L['x'].stride()[0]",
        "min(3, 3*(L['x'].size()[0] // 8)) == 3",
        "math.floor(L['x'].size()[0]) >= 2",
    ],
)
def test_guards_that_compare_sizes_are_data(tmp_path: Path, good: Path, guard: str) -> None:
    vet(guarded(tmp_path / "m.pt2", good, guard))


@pytest.mark.parametrize(
    "guard",
    [
        "f()",
        "__import__('os').system('x')",
        "L['x'].size.__globals__['os']",
        "L['x'].__class__ == 1",
        "L['x'].size()[0] == open('/etc/passwd')",
        "(lambda: 1)() == 1",
        "[x for x in L] == 1",
        "L['x'].size(__import__('os'))[0] == 1",
        "math.system('x') == 1",
        "L['x'].tolist()[0] == 1",
        "2 ** 10 ** 10 == 1",
        "f'{L}' == 1",
        "(y := 1) == 1",
        "L['x'].size()[0] == 1; import os",
        "x" * 20_000,
        "(" * 5_000,
        "",
    ],
)
def test_guards_that_are_code_are_refused(tmp_path: Path, good: Path, guard: str) -> None:
    with pytest.raises(ModelRefusedError, match="more than a comparison of sizes"):
        vet(guarded(tmp_path / "m.pt2", good, guard))


def test_unknown_members_are_refused(tmp_path: Path, good: Path) -> None:
    for name in ("model/data/constants/opaque_obj_0", "model/data/weights/model.pt", "model/other"):
        path = changed(tmp_path / "m.pt2", good, "-", lambda content: content)
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(name, b"")
        with pytest.raises(ModelRefusedError, match="the member"):
            vet(path)


def test_old_format(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "m.pt2", "w") as archive:
        archive.writestr("serialized_exported_program.json", json.dumps({}))
    with pytest.raises(ModelRefusedError, match=r"an old format of torch.export"):
        vet(tmp_path / "m.pt2")
