"""A fast toy simulation of pp collisions: ROOT files of any size with the branches of the Pythia sample.

Resonances decay isotropically, taus share their momentum with neutrinos, jets of the initial state fall with a power of
their transverse momentum, and a Gaussian detector smears what it sees. It is not a substitute for a generator (see
``pythia.py``), but mass peaks, jets, leptons and missing momentum behave as they should, at 100 000 events a second.

The content depends on process, seed and event number alone: not on the size of the chunks written, and a longer
file begins with the events of a shorter one (but for ``weight``, which is divided by their number).

Example:
    python examples/simulation/fast.py Z_tautau --events 100000 --seed 1 -o Z_tautau.root
    python examples/simulation/fast.py ggH_tautau --events 200000 --branches 25,52 --compression ZLIB -o wide.root
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import awkward as ak
import numpy as np
import uproot
import vector
from numpy.random import Generator
from numpy.typing import NDArray

__all__ = ["BLOCK", "PROCESSES", "Process", "breit_wigner", "generate", "main", "parent", "two_body", "write"]

Floats: TypeAlias = NDArray[np.float64]
Vectors: TypeAlias = Any  # vector.MomentumNumpy4D, shape [events]
Events: TypeAlias = dict[str, Any]

BLOCK = 4096
"""Events with random numbers of their own; never change it, or every file changes."""

LUMINOSITY = 10.0  # 1/fb
MOST_JETS = 8  # of the initial state
MASS_TAU, MASS_W, WIDTH_W, MASS_B, MASS_TOP = 1.777, 80.4, 2.1, 4.7, 172.5  # GeV
TAU_TO_LEPTON, W_TO_LEPTON = 0.352, 0.325  # branching fractions; a tau from a W counts as hadrons here
FLAT = ("run", "luminosityBlock", "event", "genWeight", "weight", "MET_pt", "MET_phi", "HT", "nLepton", "nJet")
JAGGED = ("pt", "eta", "phi", "charge", "pdgId", "iso", "pt", "eta", "phi", "mass", "nCharged", "width")


@dataclass(frozen=True, slots=True)
class Process:
    """One kind of collision.

    Attributes:
        number: part of the seed, so that two processes never share random numbers.
        cross_section: in fb, with branching fraction and acceptance.
        mass: of the resonance in GeV; of the pair for top pairs.
        width: of the resonance in GeV.
        mean_pt: mean transverse momentum of the resonance in GeV.
        jets: mean number of jets from the initial state.
        decay: tau (pair), lepton (pair), neutrino (lepton and neutrino) or top (pair).
    """

    number: int
    cross_section: float
    mass: float
    width: float
    mean_pt: float
    jets: float
    decay: str


PROCESSES = {
    "ggH_tautau": Process(1, 3.2e2, 125.0, 0.004, 50.0, 1.3, "tau"),
    "Z_tautau": Process(2, 1.0e5, 91.19, 2.495, 25.0, 0.8, "tau"),
    "Z_ll": Process(3, 5.0e5, 91.19, 2.495, 25.0, 0.8, "lepton"),
    "W_lnu": Process(4, 3.7e6, MASS_W, WIDTH_W, 35.0, 1.3, "neutrino"),
    "ttbar": Process(5, 1.6e5, 420.0, 60.0, 50.0, 1.0, "top"),
}


def breit_wigner(rng: Generator, n: int, mass: float, width: float) -> Floats:
    """Masses of a resonance in GeV, float64 [n]: a Cauchy distribution cut at ten widths on both sides."""
    edge = np.arctan(20.0)
    return mass + 0.5 * width * np.tan(rng.uniform(-edge, edge, n))


def four_vector(px: Floats, py: Floats, pz: Floats, mass: Floats) -> Vectors:
    """Momenta in GeV as a `vector` array, shape [n]."""
    return vector.array({"px": px, "py": py, "pz": pz, "mass": mass})


def parent(rng: Generator, mass: Floats, mean_pt: float) -> Vectors:
    """Momenta of produced particles: pt from a gamma distribution, rapidity from a Gaussian, any azimuth."""
    n = len(mass)
    pt, phi, rapidity = rng.gamma(1.5, mean_pt / 1.5, n), rng.uniform(-np.pi, np.pi, n), rng.normal(0.0, 1.1, n)
    return four_vector(pt * np.cos(phi), pt * np.sin(phi), np.hypot(mass, pt) * np.sinh(rapidity), mass)


def two_body(rng: Generator, mother: Vectors, mass_1: Floats, mass_2: Floats) -> tuple[Vectors, Vectors]:
    """Isotropic decay in the mother's rest frame.

    The momentum is sqrt((M^2 - (m1 + m2)^2) (M^2 - (m1 - m2)^2)) / 2 M, see the review of kinematics of the
    Particle Data Group.

    Args:
        rng: random numbers.
        mother: momenta in GeV, shape [n].
        mass_1: mass of the first daughter in GeV, float64 [n].
        mass_2: of the second; the sum must stay below the mother's mass.

    Returns:
        The momenta of both daughters, each of shape [n]; their sum is the mother's.
    """
    n, mass = len(mass_1), np.asarray(mother.mass)
    momentum = np.sqrt((mass**2 - (mass_1 + mass_2) ** 2) * (mass**2 - (mass_1 - mass_2) ** 2)) / (2.0 * mass)
    cos, phi = rng.uniform(-1.0, 1.0, n), rng.uniform(-np.pi, np.pi, n)
    sin = np.sqrt(1.0 - cos**2)
    x, y, z = momentum * sin * np.cos(phi), momentum * sin * np.sin(phi), momentum * cos
    return (
        four_vector(x, y, z, mass_1).boost_p4(mother),
        four_vector(-x, -y, -z, mass_2).boost_p4(mother),
    )


class Detector:
    """Collects what the particles of ``n`` events leave behind: leptons, jets, and the momentum that is missing."""

    def __init__(self, rng: Generator, n: int) -> None:
        self.rng = rng
        self.n = n
        self.missing = np.zeros((2, n))
        self.leptons: dict[str, list[Floats]] = {name: [] for name in JAGGED[:6]}
        self.jets: dict[str, list[Floats]] = {name: [] for name in JAGGED[6:]}

    def lepton(self, momentum: Vectors, charge: Floats, there: NDArray[np.bool_]) -> None:
        """Electron or muon, if ``there``, with pt above 10 GeV and |eta| below 2.5; resolution 2 %."""
        pt = np.asarray(momentum.pt) * np.clip(self.rng.normal(1.0, 0.02, self.n), 0.2, None)
        eta = np.asarray(momentum.eta)
        flavour = np.where(self.rng.random(self.n) < 0.5, 11.0, 13.0)
        seen = there & (pt > 10.0) & (np.abs(eta) < 2.5)
        values = (pt, eta, np.asarray(momentum.phi), charge, -charge * flavour, self.rng.exponential(0.03, self.n))
        self._add(self.leptons, values, seen & (values[5] < 0.3))

    def jet(self, momentum: Vectors, there: NDArray[np.bool_], tau: bool = False) -> None:
        """Jet, if ``there``, with pt above 20 GeV and |eta| below 4.7; resolution 10 %; that of a tau is slim."""
        rng, n = self.rng, self.n
        pt = np.asarray(momentum.pt) * np.clip(rng.normal(1.0, 0.10, n), 0.2, None)
        eta = np.asarray(momentum.eta)
        width = np.clip(rng.gamma(3.0, 0.012 if tau else 0.035, n), 0.0, 0.4)
        charged = np.where(rng.random(n) < 0.8, 1.0, 3.0) if tau else rng.poisson(4.0 + 2.0 * np.sqrt(pt / 20.0))
        values = (pt, eta, np.asarray(momentum.phi), pt * width * 1.2, charged.astype(np.float64), width)
        self._add(self.jets, values, there & (pt > 20.0) & (np.abs(eta) < 4.7))

    def invisible(self, momentum: Vectors, there: NDArray[np.bool_]) -> None:
        """Neutrino, if ``there``."""
        self.missing += np.where(there, np.stack([np.asarray(momentum.px), np.asarray(momentum.py)]), 0.0)

    def events(self) -> Events:
        """What was seen: flat branches, and the collections Lepton and Jet in order of falling pt."""
        px, py = self.missing + self.rng.normal(0.0, 12.0, (2, self.n))
        lepton, jet = collection(self.leptons, self.n), collection(self.jets, self.n)
        return {
            "MET_pt": np.hypot(px, py).astype(np.float32),
            "MET_phi": np.arctan2(py, px).astype(np.float32),
            "HT": np.asarray(ak.sum(jet.pt, axis=-1), dtype=np.float32),
            "Lepton": lepton,
            "Jet": jet,
        }

    @staticmethod
    def _add(store: dict[str, list[Floats]], values: Sequence[Floats], seen: NDArray[np.bool_]) -> None:
        for (name, column), value in zip(store.items(), values, strict=True):
            column.append(np.where(seen, value, -1.0) if name == "pt" else value)


def collection(candidates: dict[str, list[Floats]], n: int) -> ak.Array:
    """Jagged records from candidates, each float64 [n]; those with negative pt do not exist."""
    stacked = {name: np.stack(columns, axis=1) if columns else np.empty((n, 0)) for name, columns in candidates.items()}
    order = np.argsort(-stacked["pt"], axis=1, kind="stable")
    seen = np.take_along_axis(stacked["pt"], order, axis=1) > 0.0
    counts = np.count_nonzero(seen, axis=1)
    fields = {}
    for name, values in stacked.items():
        kind = np.int32 if name in ("charge", "pdgId", "nCharged") else np.float32
        fields[name] = ak.unflatten(np.take_along_axis(values, order, axis=1)[seen].astype(kind), counts)
    return ak.zip(fields)


def decay_tau(detector: Detector, tau: Vectors, charge: Floats) -> None:
    """Tau to a lepton or a slim jet; neutrinos take the rest of the momentum, along the same direction."""
    rng, n = detector.rng, detector.n
    leptonic = rng.random(n) < TAU_TO_LEPTON
    visible = np.where(leptonic, rng.beta(1.5, 2.5, n), rng.beta(3.0, 2.0, n))
    detector.lepton(tau.scale(visible), charge, leptonic)
    detector.jet(tau.scale(visible), ~leptonic, tau=True)
    detector.invisible(tau.scale(1.0 - visible), np.ones(n, dtype=bool))


def decay_w(detector: Detector, boson: Vectors, charge: Floats, leptonic: NDArray[np.bool_]) -> None:
    """W to a lepton and a neutrino where ``leptonic``, to two jets elsewhere."""
    nothing = np.zeros(detector.n)
    first, second = two_body(detector.rng, boson, nothing, nothing)
    detector.lepton(first, charge, leptonic)
    detector.invisible(second, leptonic)
    detector.jet(first, ~leptonic)
    detector.jet(second, ~leptonic)


def hard_process(detector: Detector, process: Process) -> None:
    """The decay of the resonance."""
    rng, n = detector.rng, detector.n
    always, charge = np.ones(n, dtype=bool), rng.choice([-1.0, 1.0], n)
    if process.decay == "top":
        mass = 2.0 * MASS_TOP + rng.gamma(1.5, process.mass - 2.0 * MASS_TOP, n)
        tops = two_body(rng, parent(rng, mass, process.mean_pt), np.full(n, MASS_TOP), np.full(n, MASS_TOP))
        for top, sign in zip(tops, (charge, -charge), strict=True):
            boson, bottom = two_body(rng, top, breit_wigner(rng, n, MASS_W, WIDTH_W), np.full(n, MASS_B))
            detector.jet(bottom, always)
            decay_w(detector, boson, sign, rng.random(n) < W_TO_LEPTON)
        return
    resonance = parent(rng, breit_wigner(rng, n, process.mass, process.width), process.mean_pt)
    if process.decay == "neutrino":
        decay_w(detector, resonance, charge, always)
        return
    mass = np.full(n, MASS_TAU if process.decay == "tau" else 0.0)
    for daughter, sign in zip(two_body(rng, resonance, mass, mass), (charge, -charge), strict=True):
        if process.decay == "tau":
            decay_tau(detector, daughter, sign)
        else:
            detector.lepton(daughter, sign, always)


def initial_state(detector: Detector, mean: float, most: int) -> None:
    """Jets besides the hard process: a Poisson number (at most ``most``), pt falling with a power of 3.5."""
    rng, n = detector.rng, detector.n
    number = rng.poisson(mean, n)
    for index in range(most):
        pt, eta, phi = 18.0 * (1.0 + rng.pareto(2.5, n)), rng.normal(0.0, 1.9, n), rng.uniform(-np.pi, np.pi, n)
        pt = np.minimum(pt, 1000.0)
        momentum = four_vector(pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta), np.zeros(n))
        detector.jet(momentum, index < number)


def widen(events: Events, rng: Generator, flat: int, jagged: int) -> Events:
    """Further branches, up to ``flat`` flat and ``jagged`` jagged ones: normal numbers, scaled by MET or pt."""
    n = len(events["MET_pt"])
    events = dict(events)
    for index in range(flat - len(FLAT)):
        events[f"Extra_x{index:02}"] = (rng.normal(0.0, 1.0, n) * events["MET_pt"]).astype(np.float32)
    for index in range(jagged - len(JAGGED)):
        name = ("Jet", "Lepton")[index % 2]
        pt = events[name].pt
        values = np.asarray(ak.flatten(pt)) * rng.normal(0.0, 1.0, ak.count(pt)).astype(np.float32)
        events[name] = ak.with_field(events[name], ak.unflatten(values, ak.num(pt)), f"x{index:02}")
    return events


def block(
    process: Process, seed: int, number: int, branches: tuple[int, int], negative: float, most: int = MOST_JETS
) -> Events:
    """The `BLOCK` events of block ``number``, without weights and event numbers that depend on the file."""
    rng, extra, signs = (np.random.default_rng([seed, process.number, number, stream]) for stream in range(3))
    detector = Detector(rng, BLOCK)
    hard_process(detector, process)
    initial_state(detector, process.jets, most)
    events = widen(detector.events(), extra, *branches)
    events["genWeight"] = np.where(signs.random(BLOCK) < negative, -1.0, 1.0).astype(np.float32)
    return events


def generate(
    process: str,
    events: int,
    seed: int = 0,
    *,
    chunk_size: int = 20_000,
    branches: tuple[int, int] = (len(FLAT), len(JAGGED)),
    negative: float = 0.0,
    jets: tuple[float, int] | None = None,
) -> Iterator[Events]:
    """Simulate events.

    Args:
        process: a name of `PROCESSES`.
        events: how many.
        seed: another seed gives other events; it is also their luminosityBlock.
        chunk_size: events in each piece that is returned; changes nothing else.
        branches: numbers of flat branches (at least 10, the counters nLepton and nJet among them) and jagged ones (at
            least 12).
        negative: share of events with a negative genWeight, as next-to-leading-order generators give them.
        jets: mean and largest number of jets of the initial state; by default that of the process, and 8.

    Yields:
        Columns by name: numpy arrays for flat branches; awkward arrays of records for Lepton (pt in GeV, eta, phi,
        charge, pdgId, iso) and Jet (pt and mass in GeV, eta, phi, nCharged, width).

    Example:
        >>> chunk = next(generate("Z_ll", events=5, seed=1))
        >>> len(chunk["MET_pt"])
        5
    """
    if process not in PROCESSES:
        msg = f"no process {process!r}; there are {', '.join(PROCESSES)}"
        raise ValueError(msg)
    if events < 1 or chunk_size < 1 or seed < 0 or branches[0] < len(FLAT) or branches[1] < len(JAGGED):
        msg = f"needs events > 0, chunk_size > 0, seed >= 0, branches of at least {len(FLAT)},{len(JAGGED)}"
        raise ValueError(msg)
    mean, most = (PROCESSES[process].jets, MOST_JETS) if jets is None else jets
    if mean < 0.0 or most < 0:
        msg = f"needs a mean and a largest number of jets of at least 0, not {mean:g},{most}"
        raise ValueError(msg)
    kind = replace(PROCESSES[process], jets=mean)
    weight = kind.cross_section * LUMINOSITY / events
    pending: tuple[int, Events] | None = None
    for start in range(0, events, chunk_size):
        stop = min(start + chunk_size, events)
        parts: list[Events] = []
        for number in range(start // BLOCK, (stop - 1) // BLOCK + 1):
            if pending is None or pending[0] != number:
                pending = (number, block(kind, seed, number, branches, negative, most))
            low, high = max(start - number * BLOCK, 0), min(stop - number * BLOCK, BLOCK)
            parts.append({name: column[low:high] for name, column in pending[1].items()})
        n = stop - start
        sign = np.concatenate([part.pop("genWeight") for part in parts])
        yield {
            "run": np.ones(n, dtype=np.uint32),
            "luminosityBlock": np.full(n, seed, dtype=np.uint32),
            "event": np.arange(start, stop, dtype=np.uint64),
            "genWeight": sign,
            "weight": (sign * weight).astype(np.float32),
            **{name: _join([part[name] for part in parts]) for name in parts[0]},
        }


def write(chunks: Iterator[Events], path: Path, *, compression: str = "ZSTD", layout: str = "ttree") -> int:
    """Write events to the tree ``Events`` of a ROOT file, one cluster a chunk.

    Args:
        chunks: as `generate` yields them.
        path: the file; it appears when it is complete.
        compression: ZLIB, ZSTD, LZ4, LZMA or none.
        layout: ttree, or rntuple.

    Returns:
        The number of events written.
    """
    codecs = {
        "ZLIB": uproot.ZLIB(1),
        "ZSTD": uproot.ZSTD(3),
        "LZ4": uproot.LZ4(4),
        "LZMA": uproot.LZMA(1),
        "none": None,
    }
    partial = path.with_name(f".{path.name}.part")
    total = 0
    tree: Any = None
    with uproot.recreate(partial, compression=codecs.get(compression)) as file:
        for chunk in chunks:
            if tree is None:
                types = {
                    name: column.dtype if isinstance(column, np.ndarray) else ak.type(column).content
                    for name, column in chunk.items()
                }
                tree = file.mktree("Events", types) if layout == "ttree" else file.mkrntuple("Events", types)
            tree.extend(chunk)
            total += len(chunk["event"])
    partial.replace(path)
    return total


def _join(parts: list[Any]) -> Any:
    return np.concatenate(parts) if isinstance(parts[0], np.ndarray) else ak.concatenate(parts)


def _branches(text: str) -> tuple[int, int]:
    flat, jagged = text.split(",")
    return int(flat), int(jagged)


def _jets(text: str) -> tuple[float, int]:
    mean, most = text.split(",")
    return float(mean), int(most)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line; see ``--help``."""
    parser = argparse.ArgumentParser(description="Fast toy simulation of pp collisions, as a ROOT file.")
    parser.add_argument("process", choices=list(PROCESSES))
    parser.add_argument("-o", "--output", type=Path, required=True, help="the ROOT file to write")
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--chunk-size", type=int, default=20_000, help="events a cluster, and in memory")
    parser.add_argument("--compression", choices=["ZLIB", "ZSTD", "LZ4", "LZMA", "none"], default="ZSTD")
    parser.add_argument("--format", choices=["ttree", "rntuple"], default="ttree", dest="layout")
    parser.add_argument(
        "--branches", type=_branches, default=(len(FLAT), len(JAGGED)), metavar="FLAT,JAGGED", help="e.g. 25,52"
    )
    parser.add_argument("--negative", type=float, default=0.0, help="share of events with negative weight")
    parser.add_argument(
        "--jets", type=_jets, metavar="MEAN,MOST", help="of the initial state, e.g. 2.5,10; default: by process"
    )
    options = parser.parse_args(arguments)
    chunks = generate(
        options.process,
        options.events,
        options.seed,
        chunk_size=options.chunk_size,
        branches=options.branches,
        negative=options.negative,
        jets=options.jets,
    )
    total = write(chunks, options.output, compression=options.compression, layout=options.layout)
    print(f"{options.output}: {total} events of {options.process}")


if __name__ == "__main__":
    main()
