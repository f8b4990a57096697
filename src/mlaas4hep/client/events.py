"""From what physicists hold in memory (numpy, awkward, pandas, lists) to the body of a request, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mlaas4hep.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["BINARY", "encode_events", "encode_matrix", "matrix_of", "scores_of"]

BINARY = "inference-header-content-length"


def matrix_of(events: Any) -> NDArray[np.float32] | None:
    """A float32 matrix [N, D] if the events are one: a numpy array of numbers of two dimensions; else None."""
    import numpy as np

    if isinstance(events, np.ndarray) and events.dtype.names is None and events.dtype.kind in "biuf":
        if events.ndim != 2:
            raise ConfigError(
                f"an array of shape {events.shape} is no matrix of features", hint="give [events, columns]"
            )
        return np.ascontiguousarray(events, dtype="<f4")
    return None


def encode_matrix(rows: NDArray[np.float32]) -> tuple[bytes, dict[str, str]]:
    """Body and headers of an Open Inference request with ``features`` as raw bytes."""
    import json

    description = {
        "inputs": [
            {
                "name": "features",
                "shape": list(rows.shape),
                "datatype": "FP32",
                "parameters": {"binary_data_size": rows.nbytes},
            }
        ],
        "outputs": [{"name": "scores", "parameters": {"binary_data": True}}],
    }
    head = json.dumps(description).encode()
    headers = {"content-type": "application/octet-stream", BINARY: str(len(head))}
    return head + rows.tobytes(), headers


def scores_of(body: bytes, header: str | None) -> NDArray[np.float32]:
    """The scores [N, K] in the answer to such a request."""
    import json

    import numpy as np

    size = int(header) if header else len(body)
    found = json.loads(body[:size])["outputs"][0]
    if header:
        return np.frombuffer(body, dtype="<f4", offset=size).reshape(found["shape"]).copy()
    return np.array(found["data"], dtype=np.float32).reshape(found["shape"])


def encode_events(events: Any) -> dict[str, Any]:
    """``{"events": [...]}`` or ``{"columns": {...}}`` for anything that names its branches.

    Args:
        events: a list of dicts (one an event), one dict of scalars and lists (one event is a list of one dict), a dict
            of columns, an awkward record array, a pandas data frame, or a numpy array with named fields.

    Raises:
        ConfigError: something else.
    """
    if isinstance(events, Mapping):
        return {"columns": {str(name): _plain(column) for name, column in events.items()}}
    if hasattr(events, "fields") and callable(getattr(events, "to_list", None)):
        return {"columns": {name: _plain(events[name]) for name in events.fields}}
    if hasattr(events, "columns") and hasattr(events, "iloc"):
        return {"columns": {str(name): _plain(events[name]) for name in events.columns}}
    names = getattr(getattr(events, "dtype", None), "names", None)
    if names:
        return {"columns": {name: _plain(events[name]) for name in names}}
    if isinstance(events, Sequence) and all(isinstance(event, Mapping) for event in events):
        return {"events": [{str(k): _value(v) for k, v in event.items()} for event in events]}
    raise ConfigError(
        f"events of type {type(events).__name__} are not understood",
        hint="give a list of dicts, a dict of columns, an awkward or pandas table, or a numpy matrix of features",
    )


def _plain(column: Any) -> list[Any]:
    for method in ("to_list", "tolist"):
        convert = getattr(column, method, None)
        if callable(convert):
            return [_value(value) for value in convert()]
    return [_value(value) for value in column]


def _value(value: Any) -> Any:
    """Plain numbers and lists; what is not a number becomes null, which means missing."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, float):
        return value if abs(value) != float("inf") and value == value else None  # noqa: PLR0124
    if isinstance(value, (list, tuple)):
        return [_value(item) for item in value]
    return value
