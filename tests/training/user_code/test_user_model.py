from __future__ import annotations

import sys
from pathlib import Path

import pytest

from mlaas4hep.errors import FrameworkMissingError, ModelFileError
from mlaas4hep.training.user_code.user_model import build_model, load_model_file, sources_of, user_errors


def write(folder: Path, text: str, name: str = "model.py") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_model_without_argument(tmp_path: Path) -> None:
    module = load_model_file(write(tmp_path, "def model():\n    return 'built'\n"))
    assert build_model(module, 7) == "built"


@pytest.mark.parametrize("signature", ["idim", "whatever", "idim=None", "input_dim=3", "idim, extra=1"])
def test_model_with_width(tmp_path: Path, signature: str) -> None:
    name = signature.partition(",")[0].partition("=")[0]
    module = load_model_file(write(tmp_path, f"def model({signature}):\n    return ('width', {name})\n"))
    assert build_model(module, 7) == ("width", 7)


def test_other_parameters_keep_their_defaults(tmp_path: Path) -> None:
    module = load_model_file(write(tmp_path, "def model(n_estimators=100):\n    return ('trees', n_estimators)\n"))
    assert build_model(module, 7) == ("trees", 100)


def test_model_may_be_a_class(tmp_path: Path) -> None:
    module = load_model_file(write(tmp_path, "class model:\n    def __init__(self, idim):\n        self.idim = idim\n"))
    assert build_model(module, 7).idim == 7  # type: ignore[attr-defined]


def test_neighbouring_files_can_be_imported_also_later(tmp_path: Path) -> None:
    for number in (1, 2):
        folder = tmp_path / str(number)
        folder.mkdir()
        write(folder, f"NUMBER = {number}\n", "helper_of_model.py")
        write(folder, f"LATE = {number}\n", "late_helper_of_model.py")
        text = "from helper_of_model import NUMBER\ndef model():\n    from late_helper_of_model import LATE\n"
        module = load_model_file(write(folder, text + "    return (NUMBER, LATE)\n"))
        assert build_model(module, 1) == (number, number)
        assert str(folder) not in sys.path
        assert not list(folder.rglob("*.pyc"))


@pytest.mark.parametrize("files", [("__init__.py", "net.py"), ("net.py",)])
def test_packages_beside_the_model_belong_to_it(tmp_path: Path, files: tuple[str, ...]) -> None:
    for number in (1, 2):
        package = tmp_path / str(number) / "nets_of_model"
        package.mkdir(parents=True)
        for name in files:
            write(package, f"NUMBER = {number}\n", name)
        path = write(package.parent, "from nets_of_model.net import NUMBER\ndef model():\n    return (NUMBER,)\n")
        assert build_model(load_model_file(path), 1) == (number,)
        assert sources_of(path) == [path.read_text(), *[f"NUMBER = {number}\n"] * len(files)]
    assert "pytest" in sys.modules


def test_two_files_of_one_name_do_not_meet(tmp_path: Path) -> None:
    modules = []
    for number in (1, 2):
        (tmp_path / str(number)).mkdir()
        modules.append(load_model_file(write(tmp_path / str(number), f"def model():\n    return ({number},)\n")))
    assert [build_model(module, 1) for module in modules] == [(1,), (2,)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def model(:\n", "line 1: syntax error"),
        ("x = 1\n", "model.py: no function model; define model.. or model.idim. that returns the model"),
        ("model = 3\n", "no function model"),
        ("a = 1\nraise ValueError('too bad')\n", "line 2: cannot be imported: ValueError: too bad"),
        ("import nothing_like_this\n", "line 1: cannot be imported: No module named 'nothing_like_this'"),
        ("import sys\nsys.exit(3)\n", "line 2: cannot be imported: SystemExit: 3"),
        ("\x00", "not a Python file|syntax error"),
    ],
)
def test_loading_fails_with_file_and_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ModelFileError, match=message) as caught:
        load_model_file(write(tmp_path, text))
    assert "model.py" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"absent.py: no such model file"):
        load_model_file(tmp_path / "absent.py")


def test_another_suffix(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"its name must end in .py"):
        load_model_file(write(tmp_path, "def model(): pass\n", "model.txt"))


def test_a_syntax_error_in_a_neighbour_is_named(tmp_path: Path) -> None:
    write(tmp_path, "x = = 1\n", "broken_helper.py")
    with pytest.raises(ModelFileError, match=r"broken_helper.py, line 1: syntax error"):
        load_model_file(write(tmp_path, "import broken_helper\ndef model(): pass\n"))


@pytest.mark.parametrize(
    ("name", "extra"),
    [("tensorflow", "tensorflow"), ("keras", "tensorflow"), ("torch", "torch"), ("xgboost", "xgboost")],
)
def test_a_missing_framework_names_the_extra(
    tmp_path: Path, name: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    if name == "tensorflow":
        monkeypatch.setitem(sys.modules, "keras", None)
    expected = rf"line 1: {name} is not installed; install it with: pip install 'mlaas4hep\[{extra}\]'"
    with pytest.raises(FrameworkMissingError, match=expected):
        load_model_file(write(tmp_path, f"import {name}\ndef model(): pass\n"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def model(idim):\n    return 1 / 0\n", "line 2: model.. failed: ZeroDivisionError: division by zero"),
        ("def model():\n    pass\n", "model.. returned nothing; end it with: return the model"),
        ("def model(a, b):\n    pass\n", r"model takes 2 arguments \(a, b\); define model"),
        ("def model(*, a):\n    pass\n", r"model takes 1 arguments \(a\)"),
    ],
)
def test_building_fails_with_file_and_line(tmp_path: Path, text: str, message: str) -> None:
    module = load_model_file(write(tmp_path, text))
    with pytest.raises(ModelFileError, match=message) as caught:
        build_model(module, 3)
    assert str(tmp_path / "model.py") in str(caught.value)


def test_user_errors_lets_our_own_through(tmp_path: Path) -> None:
    own = ModelFileError("as it is")
    with pytest.raises(ModelFileError) as caught, user_errors(tmp_path / "model.py", "failed"):
        raise own
    assert caught.value is own
