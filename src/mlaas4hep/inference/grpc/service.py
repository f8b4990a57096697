"""The gRPC service ``inference.GRPCInferenceService``: thin calls over the data plane."""

from __future__ import annotations

import functools
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NamedTuple

import grpc
from google.protobuf import json_format
from tritonclient.grpc import service_pb2 as pb

from mlaas4hep.errors.serving import BadRequestError, ModelNotFoundError, ServingError
from mlaas4hep.inference.answers import Inferred
from mlaas4hep.inference.grpc.codec import inputs_of, response_of, wanted_of
from mlaas4hep.inference.grpc.turns import Turns
from mlaas4hep.inference.protocol import responses
from mlaas4hep.inference.server import Server
from mlaas4hep.web.rights import Right

__all__ = ["METHODS", "SERVICE", "Method", "handlers"]

SERVICE = "inference.GRPCInferenceService"

_log = logging.getLogger(__name__)
_FINAL = "triton_enable_empty_final_response"


class _Calls:
    """One method a call: the request message in, the response message out."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._turns = Turns()

    async def infer(self, request: Any) -> Any:
        """Return the response of one inference."""
        found = await self._turns.do(functools.partial(self._infer, request))
        return found if isinstance(found, pb.ModelInferResponse) else response_of(self.server, request, await found)

    def _infer(self, request: Any) -> Any:
        """Return the response, or the outputs to await."""
        inferred = self.server.infer_soon(
            request.model_name, inputs_of(request), wanted_of(request), request.model_version
        )
        return response_of(self.server, request, inferred) if isinstance(inferred, Inferred) else inferred

    async def stream_infer(self, requests: AsyncIterator[Any], _context: Any) -> AsyncIterator[Any]:
        """Yield one response a request, in order; an error is one too and does not end the stream."""
        async for request in requests:
            try:
                response = await self.infer(request)
            except ServingError as error:
                failed = pb.ModelInferResponse(model_name=request.model_name, id=request.id)
                yield pb.ModelStreamInferResponse(error_message=str(error), infer_response=failed)
                continue
            if _FINAL in request.parameters and request.parameters[_FINAL].bool_param:
                response.parameters["triton_final_response"].bool_param = True
            yield pb.ModelStreamInferResponse(infer_response=response)

    async def server_live(self, _request: Any) -> Any:
        """Return that the process answers."""
        return pb.ServerLiveResponse(live=True)

    async def server_ready(self, _request: Any) -> Any:
        """Return that the server takes requests; a model that still loads does not make it unready."""
        return pb.ServerReadyResponse(ready=True)

    async def server_metadata(self, _request: Any) -> Any:
        """Return name, version and extensions."""
        return pb.ServerMetadataResponse(**responses.server_metadata())

    async def model_ready(self, request: Any) -> Any:
        """Return whether a model is ready; a model that does not exist is not."""
        try:
            info = self.server.info(request.name, request.version)
        except ModelNotFoundError:
            return pb.ModelReadyResponse(ready=False)
        return pb.ModelReadyResponse(ready=responses.is_ready(info))

    async def model_metadata(self, request: Any) -> Any:
        """Return the tensors of a model."""
        return json_format.ParseDict(
            await responses.metadata(self.server, request.name, request.version),
            pb.ModelMetadataResponse(),
            ignore_unknown_fields=True,
        )

    async def model_config(self, request: Any) -> Any:
        """Return Triton's configuration of a model."""
        config = await responses.config(self.server, request.name, request.version)
        return json_format.ParseDict({"config": config}, pb.ModelConfigResponse())

    async def model_statistics(self, request: Any) -> Any:
        """Return counts and times of one version, one model, or all."""
        statistics = self.server.statistics(request.name or None, request.version)
        return json_format.ParseDict(
            {"model_stats": statistics}, pb.ModelStatisticsResponse(), ignore_unknown_fields=True
        )

    async def repository_index(self, request: Any) -> Any:
        """Return all versions of all models, or those that are ready."""
        entries = responses.index(self.server, ready=request.ready)
        return json_format.ParseDict({"models": entries}, pb.RepositoryIndexResponse())

    async def repository_load(self, request: Any) -> Any:
        """Load a model, or the version named in the parameters."""
        others = set(request.parameters) - {"version"}
        if others:
            raise BadRequestError(
                f"a load cannot change the model; unknown parameters {', '.join(sorted(others))}",
                hint="upload a new version",
            )
        await self.server.load(request.model_name, _version(request))
        return pb.RepositoryModelLoadResponse()

    async def repository_unload(self, request: Any) -> Any:
        """Unload a model, or the version named in the parameters."""
        others = set(request.parameters) - {"version", "unload_dependents"}
        if others:
            raise BadRequestError(f"unknown parameters {', '.join(sorted(others))}")
        await self.server.unload(request.model_name, _version(request))
        return pb.RepositoryModelUnloadResponse()


def _version(request: Any) -> str:
    if "version" not in request.parameters:
        return ""
    given = request.parameters["version"]
    return given.string_param or (str(given.int64_param) if given.int64_param else "")


def _guarded(name: str, call: Callable[[Any], Awaitable[Any]]) -> Callable[[Any, Any], Awaitable[Any]]:
    """Return the call with errors as gRPC status codes; an unexpected one is logged, and told without its details."""

    async def guarded(request: Any, context: Any) -> Any:
        try:
            return await call(request)
        except ServingError as error:
            code, text = grpc.StatusCode[error.grpc], str(error)
        except Exception:
            _log.exception("%s failed", name)
            code, text = grpc.StatusCode.INTERNAL, "internal error"
        return await context.abort(code, text)

    return guarded


class Method(NamedTuple):
    """One method of the service.

    Attributes:
        name: of the method.
        right: what the caller must be allowed to do.
        call: from the request message to the response message; of a stream, from all requests to all responses.
    """

    name: str
    right: Right
    call: Callable[..., Any]


METHODS = (
    Method("ModelInfer", Right.PREDICT, _Calls.infer),
    Method("ServerLive", Right.OPEN, _Calls.server_live),
    Method("ServerReady", Right.OPEN, _Calls.server_ready),
    Method("ServerMetadata", Right.READ, _Calls.server_metadata),
    Method("ModelReady", Right.READ, _Calls.model_ready),
    Method("ModelMetadata", Right.READ, _Calls.model_metadata),
    Method("ModelConfig", Right.READ, _Calls.model_config),
    Method("ModelStatistics", Right.READ, _Calls.model_statistics),
    Method("RepositoryIndex", Right.READ, _Calls.repository_index),
    Method("RepositoryModelLoad", Right.MANAGE, _Calls.repository_load),
    Method("RepositoryModelUnload", Right.MANAGE, _Calls.repository_unload),
    Method("ModelStreamInfer", Right.PREDICT, _Calls.stream_infer),
)


def handlers(server: Server) -> grpc.GenericRpcHandler:
    """Return all calls of the service, to be added to a `grpc.aio` server."""
    calls = _Calls(server)
    table = {}
    for name, _, unbound in METHODS:
        call = functools.partial(unbound, calls)
        if unbound is _Calls.stream_infer:
            table[name] = grpc.stream_stream_rpc_method_handler(
                call, pb.ModelInferRequest.FromString, pb.ModelStreamInferResponse.SerializeToString
            )
        else:
            table[name] = grpc.unary_unary_rpc_method_handler(
                _guarded(name, call),
                getattr(pb, f"{name}Request").FromString,
                getattr(pb, f"{name}Response").SerializeToString,
            )
    return grpc.method_handlers_generic_handler(SERVICE, table)
