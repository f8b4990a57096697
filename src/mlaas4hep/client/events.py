"""From what physicists hold in memory (numpy, awkward, pandas, lists) to the body of a request, and back."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from mlaas4hep.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["BINARY", "Tensors", "body_of", "encode_events", "encode_matrix", "matrix_of", "scores_of", "tensors_of"]

BINARY = "inference-header-content-length"
SCORES = "scores"
DATATYPES = {"float32": ("FP32", "<f4"), "float64": ("FP64", "<f8")}


class Tensors(NamedTuple):
    """Names of a model's input and output, and the input's type: in the protocol and in numpy."""

    input: str
    output: str
    datatype: str
    dtype: str


def matrix_of(events: Any) -> NDArray[Any] | None:
    """The events if they are a matrix [N, D]: a numpy array of numbers of two dimensions; else None.

    Raises:
        ConfigError: an array of other dimensions.
    """
    import numpy as np

    if isinstance(events, np.ndarray) and events.dtype.names is None and events.dtype.kind in "biuf":
        if events.ndim != 2:
            raise ConfigError(
                f"an array of shape {events.shape} is not a matrix of features", hint="give [events, columns]"
            )
        return events
    return None


def tensors_of(described: Mapping[str, Any]) -> Tensors | None:
    """What to call a matrix and its scores, from a model's metadata; None if it takes something else."""
    inputs, outputs = described["inputs"], [output["name"] for output in described["outputs"]]
    if len(inputs) != 1 or inputs[0]["dtype"] not in DATATYPES or len(inputs[0]["shape"]) != 2:
        return None
    output = SCORES if SCORES in outputs else outputs[0]
    if len(outputs) > 1 and output != SCORES:
        return None
    return Tensors(inputs[0]["name"], output, *DATATYPES[inputs[0]["dtype"]])


def encode_matrix(rows: NDArray[Any], names: Tensors) -> tuple[bytes, dict[str, str]]:
    """Body and headers of an Open Inference request with the rows as raw bytes."""
    import numpy as np

    data = np.ascontiguousarray(rows, dtype=names.dtype)
    description = {
        "inputs": [
            {
                "name": names.input,
                "shape": list(data.shape),
                "datatype": names.datatype,
                "parameters": {"binary_data_size": data.nbytes},
            }
        ],
        "outputs": [{"name": names.output, "parameters": {"binary_data": True}}],
    }
    head = json.dumps(description).encode()
    headers = {"content-type": "application/octet-stream", BINARY: str(len(head))}
    return head + data.tobytes(), headers


def scores_of(body: bytes, header: str | None) -> NDArray[np.float32]:
    """The scores [N, K] in the answer to such a request."""
    import numpy as np

    size = int(header) if header else len(body)
    found = json.loads(body[:size])["outputs"][0]
    if header:
        dtype = next(dtype for name, dtype in DATATYPES.values() if name == found["datatype"])
        data = np.frombuffer(body, dtype=dtype, offset=size).astype(np.float32)
    else:
        data = np.array(found["data"], dtype=np.float32)
    rows = found["shape"][0]
    return data.reshape(rows, data.size // rows if rows else 1)


def encode_events(events: Any) -> dict[str, Any]:
    """``{"events": [...]}`` or ``{"columns": {...}}`` for anything that names its branches.

    Args:
        events: a list of dicts (one an event), a dict of columns, an awkward record array, a pandas data frame, an
            Arrow table, or a numpy array with named fields.

    Raises:
        ConfigError: something else.
    """
    if isinstance(events, Mapping):
        return {"columns": {str(name): _column(str(name), column) for name, column in events.items()}}
    if hasattr(events, "fields") and callable(getattr(events, "to_list", None)) and events.fields:
        return {"columns": {name: _column(name, events[name]) for name in events.fields}}
    if callable(getattr(events, "to_pydict", None)):
        return encode_events(events.to_pydict())
    if hasattr(events, "columns") and hasattr(events, "iloc"):
        return {"columns": {str(name): _column(str(name), events[name]) for name in events.columns}}
    names = getattr(getattr(events, "dtype", None), "names", None)
    if names:
        return {"columns": {name: _column(name, events[name]) for name in names}}
    if isinstance(events, Sequence) and all(isinstance(event, Mapping) for event in events):
        return {"events": list(events)}
    raise ConfigError(
        f"events of type {type(events).__name__} are not understood",
        hint="give a list of dicts, a dict of columns, an awkward or pandas table, or a numpy matrix of features",
    )


def body_of(data: dict[str, Any]) -> bytes:
    """JSON; numpy's numbers become plain ones, and NaN and infinity null, which means missing.

    Raises:
        ConfigError: there is something that JSON has no form for.
    """
    try:
        return _dumps(data)
    except (TypeError, ValueError):  # not plain, or NaN
        pass
    try:
        return _dumps(_value(data))
    except (TypeError, ValueError) as error:
        raise ConfigError(f"the events cannot be written as JSON ({error})") from error


def _dumps(data: Any) -> bytes:
    return json.dumps(data, allow_nan=False, separators=(",", ":")).encode()


def _column(name: str, column: Any) -> list[Any]:
    for method in ("to_list", "tolist"):
        convert = getattr(column, method, None)
        if callable(convert):
            column = convert()
            break
    if isinstance(column, (str, bytes, Mapping)) or not isinstance(column, Iterable):
        raise ConfigError(
            f"a {type(column).__name__} where a column with one entry an event is expected",
            where=name,
            hint="one event is a list of one dict",
        )
    return list(column)


def _value(value: Any) -> Any:
    """Plain numbers and lists; what is missing in any library's way (NaN, NaT, pandas' NA) is null."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Decimal):
        return _value(float(value))
    if isinstance(value, Mapping):
        return {str(name): _value(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_value(item) for item in value]
    return None if _is_missing(value) else value


def _is_missing(value: Any) -> bool:
    """True for what is not equal to itself, or does not say whether it is."""
    try:
        return bool(value != value)  # noqa: PLR0124
    except TypeError:
        return True
