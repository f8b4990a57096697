from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from tritonclient.grpc import service_pb2 as pb
from tritonclient.grpc.service_pb2_grpc import GRPCInferenceServiceStub

from mlaas4hep.errors import ConfigError
from mlaas4hep.inference.grpc.server import serve_grpc
from mlaas4hep.inference.model_info import ModelInfo
from mlaas4hep.inference.server import Server
from tests.support.running import Running
from tests.support.serving import settings


@pytest.mark.parametrize("service", ["", "inference.GRPCInferenceService"])
def test_health(oip: Running, service: str) -> None:
    with grpc.insecure_channel(oip.grpc) as channel:
        answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=service))
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_reflection_lists_the_service(oip: Running) -> None:
    with grpc.insecure_channel(oip.grpc) as channel:
        calls = reflection_pb2_grpc.ServerReflectionStub(channel)
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        answers = list(calls.ServerReflectionInfo(iter([request])))
    names = {service.name for service in answers[0].list_services_response.service}
    assert {"inference.GRPCInferenceService", "grpc.health.v1.Health"} <= names


def test_calls_that_are_not_there(oip: Running) -> None:
    with grpc.insecure_channel(oip.grpc) as channel, pytest.raises(grpc.RpcError) as caught:
        GRPCInferenceServiceStub(channel).TraceSetting(pb.TraceSettingRequest())
    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    async def twice() -> None:
        plane = Server(settings(tmp_path))
        first = await serve_grpc(plane, "127.0.0.1", 0)
        try:
            with pytest.raises(ConfigError, match=f"127.0.0.1:{first.port}: gRPC cannot listen there"):
                await serve_grpc(plane, "127.0.0.1", first.port)
        finally:
            await first.stop()

    asyncio.run(twice())


def test_what_is_around_the_handlers_sees_every_call(tmp_path: Path) -> None:
    seen: list[str] = []

    class Watch(grpc.GenericRpcHandler):
        def __init__(self, handlers: Sequence[grpc.GenericRpcHandler]) -> None:
            self.handlers = handlers

        def service(self, details: grpc.HandlerCallDetails) -> object:
            seen.append(details.method)
            return next(filter(None, (handler.service(details) for handler in self.handlers)), None)

    async def call() -> None:
        plane = Server(settings(tmp_path))
        server = await serve_grpc(plane, "127.0.0.1", 0, around=Watch)
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            assert (await GRPCInferenceServiceStub(channel).ServerLive(pb.ServerLiveRequest())).live
            await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
        await server.stop()

    asyncio.run(call())
    assert seen == ["/inference.GRPCInferenceService/ServerLive", "/grpc.health.v1.Health/Check"]


def test_what_nobody_foresaw_is_logged_and_not_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Server):
        def info(self, model: str, version: str = "") -> ModelInfo:
            raise RuntimeError("the insides of", model, version)

    async def call() -> None:
        plane = Broken(settings(tmp_path))
        server = await serve_grpc(plane, "127.0.0.1", 0)
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await GRPCInferenceServiceStub(channel).ModelMetadata(pb.ModelMetadataRequest(name="m"))
        assert caught.value.code() == grpc.StatusCode.INTERNAL
        assert caught.value.details() == "internal error"
        await server.stop()

    asyncio.run(call())
    assert "the insides of" in caplog.text


def test_a_stop_waits_for_calls_in_flight(tmp_path: Path) -> None:
    async def call() -> None:
        begun, go_on = asyncio.Event(), asyncio.Event()

        class Slow(Server):
            async def load(self, name: str, version: str = "") -> ModelInfo:
                begun.set()
                await go_on.wait()
                return ModelInfo(name=name, version=version, state="READY")

        plane = Slow(settings(tmp_path))
        server = await serve_grpc(plane, "127.0.0.1", 0)
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            stub = GRPCInferenceServiceStub(channel)
            answer = asyncio.ensure_future(
                _await(stub.RepositoryModelLoad(pb.RepositoryModelLoadRequest(model_name="m")))
            )
            await begun.wait()
            stopping = asyncio.ensure_future(server.stop(20))
            await asyncio.sleep(0)
            go_on.set()
            assert isinstance(await answer, pb.RepositoryModelLoadResponse)
            await stopping

    asyncio.run(call())


async def _await(call: grpc.aio.UnaryUnaryCall) -> object:
    return await call
