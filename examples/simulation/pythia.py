"""Simulated pp collisions at 13 TeV: Higgs, Z, W and top pairs, as the files in ``examples/higgs/data``.

Pythia 8 gives the hard process, shower, hadronisation and underlying event; FastJet gives anti-kT jets of radius 0.4; a
Gaussian detector smears leptons (2 %), jets (10 %) and each component of the missing momentum (12 GeV). Leptons are
electrons and muons with pt > 10 GeV, |eta| < 2.5 and less than 30 % of their pt within a cone of 0.3 around them; jets
have pt > 20 GeV, |eta| < 4.7 and no lepton within 0.4. Kept are events with a lepton of pt > 20 GeV and a jet.

Needs the extra ``simulate``, which compiles Pythia where there is no wheel; about 150 events a second.

Example:
    python examples/simulation/pythia.py ggH_tautau --events 8000 --seed 11 -o ggH_tautau.root
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import awkward as ak
import fastjet
import numpy as np
import pythia8mc
import uproot
import vector
from numpy.random import Generator
from numpy.typing import NDArray

__all__ = ["PROCESSES", "analyse", "main", "simulate", "write"]

Array: TypeAlias = Any  # awkward.Array, jagged over events
Events: TypeAlias = dict[str, Any]

LUMINOSITY = 10.0  # 1/fb
MILLIBARN = 1e12  # in fb
CHARGED = (211, 321, 2212, 11, 13)
LEPTONS = (11, 13)
NEUTRINOS = (12, 14, 16)
BRANCHES = ("run", "luminosityBlock", "event", "genWeight", "weight", "MET_pt", "MET_phi", "HT", "Lepton", "Jet")

PROCESSES = {
    "ggH_tautau": ["HiggsSM:gg2H = on", "25:m0 = 125.", "25:onMode = off", "25:onIfMatch = 15 -15"],
    "Z_tautau": [
        "WeakSingleBoson:ffbar2gmZ = on",
        "PhaseSpace:mHatMin = 60.",
        "23:onMode = off",
        "23:onIfMatch = 15 -15",
    ],
    "W_lnu": [
        "WeakBosonAndParton:qqbar2Wg = on",
        "WeakBosonAndParton:qg2Wq = on",
        "PhaseSpace:pTHatMin = 20.",
        "24:onMode = off",
        "24:onIfAny = 11 13 15",
    ],
    "ttbar": ["Top:gg2ttbar = on", "Top:qqbar2ttbar = on"],
}
"""Pythia's settings for each process."""


def is_any(pdg_id: Array, kinds: Sequence[int]) -> Array:
    """True for particles (and antiparticles) of these kinds."""
    found = abs(pdg_id) == kinds[0]
    for kind in kinds[1:]:
        found = found | (abs(pdg_id) == kind)
    return found


def smeared(values: Array, resolution: float, rng: Generator) -> Array:
    """Values times a Gaussian around 1, at least 0.2."""
    flat = np.asarray(ak.flatten(values))
    return ak.unflatten(flat * np.clip(rng.normal(1.0, resolution, len(flat)), 0.2, None), ak.num(values))


def by_pt(objects: Array) -> Array:
    """Objects in order of falling transverse momentum."""
    return objects[ak.argsort(objects.pt, ascending=False)]


def isolated_leptons(visible: Array) -> Array:
    """Electrons and muons with their isolation as field ``iso``."""
    leptons = visible[is_any(visible.pid, LEPTONS)]
    leptons = leptons[(leptons.pt > 10.0) & (abs(leptons.eta) < 2.5)]
    lepton, other = ak.unzip(ak.cartesian([leptons, visible], nested=True))
    distance = lepton.deltaR(other)
    around = ak.sum(ak.where((distance < 0.3) & (distance > 1e-4), other.pt, 0.0), axis=-1)
    leptons = ak.with_field(leptons, around / leptons.pt, "iso")
    return by_pt(leptons[leptons.iso < 0.3])


def clean_jets(visible: Array, leptons: Array) -> Array:
    """Anti-kT jets away from leptons, with the fields ``width`` and ``nCharged``."""
    cluster = fastjet.ClusterSequence(visible, fastjet.JetDefinition(fastjet.antikt_algorithm, 0.4))
    jets, parts = cluster.inclusive_jets(min_pt=20.0), cluster.constituents(min_pt=20.0)
    jets = ak.zip({name: jets[name] for name in ("px", "py", "pz", "E")}, with_name="Momentum4D")
    parts = ak.zip({name: parts[name] for name in ("px", "py", "pz", "E", "pid")}, with_name="Momentum4D")
    width = ak.sum(parts.pt * parts.deltaR(jets[:, :, np.newaxis]), axis=-1) / ak.sum(parts.pt, axis=-1)
    jets = ak.with_field(jets, width, "width")
    jets = ak.with_field(jets, ak.sum(is_any(parts.pid, CHARGED), axis=-1), "nCharged")
    jet, lepton = ak.unzip(ak.cartesian([jets, leptons], nested=True))
    return by_pt(jets[~ak.any(jet.deltaR(lepton) < 0.4, axis=-1) & (abs(jets.eta) < 4.7)])


def analyse(batch: Array, rng: Generator) -> Events:
    """What a detector would see of generated events.

    Args:
        batch: as Pythia's ``nextBatch`` gives it.
        rng: random numbers for the detector.

    Returns:
        Columns of the events that are kept: MET_pt, MET_phi, HT (float32), the jagged records Lepton and Jet.
    """
    particles = batch.prt[batch.prt.status > 0]
    momenta = particles.p
    everything = ak.zip(
        {"px": momenta.px, "py": momenta.py, "pz": momenta.pz, "E": momenta.e, "pid": particles.id},
        with_name="Momentum4D",
    )
    everything = everything[everything.pt > 1e-3]
    invisible = is_any(everything.pid, NEUTRINOS)
    visible = everything[~invisible]
    visible = visible[abs(visible.eta) < 5.0]
    leptons = isolated_leptons(visible)
    jets = clean_jets(visible, leptons)

    px = np.asarray(ak.sum(everything[invisible].px, axis=-1)) + rng.normal(0.0, 12.0, len(batch))
    py = np.asarray(ak.sum(everything[invisible].py, axis=-1)) + rng.normal(0.0, 12.0, len(batch))
    jet_pt = smeared(jets.pt, 0.10, rng)
    lepton_fields = {
        "pt": smeared(leptons.pt, 0.02, rng),
        "eta": leptons.eta,
        "phi": leptons.phi,
        "charge": -np.sign(leptons.pid),
        "pdgId": leptons.pid,
        "iso": leptons.iso,
    }
    jet_fields = {
        "pt": jet_pt,
        "eta": jets.eta,
        "phi": jets.phi,
        "mass": jets.mass,
        "nCharged": jets.nCharged,
        "width": jets.width,
    }
    seen = {
        "genWeight": np.ones(len(px), dtype=np.float32),
        "MET_pt": np.hypot(px, py).astype(np.float32),
        "MET_phi": np.arctan2(py, px).astype(np.float32),
        "HT": np.asarray(ak.sum(jet_pt, axis=-1), dtype=np.float32),
        "Lepton": records(lepton_fields),
        "Jet": records(jet_fields),
    }
    leading = np.asarray(ak.fill_none(ak.firsts(seen["Lepton"].pt), 0.0))
    keep = (leading > 20.0) & np.asarray(ak.num(seen["Jet"]) >= 1)
    return {name: column[keep] for name, column in seen.items()}


def records(fields: dict[str, Array]) -> Array:
    """Jagged records of float32, whole numbers as int32."""
    whole = ("charge", "pdgId", "nCharged")
    return ak.zip(
        {name: ak.values_astype(values, np.int32 if name in whole else np.float32) for name, values in fields.items()}
    )


def simulate(process: str, events: int, seed: int) -> Events:
    """Generate until enough events are kept.

    Args:
        process: a name of `PROCESSES`.
        events: how many to keep.
        seed: of Pythia and of the detector; also the events' luminosityBlock.

    Returns:
        All branches; ``weight`` is cross-section (fb) x 10/fb / generated events.
    """
    vector.register_awkward()
    rng = np.random.default_rng(seed)
    generator = pythia8mc.Pythia("", False)
    start = ["Print:quiet = on", "Beams:eCM = 13000.", "Random:setSeed = on", f"Random:seed = {seed}"]
    for setting in [*start, *PROCESSES[process]]:
        generator.readString(setting)
    generator.init()

    made, kept = 0, 0
    parts: list[Events] = []
    for batch in _batches(generator):
        part = analyse(batch, rng)
        made += len(batch)
        kept += len(part["MET_pt"])
        parts.append(part)
        if kept >= events:
            break
    data = {name: ak.concatenate([part[name] for part in parts])[:events] for name in parts[0]}
    data = {name: column if column.ndim > 1 else np.asarray(column) for name, column in data.items()}
    cross_section = generator.infoPython().sigmaGen() * MILLIBARN
    weight = cross_section * LUMINOSITY / (made * events / kept)
    identity: dict[str, NDArray[Any]] = {
        "run": np.ones(events, dtype=np.uint32),
        "luminosityBlock": np.full(events, seed, dtype=np.uint32),
        "event": np.arange(events, dtype=np.uint64),
        "weight": np.full(events, weight, dtype=np.float32),
    }
    return {**identity, **data}


def _batches(generator: Any) -> Iterator[Array]:
    while True:
        yield generator.nextBatch(250)


def write(data: Events, path: Path) -> None:
    """Write the tree ``Events``; the file appears when it is complete."""
    partial = path.with_name(f".{path.name}.part")
    with uproot.recreate(partial, compression=uproot.ZSTD(9)) as file:
        types = {
            name: data[name].dtype if isinstance(data[name], np.ndarray) else ak.type(data[name]).content
            for name in BRANCHES
        }
        file.mktree("Events", types).extend({name: data[name] for name in BRANCHES})
    partial.replace(path)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line; see ``--help``."""
    parser = argparse.ArgumentParser(description="Simulate pp collisions with Pythia 8, as a ROOT file.")
    parser.add_argument("process", choices=list(PROCESSES))
    parser.add_argument("-o", "--output", type=Path, required=True, help="the ROOT file to write")
    parser.add_argument("--events", type=int, default=1000, help="events to keep")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    data = simulate(options.process, options.events, options.seed)
    write(data, options.output)
    print(f"{options.output}: {options.events} events of {options.process}, weight {data['weight'][0]:.4g}")


if __name__ == "__main__":
    main()
