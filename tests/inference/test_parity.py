"""A trained bundle, served: the scores are those of ``predict`` on the same files, in every form of request."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from mlaas4hep.bundle import load_bundle
from mlaas4hep.config import Reading
from mlaas4hep.prediction.predict import predict_files
from mlaas4hep.streaming.monitor import Collector
from tests.support.serving import serving
from tests.support.trained import SAMPLES, binary


def test_serving_equals_predict(tmp_path: Path) -> None:
    small = binary(tmp_path)
    scores = {}
    with load_bundle(small.bundle) as bundle:
        for name, path in small.paths.items():
            out = tmp_path / f"{name}.parquet"
            predict_files(bundle, [str(path)], out, Collector(), reading=Reading(), threads=1)
            scores[name] = pq.read_table(out).to_pydict()
    (tmp_path / "models" / "small").mkdir(parents=True)
    small.bundle.rename(tmp_path / "models" / "small" / "1")

    async def main() -> None:
        async with serving(tmp_path / "models") as server:
            info = server.info("small")
            assert info.state == "READY"
            assert info.branches is not None
            assert set(info.branches.values()) == {"flat", "jagged"}
            rng = random.Random(1)
            for name, (events, _, _) in SAMPLES.items():
                rows: list[dict[str, Any]] = [{key: event[key] for key in info.branches} for event in events]
                expected = np.array(scores[name]["score"], np.float32)
                kept = np.array(scores[name]["selected"])
                assert kept.sum() > 20
                for row in rows:
                    items = list(row.items())
                    rng.shuffle(items)
                    row.clear()
                    row.update(items)
                columns = {key: [row[key] for row in rows] for key in info.branches}
                padded = {key: _padded(values) for key, values in columns.items()}
                for found in (
                    (await server.score_events("small", rows)).scores,
                    (await server.score_events("small", columns)).scores,
                    (await server.infer("small", padded)).outputs["scores"],
                    np.concatenate([(await server.score_events("small", [row])).scores for row in rows]),
                    np.concatenate([(await server.score_row("small", [*row], [*row.values()])).scores for row in rows]),
                ):
                    assert np.isfinite(found).all()
                    np.testing.assert_allclose(found[kept, 0], expected[kept], rtol=0, atol=1e-6)

    asyncio.run(asyncio.wait_for(main(), 60))


def _padded(values: list[Any]) -> Any:
    if not isinstance(values[0], list):
        return np.array(values)
    padded = np.full((len(values), max(map(len, values))), np.nan)
    for i, entries in enumerate(values):
        padded[i, : len(entries)] = entries
    return padded
