"""The fast simulation: physics that must hold, and content that depends on process, seed and event number alone."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot
from hypothesis import given, settings
from hypothesis import strategies as st

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "simulation" / "fast.py"


def load() -> ModuleType:
    pytest.importorskip("vector")
    spec = importlib.util.spec_from_file_location("fast_simulation", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


fast = load()
PROCESSES = ["ggH_tautau", "Z_tautau", "Z_ll", "W_lnu", "ttbar"]


def sample(process: str, events: int, seed: int = 0, **options: Any) -> dict[str, Any]:
    chunks = list(fast.generate(process, events, seed, **options))
    return {
        name: np.concatenate([c[name] for c in chunks])
        if isinstance(chunks[0][name], np.ndarray)
        else ak.concatenate([c[name] for c in chunks])
        for name in chunks[0]
    }


def same(a: dict[str, Any], b: dict[str, Any]) -> bool:
    def equal(x: Any, y: Any) -> bool:
        if isinstance(x, np.ndarray):
            return bool(np.array_equal(x, y))
        return all(ak.to_list(x[field]) == ak.to_list(y[field]) for field in x.fields) and x.fields == y.fields

    return a.keys() == b.keys() and all(equal(a[name], b[name]) for name in a)


def invariant_mass(first: Any, second: Any) -> Any:
    """Massless objects: m^2 = 2 pt1 pt2 (cosh(eta1 - eta2) - cos(phi1 - phi2))."""
    return np.sqrt(
        2 * first.pt * second.pt * (np.cosh(first.eta - second.eta) - np.cos(first.phi - second.phi)),
    )


@settings(max_examples=25, deadline=None)
@given(
    mass=st.floats(1.0, 500.0),
    shares=st.tuples(st.floats(0.0, 0.49), st.floats(0.0, 0.49)),
    mean_pt=st.floats(0.1, 200.0),
    seed=st.integers(0, 2**32),
)
def test_decay_conserves_momentum_and_masses(
    mass: float, shares: tuple[float, float], mean_pt: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    mother = fast.parent(rng, np.full(20, mass), mean_pt)
    masses = [np.full(20, mass * share) for share in shares]
    daughters = fast.two_body(rng, mother, *masses)
    for component in ("px", "py", "pz", "E"):
        total = daughters[0][component] if component != "E" else daughters[0].E
        other = daughters[1][component] if component != "E" else daughters[1].E
        wanted = mother[component] if component != "E" else mother.E
        np.testing.assert_allclose(total + other, wanted, rtol=1e-6, atol=1e-6 * float(np.max(mother.E)))
    pair = daughters[0] + daughters[1]
    np.testing.assert_allclose(pair.mass, mass, rtol=1e-4)


def test_decay_is_isotropic_at_rest() -> None:
    rng = np.random.default_rng(1)
    zero = np.zeros(20_000)
    first, second = fast.two_body(rng, fast.four_vector(zero, zero, zero, zero + 91.19), zero, zero)
    np.testing.assert_allclose(np.asarray(first.mag), 91.19 / 2)
    np.testing.assert_allclose(np.asarray(first.pz), -np.asarray(second.pz))
    cos = np.asarray(first.pz) / np.asarray(first.mag)
    assert abs(cos.mean()) < 0.02
    assert abs((cos**2).mean() - 1 / 3) < 0.01


def test_resonance_has_its_mass_and_width() -> None:
    masses = fast.breit_wigner(np.random.default_rng(2), 50_000, 91.19, 2.495)
    low, middle, high = np.quantile(masses, [0.25, 0.5, 0.75])
    assert middle == pytest.approx(91.19, abs=0.05)
    assert high - low == pytest.approx(2.495, rel=0.1)  # the quartiles of a Cauchy distribution are its width apart
    assert masses.min() > 91.19 - 10 * 2.495 - 1e-9
    assert masses.max() < 91.19 + 10 * 2.495 + 1e-9


def test_z_peak_in_lepton_pairs() -> None:
    leptons = sample("Z_ll", 20_000)["Lepton"]
    pairs = leptons[ak.num(leptons) == 2]
    mass = np.asarray(invariant_mass(pairs[:, 0], pairs[:, 1]))
    assert len(mass) > 5_000
    assert np.median(mass) == pytest.approx(91.2, abs=0.5)
    assert np.mean(np.abs(mass - 91.2) < 5) > 0.7
    assert ak.all(ak.sum(pairs.charge, axis=1) == 0)


def test_w_transverse_mass_ends_near_its_mass() -> None:
    events = sample("W_lnu", 20_000)
    one = ak.num(events["Lepton"]) == 1
    lepton = events["Lepton"][one][:, 0]
    met, phi = events["MET_pt"][np.asarray(one)], events["MET_phi"][np.asarray(one)]
    mass = np.asarray(np.sqrt(2 * lepton.pt * met * (1 - np.cos(lepton.phi - phi))))
    assert 40 < np.median(mass) < 80
    assert np.mean(mass > 120) < 0.02


def test_taus_lose_momentum_to_neutrinos() -> None:
    def visible_mass(process: str) -> float:
        leptons = sample(process, 40_000)["Lepton"]
        pairs = leptons[ak.num(leptons) == 2]
        return float(np.median(np.asarray(invariant_mass(pairs[:, 0], pairs[:, 1]))))

    higgs, boson = visible_mass("ggH_tautau"), visible_mass("Z_tautau")
    assert 20 < boson < higgs < 125
    assert boson < 80


def test_top_pairs_have_most_jets_and_ht() -> None:
    jets, ht = {}, {}
    for process in PROCESSES:
        events = sample(process, 5_000)
        jets[process], ht[process] = float(ak.mean(ak.num(events["Jet"]))), float(events["HT"].mean())
    assert max(jets, key=lambda name: jets[name]) == max(ht, key=lambda name: ht[name]) == "ttbar"
    assert 3 < jets["ttbar"] < 7


@pytest.mark.parametrize("process", PROCESSES)
def test_ranges_and_order(process: str) -> None:
    events = sample(process, 3_000)
    lepton, jet = events["Lepton"], events["Jet"]
    assert len(lepton) == len(jet) == len(events["event"]) == 3_000
    assert ak.min(lepton.pt) > 10
    assert ak.max(abs(lepton.eta)) < 2.5
    assert ak.all(lepton.iso < 0.3)
    assert ak.all((abs(lepton.pdgId) == 11) | (abs(lepton.pdgId) == 13))
    assert ak.all(lepton.charge * lepton.pdgId < 0)
    assert ak.min(jet.pt) > 20
    assert ak.max(abs(jet.eta)) < 4.7
    assert ak.all(jet.nCharged >= 0)
    for objects in (lepton, jet):
        assert ak.all(objects.pt[:, :-1] >= objects.pt[:, 1:])
        assert ak.all(abs(objects.phi) <= np.float32(np.pi))
        assert len(set(ak.to_list(ak.num(objects)))) > 1
        assert np.isfinite(np.asarray(ak.flatten(objects.eta))).all()
    np.testing.assert_allclose(events["HT"], np.asarray(ak.sum(jet.pt, axis=1)), rtol=1e-5)
    np.testing.assert_allclose(events["weight"].sum(), fast.PROCESSES[process].cross_section * 10, rtol=1e-4)


@settings(max_examples=8, deadline=None)
@given(chunk_size=st.integers(1500, 12_000), events=st.integers(1, 9_000))
def test_content_does_not_depend_on_chunks(chunk_size: int, events: int) -> None:
    assert same(sample("Z_ll", events, 3, chunk_size=chunk_size), sample("Z_ll", events, 3, chunk_size=20_000))


def test_longer_file_begins_with_the_shorter() -> None:
    short, long = sample("ttbar", 1_000, 5), sample("ttbar", 6_000, 5)
    first = {name: column[:1_000] for name, column in long.items()}
    assert same({**short, "weight": first["weight"]}, first)
    np.testing.assert_allclose(short["weight"], 6 * first["weight"], rtol=1e-6)


def test_seed_and_process_decide() -> None:
    assert same(sample("Z_ll", 500, 7), sample("Z_ll", 500, 7))
    assert not np.array_equal(sample("Z_ll", 500, 7)["MET_pt"], sample("Z_ll", 500, 8)["MET_pt"])
    assert not np.array_equal(sample("Z_ll", 500, 7)["MET_pt"], sample("Z_tautau", 500, 7)["MET_pt"])


def test_negative_weights_change_nothing_else() -> None:
    plain, signed = sample("ttbar", 4_000), sample("ttbar", 4_000, negative=0.25)
    assert np.mean(signed["genWeight"] < 0) == pytest.approx(0.25, abs=0.03)
    np.testing.assert_array_equal(signed["weight"], plain["weight"] * signed["genWeight"])
    assert same({**signed, "genWeight": plain["genWeight"], "weight": plain["weight"]}, plain)


def test_wide_files_add_branches_and_change_none() -> None:
    plain, wide = sample("Z_tautau", 300), sample("Z_tautau", 300, branches=(25, 52))
    flat = [name for name, column in wide.items() if isinstance(column, np.ndarray)]
    assert len(flat) + 2 == 25
    assert len(wide["Jet"].fields) + len(wide["Lepton"].fields) == 52
    for name in plain:
        if isinstance(plain[name], np.ndarray):
            np.testing.assert_array_equal(plain[name], wide[name])
    assert ak.to_list(plain["Jet"].pt) == ak.to_list(wide["Jet"].pt)
    assert ak.to_list(ak.num(wide["Jet"].x00)) == ak.to_list(ak.num(wide["Jet"].pt))


def test_jets_of_the_initial_state() -> None:
    """Their mean and largest number can be chosen; the default is that of the process, at most 8."""
    assert same(sample("Z_ll", 600), sample("Z_ll", 600, jets=(fast.PROCESSES["Z_ll"].jets, 8)))
    none, some, many = (ak.num(sample("Z_ll", 4_000, jets=jets)["Jet"]) for jets in ((0.0, 8), (9.0, 3), (9.0, 10)))
    assert ak.max(none) == 0
    assert ak.max(some) == 3
    assert ak.max(many) == 10
    assert 5 < ak.mean(many) < 8


@pytest.mark.parametrize("compression", ["ZLIB", "ZSTD", "LZ4", "LZMA", "none"])
def test_file_has_the_branches_of_the_pythia_sample(compression: str, tmp_path: Path, pythia: Path) -> None:
    out = tmp_path / "x.root"
    fast.main(["Z_tautau", "--events", "250", "--chunk-size", "100", "--compression", compression, "-o", str(out)])
    assert list(tmp_path.iterdir()) == [out]
    with uproot.open(out) as file, uproot.open(pythia / "Z_tautau.root") as reference:
        tree, wanted = file["Events"], reference["Events"]
        assert {n: tree[n].typename for n in tree.keys()} == {n: wanted[n].typename for n in wanted.keys()}  # noqa: SIM118
        assert tree.num_entries == 250
        np.testing.assert_array_equal(tree["nJet"].array(library="np"), ak.num(tree["Jet_pt"].array()))


def test_rntuple_holds_the_same_events(tmp_path: Path) -> None:
    for layout in ("ttree", "rntuple"):
        fast.main(["ttbar", "--events", "300", "--chunk-size", "128", "--format", layout, "-o", f"{tmp_path / layout}"])
    with uproot.open(tmp_path / "ttree") as a, uproot.open(tmp_path / "rntuple") as b:
        tree, ntuple = a["Events"], b["Events"]
        assert ntuple.classname == "ROOT::RNTuple"
        assert ntuple.num_entries == 300
        assert ak.to_list(ntuple["Jet.pt"].array()) == ak.to_list(tree["Jet_pt"].array())
        np.testing.assert_array_equal(np.asarray(ntuple["MET_pt"].array()), tree["MET_pt"].array(library="np"))


@pytest.mark.parametrize(
    ("process", "options", "message"),
    [
        ("Z_mumu", {}, r"no process 'Z_mumu'; there are ggH_tautau, "),
        ("ttbar", {"chunk_size": 0}, "needs events > 0"),
        ("ttbar", {"branches": (5, 12)}, "at least 10,12"),
        ("ttbar", {"jets": (-1.0, 8)}, "not -1,8"),
    ],
)
def test_wrong_arguments(process: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        next(fast.generate(process, 10, **options))
