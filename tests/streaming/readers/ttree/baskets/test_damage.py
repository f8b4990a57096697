"""Damaged baskets: what is read directly is checked, and whatever is wrong is said as uproot's reading says it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlaas4hep.errors import FileReadError
from mlaas4hep.features.columns import Jagged
from mlaas4hep.streaming.readers.ttree.baskets.raw import BasketError
from tests.streaming.readers.uproot_reference import direct, open_tree

CODECS = {
    "none": None,
    "zlib": uproot.ZLIB(1),
    "lzma": uproot.LZMA(1),
    "lz4": uproot.LZ4(1),
    "zstd": uproot.ZSTD(1),
}
EVENTS = 120


def write(path: Path, codec: Any) -> Path:
    """Numbers and lists in two baskets each."""
    rng = np.random.default_rng(2)
    with uproot.recreate(path, compression=codec) as file:
        tree = file.mktree("Events", {"x": "f4", "j": "var * int32"})
        for _ in range(2):
            counts = rng.poisson(2, EVENTS // 2)
            lists = ak.unflatten(rng.integers(0, 9, counts.sum()).astype(np.int32), counts)
            tree.extend({"x": rng.normal(size=EVENTS // 2).round(1).astype(np.float32), "j": lists})
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, bytes, list[tuple[int, int]]]]:
    """A file of each compression: its path, what is in it, and where its baskets are."""
    folder = tmp_path_factory.mktemp("damage")
    result = {}
    for name, codec in CODECS.items():
        path = write(folder / f"{name}.root", codec)
        tables = open_tree(path).direct(["x", "nj", "j"]).values()
        places = [place for table in tables for place in zip(table.seeks, table.sizes, strict=True)]
        assert len(places) == 6
        result[name] = path, path.read_bytes(), places
    return result


def outcome(read: Any) -> Any:
    """Everything that is read, as bytes, or the words of the error."""
    try:
        columns = read(["x", "nj", "j"], 10, 110)
    except FileReadError as error:
        return str(error)
    result: list[Any] = []
    for name, column in columns.items():
        if isinstance(column, Jagged):
            result.append((name, column.offsets.tobytes(), column.values.tobytes(), column.values.dtype.name))
        else:
            result.append((name, column.tobytes(), column.dtype.name))
    return result


@pytest.mark.parametrize("codec", list(CODECS))
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 5), st.one_of(st.integers(0, 110), st.integers(0, 2000)), st.integers(1, 255), st.booleans())
def test_a_damaged_byte_has_the_outcome_of_uproot(
    files: dict[str, tuple[Path, bytes, list[tuple[int, int]]]],
    codec: str,
    basket: int,
    at: int,
    change: int,
    backwards: bool,
) -> None:
    path, content, places = files[codec]
    begin, size = places[basket]
    damaged = bytearray(content)
    damaged[begin + (size - 1 - at % size if backwards else at % size)] ^= change
    path.write_bytes(damaged)
    source = open_tree(path)
    assert outcome(source.read) == outcome(source._read_with_uproot)
    source.close()


def test_damage_is_noticed_before_uproot(files: dict[str, tuple[Path, bytes, list[tuple[int, int]]]]) -> None:
    path, content, places = files["lz4"]
    for begin, size in places:
        damaged = bytearray(content)
        damaged[begin + size - 3] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(Exception, match="checksum"):
            direct(open_tree(path), ["x", "nj", "j"], 0, EVENTS)


def test_a_basket_of_another_branch(tmp_path: Path) -> None:
    """A whole basket in the place of another is noticed by its size."""
    path = write(tmp_path / "a.root", None)
    tables = open_tree(path).direct(["x", "j"])
    content = bytearray(path.read_bytes())
    (x, j), size = (tables["x"].seeks[0], tables["j"].seeks[0]), tables["x"].sizes[0]
    content[j : j + size] = content[x : x + size]
    path.write_bytes(content)
    with pytest.raises(BasketError, match="wrong sizes"):
        direct(open_tree(path), ["x", "j"], 0, EVENTS)


def test_a_file_cut_off_after_it_was_opened(tmp_path: Path) -> None:
    path = write(tmp_path / "a.root", uproot.ZSTD(1))
    source = open_tree(path)
    table = source.direct(["j"])["j"]
    with path.open("r+b") as file:
        file.truncate(table.seeks[1] + 70)
    assert len(source.read(["j"], 0, table.edges[1])["j"]) == table.edges[1]
    with pytest.raises(FileReadError, match=r"entries 0 to 120 of branch j cannot be read: the data ends too early"):
        source.read(["j"], 0, EVENTS)
