"""Avro through fastavro; the types are those of the schema, the clusters are Avro's blocks."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

from mlaas4hep.errors import FileReadError, FrameworkMissingError
from mlaas4hep.errors.reading import CorruptFileError
from mlaas4hep.errors.text import first_line
from mlaas4hep.streaming.readers.base import Branch
from mlaas4hep.streaming.readers.common import clusters_of
from mlaas4hep.streaming.readers.files import digest, open_bytes
from mlaas4hep.streaming.readers.tables.records import Record, RecordReader

__all__ = ["AvroSource"]

_NUMBERS = {"int": "int32", "long": "int64", "float": "float32", "double": "float64", "boolean": "bool"}


class AvroSource(RecordReader):
    """An Avro file of records.

    Raises:
        FileReadError: no such file, no Avro, truncated or damaged.
    """

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path
        self._identity = digest(path)
        ends = [0]
        with open_bytes(path) as file:
            try:
                import fastavro

                blocks = fastavro.block_reader(file)
                schema = blocks.writer_schema
                self._compression = None if blocks.codec == "null" else str(blocks.codec)
                ends.extend(ends[-1] + block.num_records for block in blocks)
            except Exception as error:
                raise self._error(error) from error
        if not isinstance(schema, dict) or schema.get("type") != "record":
            raise FileReadError("its schema is not a record of named columns", where=path)
        self._branches = {field["name"]: _branch(field["name"], field["type"]) for field in schema["fields"]}
        self._entries = ends[-1]
        self._clusters = clusters_of(ends, self._entries)

    def _records(self) -> Iterator[Record]:
        import fastavro

        with open_bytes(self._path) as file:
            try:
                yield from fastavro.reader(file)  # type: ignore[misc]
            except Exception as error:
                raise self._error(error) from error

    def _error(self, error: Exception) -> Exception:
        if "codec" in str(error).lower() and "install" in str(error).lower():
            return FrameworkMissingError(
                f"its compression needs another package: {first_line(error)}", where=self._path
            )
        text = "ends too early" if isinstance(error, EOFError | StopIteration | zlib.error) else first_line(error)
        return CorruptFileError(f"is not an Avro file, or damaged: {text}", where=self._path)


def _branch(name: str, kind: Any) -> Branch:
    kind, optional = _without_null(kind)
    number = _number(kind, optional=optional)
    if number:
        return Branch(name, "flat", number)
    if isinstance(kind, dict) and kind.get("type") == "array":
        items, missing = _without_null(kind["items"])
        inner = _number(items, optional=missing)
        return Branch(name, "jagged", inner) if inner else Branch(name, "unsupported", f"lists of {_word(items)}")
    return Branch(name, "unsupported", _word(kind))


def _without_null(kind: Any) -> tuple[Any, bool]:
    if not isinstance(kind, list):
        return kind, False
    rest = [choice for choice in kind if choice != "null"]
    return (rest[0] if len(rest) == 1 else rest), len(rest) < len(kind)


def _number(kind: Any, *, optional: bool) -> str | None:
    if isinstance(kind, dict) and "logicalType" not in kind:
        kind = kind.get("type")
    number = _NUMBERS.get(kind) if isinstance(kind, str) else None
    return "float64" if optional and number is not None and not number.startswith("float") else number


def _word(kind: Any) -> str:
    if isinstance(kind, list):
        return " or ".join(_word(choice) for choice in kind)
    if isinstance(kind, dict):
        kind = kind.get("logicalType") or kind.get("type")
    return str(kind)
