"""CSV with a header line or names that are given, also compressed, through pyarrow.

One pass at opening counts the rows and decides the type of each column on the whole file (integers, else floats, else
text); a range is then read by going on from where the last one ended.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from numpy.typing import NDArray

from mlaas4hep.errors.reading import CorruptFileError
from mlaas4hep.errors.text import first_line
from mlaas4hep.features.columns import Column
from mlaas4hep.streaming.readers.common import Reader, clusters_of
from mlaas4hep.streaming.readers.files import digest, open_bytes
from mlaas4hep.streaming.readers.tables.arrow import branch_of, from_arrow, labels_of
from mlaas4hep.streaming.readers.tables.csv_header import LINES, Header, is_number, read_header
from mlaas4hep.streaming.readers.tables.cursor import Cursors

__all__ = ["CsvSource"]

T = TypeVar("T")

_BLOCK = 1 << 19
"""Bytes that are parsed at once; pyarrow reads 32 of these ahead, and several ranges may be open."""
_LONGEST = 1 << 24
_BLANKS = 33
_SHOWN = 40
_BOOLEANS = ["true", "false", "True", "False", "TRUE", "FALSE"]


class CsvSource(Reader):
    """A CSV file.

    Args:
        path: a local path or URL.
        names: of the columns, if the file has no header line.
        separator: what stands between the columns; None: it is found out.

    Raises:
        FileReadError: no such file, no header, a row with too few or too many values, or damaged compression.
    """

    _has_text = True
    _sequential = True

    def __init__(self, path: str, names: tuple[str, ...] = (), separator: str | None = None) -> None:
        self._path = path
        self._identity = digest(path)
        self._header = _header(path, names, separator)
        if self._header.separator != "," and separator is None:
            self._remark = self._header.between
        types, self._clusters, nullable, texts = _scan(path, self._header)
        self._entries = self._clusters[-1]
        self._types = types
        self._branches = {
            name: replace(branch_of(name, kind, nullable=name in nullable), fault=texts.get(name))
            for name, kind in types.items()
        }
        self._cursors: Cursors[Any] = Cursors(self._blocks)

    def close(self) -> None:
        """Release the file."""
        self._cursors.close()

    def read_labels(self, branch: str, start: int, stop: int) -> NDArray[Any]:
        """See `Source`."""
        self.branch(branch)
        self.check_range(start, stop)
        return labels_of(self._table([branch], start, stop)[branch], branch, self.place, start)

    def _blocks(self, key: Hashable) -> Iterator[Any]:
        assert isinstance(key, tuple)
        return _batches(self._path, self._header, {name: self._types[name] for name in key}, list(key))

    def _table(self, names: list[str], start: int, stop: int) -> Any:
        import pyarrow as pa

        pieces = self._cursors.pieces(tuple(sorted(names)), start, stop, last=stop == self._entries)
        schema = pa.schema([(name, self._types[name]) for name in sorted(names)])
        return pa.Table.from_batches([batch.slice(a, b - a) for batch, a, b in pieces], schema=schema)

    def _text(self, branch: str, start: int, stop: int) -> list[str | None]:
        return list(self._table([branch], start, stop)[branch].to_pylist())

    def _read(self, names: list[str], start: int, stop: int) -> dict[str, Column]:
        table = self._table(names, start, stop)
        return {name: from_arrow(table[name], self._branches[name]) for name in names}


def _batches(path: str, header: Header, types: dict[str, Any], columns: list[str]) -> Iterator[Any]:
    """Blocks of rows of some columns."""
    from pyarrow import csv

    bad: list[str] = []

    def ragged(row: Any) -> str:
        count = f"{row.actual_columns} value{'' if row.actual_columns == 1 else 's'}"
        wanted = f"the header {row.expected_columns}" if header.lines else f"{row.expected_columns} are named"
        bad.append(f"row {row.number + header.lines} has {count}, {wanted}, with {header.between}")
        return "error"

    if not columns:
        return
    nulls = csv.ConvertOptions().null_values
    with open_bytes(path) as file:
        for _ in range(header.lines):
            file.readline()  # the header, which is read already
        if not file.peek(1):
            return
        reader = _guarded(
            lambda: csv.open_csv(
                file,
                read_options=csv.ReadOptions(
                    block_size=header.block(_BLOCK), use_threads=False, column_names=list(header.names)
                ),
                parse_options=csv.ParseOptions(delimiter=header.separator, invalid_row_handler=ragged),
                convert_options=csv.ConvertOptions(
                    column_types=types,
                    decimal_point=header.decimal,
                    include_columns=columns,
                    null_values=[
                        *nulls,
                        *(f" {text}" for text in nulls),
                        *(" " * count for count in range(2, _BLANKS)),
                    ],
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=False,
                    true_values=_BOOLEANS[::2],
                    false_values=_BOOLEANS[1::2],
                ),
            ),
            path,
            bad,
        )
        while (batch := _guarded(lambda: next(reader, None), path, bad)) is not None:
            yield batch


def _guarded(step: Callable[[], T], path: str, bad: Sequence[str] = ()) -> T:
    import pyarrow as pa

    try:
        return step()
    except (pa.ArrowException, OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        what = bad[0] if bad else first_line(error)
        raise CorruptFileError(f"is not valid CSV: {what}", where=path, hint="") from error


def _header(path: str, names: tuple[str, ...], separator: str | None) -> Header:
    with open_bytes(path) as file:
        lines = _guarded(lambda: [file.readline(_LONGEST).decode("utf-8-sig") for _ in range(LINES)], path)
    return read_header([line for line in lines if line], path, names, separator)


def _scan(path: str, header: Header) -> tuple[dict[str, Any], tuple[int, ...], set[str], dict[str, str | None]]:
    """Types of the columns, ends of the blocks, columns with missing values, and where text stands among numbers."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kinds = [pa.int64(), pa.uint64(), pa.float64(), pa.bool_()]
    names = list(header.names)
    left = {name: list(kinds) for name in names}
    missing = dict.fromkeys(names, 0)
    ends = [0]
    texts: dict[str, str | None] = {}
    for batch in _batches(path, header, dict.fromkeys(names, pa.string()), names):
        ends.append(ends[-1] + batch.num_rows)
        for name, column in zip(names, batch.columns, strict=True):
            missing[name] += column.null_count
            numbers = column if header.decimal == "." else pc.replace_substring(column, header.decimal, ".")
            before, left[name] = left[name], [kind for kind in left[name] if _fits(numbers, kind)]
            if before and not left[name]:
                texts[name] = _among_numbers(numbers, ends[-2])
    entries = ends[-1]
    types = {
        name: pa.float64() if missing[name] == entries else left[name][0] if left[name] else pa.string()
        for name in names
    }
    return types, clusters_of(ends, entries), {name for name, count in missing.items() if count}, texts


def _among_numbers(column: Any, first: int) -> str | None:
    """The first text that follows numbers, with its entry; None in a column of text. ``first`` is the first entry."""
    numbers = first > 0
    for entry, cell in enumerate(column.to_pylist(), first):
        if cell is not None and not is_number(cell):
            shown = cell if len(cell) <= _SHOWN else f"{cell[:_SHOWN]}..."
            return f"entry {entry} holds {shown!r}, not a number" if numbers else None
        numbers = numbers or cell is not None
    return None


def _fits(column: Any, kind: Any) -> bool:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_boolean(kind):
        return pc.all(pc.is_in(column.drop_null(), value_set=pa.array(_BOOLEANS))).as_py() is not False
    try:
        pc.utf8_trim(column, " \t").cast(kind)  # as the reader of numbers does it
    except pa.ArrowInvalid:
        return False
    return True
