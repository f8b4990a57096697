"""What must come out, computed from the files with uproot and numpy alone, and the comparison with what did."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import awkward as ak
import numpy as np
import uproot
from numpy.typing import NDArray

from benchmarks.streaming.sample import CUT, Sample

__all__ = ["FLAT", "JAGGED", "Facts", "Sums", "check", "facts"]

FLAT, JAGGED = "HT", "Jet_pt"


@dataclass(frozen=True)
class Sums:
    """Sums over all events that pass.

    Attributes:
        rows: events.
        signal: those of the signal.
        flat: over the signal, of the normalised column HT.
        jagged: over the signal, of the normalised first column of Jet_pt, where there is a jet.
    """

    rows: int
    signal: int
    flat: float
    jagged: float

    @staticmethod
    def of(arrays: Iterable[tuple[NDArray[Any], NDArray[Any]]], places: tuple[int, int], fill: float) -> Sums:
        """From pairs of columns [n, width] and labels [n].

        Args:
            arrays: chunks.
            places: column numbers of HT and of the first Jet_pt.
            fill: what stands where there is no jet.
        """
        rows = signal = 0
        flat = jagged = 0.0
        for x, y in arrays:
            chosen = x[np.asarray(y) == 1]
            rows, signal = rows + len(x), signal + len(chosen)
            flat += float(chosen[:, places[0]].sum(dtype=np.float64))
            jets = chosen[:, places[1]]
            jagged += float(jets[jets != np.float32(fill)].sum(dtype=np.float64))
        return Sums(rows, signal, flat, jagged)


@dataclass(frozen=True)
class Facts:
    """Of a sample: sums that must come out, mean and deviation of each feature over the events that pass."""

    sums: Sums
    moments: dict[str, tuple[float, float]]


def facts(sample: Sample, *, moments: bool) -> Facts:
    """Kept beside the sample. Without ``moments`` only those of the two branches that are checked."""
    place = sample.signal.with_name(f"{sample.signal.stem}_{len(sample.features)}_{moments:d}.json")
    if not place.exists():
        text = json.dumps(asdict(_compute(sample, sample.features if moments else (FLAT, JAGGED))))
        partial = place.with_name(f".{place.name}.part")
        partial.write_text(text, encoding="utf-8")
        partial.replace(place)
    found = json.loads(place.read_text(encoding="utf-8"))
    return Facts(Sums(**found["sums"]), {name: (mean, std) for name, (mean, std) in found["moments"].items()})


def check(who: str, found: Sums, wanted: Sums) -> None:
    """End the run if a contender gives other events or other values."""
    size = math.sqrt(wanted.signal)
    good = (found.rows, found.signal) == (wanted.rows, wanted.signal)
    for name in ("flat", "jagged"):
        value, reference = getattr(found, name), getattr(wanted, name)
        good = good and math.isclose(value, reference, rel_tol=1e-3, abs_tol=1e-2 * size)
    if not good:
        raise SystemExit(f"{who} gives other events: {found}, not {wanted}")


def _compute(sample: Sample, names: tuple[str, ...]) -> Facts:
    branch, least = CUT
    moments: dict[str, tuple[float, float]] = {}
    counts, parts = [0, 0], {}
    with uproot.open(sample.signal) as first, uproot.open(sample.background) as second:
        trees = (first["Events"], second["Events"])
        keep = [tree[branch].array(library="np") > least for tree in trees]
        for name in dict.fromkeys((*names, FLAT, JAGGED)):
            passing = [tree[name].array()[chosen] for tree, chosen in zip(trees, keep, strict=True)]
            counts = [len(part) for part in passing]
            values = [np.asarray(ak.flatten(part, axis=None), dtype=np.float64) for part in passing]
            joined = np.concatenate(values)
            moments[name] = (float(joined.mean()), float(joined.std()))
            if name == FLAT:
                parts[name] = values[0]
            elif name == JAGGED:
                parts[name] = np.asarray(passing[0][ak.num(passing[0]) > 0][:, 0], dtype=np.float64)
    flat, jagged = (float(((parts[name] - moments[name][0]) / moments[name][1]).sum()) for name in (FLAT, JAGGED))
    return Facts(Sums(sum(counts), counts[0], flat, jagged), {name: moments[name] for name in (*names, FLAT, JAGGED)})
