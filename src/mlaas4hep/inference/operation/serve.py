"""The start of a server: in this process, or in several that one watches over."""

from __future__ import annotations

import sys

from mlaas4hep.errors import ConfigError
from mlaas4hep.inference.operation.process import Place, Say, run_process
from mlaas4hep.inference.settings import Settings

__all__ = ["check_addresses", "serve"]


def serve(settings: Settings, say: Say | None = None) -> int:
    """Serve until a signal says to stop; the exit code.

    Args:
        settings: of the server.
        say: is told one line with the addresses once requests are answered; default: standard output.

    Raises:
        ConfigError: the settings contradict each other, a port is taken, certificates cannot be used.
    """
    check_addresses(settings)
    say = say or _print
    if settings.workers == 1:
        return run_process(settings, Place(), lambda line, _http, _grpc: say(line))
    from mlaas4hep.inference.operation.supervisor import supervise

    return supervise(settings, say)


def check_addresses(settings: Settings) -> None:
    """Raises ConfigError if everybody in the network could do everything without having been asked for."""
    from mlaas4hep.web.sockets import is_loopback

    if not (is_loopback(settings.host) or settings.security.issuers or settings.insecure):
        raise ConfigError(
            "only loopback addresses are served without authentication",
            where=settings.host,
            hint="name security.issuers in --config, or add --insecure",
        )


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
