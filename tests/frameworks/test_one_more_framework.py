"""A framework is one file and one line in the registry: trained, published, loaded, recognised and served."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

from mlaas4hep.bundle import load_bundle
from mlaas4hep.config.workflow import Workflow
from mlaas4hep.errors import ModelFileError
from mlaas4hep.errors.serving import ModelRefusedError
from mlaas4hep.frameworks import registry
from mlaas4hep.frameworks.recognise import recognise
from mlaas4hep.inference.conversion.convert import convert
from mlaas4hep.inference.execution.worker_model import open_native
from mlaas4hep.streaming.monitor import Collector
from mlaas4hep.training import backends
from mlaas4hep.training.publishing.packages import package_versions
from mlaas4hep.training.workflow import run_training
from tests.frameworks import toy
from tests.support.written import model_file


@pytest.fixture
def _registered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def forget() -> None:
        registry.frameworks.cache_clear()
        backends._all.cache_clear()

    monkeypatch.setattr(registry, "NAMES", (*registry.NAMES, "tests.frameworks.toy"))
    forget()
    yield
    monkeypatch.undo()
    forget()


@pytest.mark.usefixtures("_registered")
def test_it_is_trained_and_published(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    for number, name in enumerate(("background", "signal")):
        values = rng.normal(number, 1.0, (300, 2)).round(3)
        lines = ["a,b", *(",".join(map(str, row)) for row in values)]
        (tmp_path / f"{name}.csv").write_text("\n".join(lines) + "\n")
    model = model_file(tmp_path, "Line()", "from tests.frameworks.toy import Line")
    samples = [{"name": n, "files": str(tmp_path / f"{n}.csv"), "label": n} for n in ("background", "signal")]
    training = {"model": str(model), "signal": "signal"}
    workflow = Workflow.model_validate({"samples": samples, "training": training})
    result = run_training(workflow, tmp_path / "bundle", Collector())
    bundle = load_bundle(result.bundle)
    assert (bundle.manifest.framework, bundle.manifest.served) == ("toy", "native")
    raw = rng.normal(0.5, 1.0, (50, 2)).astype(np.float32)
    factors = toy.read(result.bundle / "native" / toy.FILE)
    expected = toy.predict(factors, bundle.manifest.layout.transform(raw))
    np.testing.assert_array_equal(bundle.native_scorer().scores(raw), expected)
    np.testing.assert_array_equal(open_native(result.bundle, 1).run({"features": raw})["scores"], expected)


@pytest.mark.usefixtures("_registered")
def test_it_is_named_and_its_version_kept() -> None:
    with pytest.raises(ModelFileError, match=r"supported are .*, toys$"):
        backends.backend_for({})
    assert package_versions()["hypothesis"] == metadata.version("hypothesis")


@pytest.mark.usefixtures("_registered")
def test_an_upload_of_it_is_recognised_and_served(tmp_path: Path) -> None:
    original = tmp_path / "original"
    original.mkdir()
    (original / "any.name").write_text("toy 1.0 -2.0")
    assert recognise(original) == ("toy", original / "any.name")
    convert(original, tmp_path, {})
    native = open_native(tmp_path, 1)
    raw = np.array([[0.0, 0.0], [2.0, 0.5]], np.float32)
    np.testing.assert_allclose(native.run({"features": raw})["scores"], [[0.5], [1 / (1 + np.exp(-1.0))]], rtol=1e-6)


def test_without_its_line_it_is_not_known(tmp_path: Path) -> None:
    (tmp_path / "any.name").write_text("toy 1.0 -2.0")
    with pytest.raises(ModelRefusedError, match=r"is not known; known are Keras .*ONNX"):
        recognise(tmp_path)
