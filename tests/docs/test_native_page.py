"""The Python of the page about native models, run as it stands there on small bundles."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mlaas4hep.bundle.read import load_bundle
from tests.support.cli import run
from tests.support.samples import columns, write_tree

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "how-to" / "use-the-native-model.md").read_text()
BLOCKS = dict(re.findall(r"\n## ([^\n]+)\n(?:(?!\n## ).)*?```python\n(.*?)```", PAGE, re.DOTALL))
COLUMNS = "The columns that a native model takes"
SAVE = '\nimport numpy as np\nnp.save("scores.npy", np.asarray(scores))\n'
MODELS = {
    "Keras": ("keras", "keras_mlp.py", "model.keras"),
    "PyTorch": ("torch", "torch_mlp.py", "model.pt"),
    "scikit-learn": ("sklearn", "hist_gradient_boosting.py", "model.skops"),
    "XGBoost": ("xgboost", "xgb.py", "model.ubj"),
}
TOLERANCE = 1e-5


def test_every_block_is_tried() -> None:
    assert BLOCKS.keys() == {"model.onnx", COLUMNS, *MODELS}
    assert PAGE.count("```python") == len(BLOCKS)


@pytest.mark.parametrize("title", MODELS)
def test_native_models_in_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, title: str) -> None:
    """The scores of both blocks are the bundle's; the training says where the native file is."""
    package, model, native = MODELS[title]
    pytest.importorskip(package)
    monkeypatch.chdir(tmp_path)
    files = [write_tree(tmp_path / f"{name}.root", columns(signal=name == "s")) for name in ("s", "b")]
    (tmp_path / "params.json").write_text("{}" if package in {"sklearn", "xgboost"} else '{"epochs": 1}')
    arguments = ("--files", ",".join(map(str, files)), "--labels", "1,0", "--model", ROOT / "tests" / "models" / model)
    outcome = run("train", *arguments, "--fout", "model.h5")
    assert outcome.code == 0, outcome.err
    assert (
        outcome.out.splitlines()[-1]
        == f"model.h5 is a folder, the bundle; the framework's own file is model.h5/native/{native}"
    )
    Path("model.h5").rename("higgs")
    rng = np.random.default_rng(3)
    with load_bundle("higgs") as bundle:
        raw = rng.normal(20, 10, (30, len(bundle.layout.columns))).astype(np.float32)
        raw[15:, -1] = np.nan
        expected = bundle.native_scorer(trust_code=True).scores(raw)
    np.save("columns.npy", raw)
    for code in (BLOCKS["model.onnx"], BLOCKS[COLUMNS] + BLOCKS[title]):
        Path("block.py").write_text(code + SAVE)
        done = subprocess.run([sys.executable, "block.py"], capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr
        np.testing.assert_allclose(np.load("scores.npy").reshape(-1, 1), expected, atol=TOLERANCE)
