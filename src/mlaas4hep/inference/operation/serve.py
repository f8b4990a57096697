"""The start of a server: in this process, or in several that one watches over."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable

from mlaas4hep.errors import ConfigError
from mlaas4hep.inference.operation.process import AFTER, addresses, run_process
from mlaas4hep.inference.settings import Settings
from mlaas4hep.web.processes.private_folder import private_folder
from mlaas4hep.web.processes.supervisor import Supervisor
from mlaas4hep.web.processes.worker import Worker
from mlaas4hep.web.sockets import is_loopback, keep_port
from mlaas4hep.web.telemetry.logs import start_logs

__all__ = ["check_addresses", "serve"]

WORKER = "mlaas4hep.inference.operation.worker"


def serve(settings: Settings, say: Callable[[str], None] | None = None) -> int:
    """Serve until a signal says to stop, and return the exit code.

    Args:
        settings: of the server.
        say: is told one line with the addresses once requests are answered; default: standard output.

    Raises:
        ConfigError: the settings contradict each other, a port is taken, certificates cannot be used.
    """
    check_addresses(settings)
    say = say or _print
    return run_process(settings, Worker(), say) if settings.workers == 1 else _supervise(settings, say)


def check_addresses(settings: Settings) -> None:
    """Raise ConfigError if everybody in the network could do everything without having been asked for."""
    if not (is_loopback(settings.host) or settings.security.issuers or settings.insecure):
        raise ConfigError(
            "only loopback addresses are served without authentication",
            where=settings.host,
            hint="name security.issuers in --config, or add --insecure",
        )


def _supervise(settings: Settings, say: Callable[[str], None]) -> int:
    """Serve with several processes; raises ConfigError if a port is taken, or a process cannot start."""
    with contextlib.ExitStack() as stack:
        port = stack.enter_context(keep_port(settings.host, settings.port)).getsockname()[1]
        grpc_port = settings.grpc_port
        if grpc_port is not None:
            grpc_port = stack.enter_context(keep_port(settings.host, grpc_port)).getsockname()[1]
        chosen = settings.model_copy(update={"port": port, "grpc_port": grpc_port})
        supervisor = Supervisor(
            WORKER,
            chosen.model_dump(mode="json"),
            settings.workers,
            stack.enter_context(private_folder("mlaas4hep-serve-")),
            settings.notice + 2 * settings.drain + 2 * AFTER,
            lambda: say(addresses(chosen, port, grpc_port)),
            stack.enter_context(contextlib.closing(start_logs(settings))).reopen,
        )
        return asyncio.run(supervisor.run())


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
