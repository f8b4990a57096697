"""Listening sockets: bound with errors that say what is wrong, closed without losing a connection."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import errno
import ipaddress
import os
import select
import socket
import struct
import sys

from mlaas4hep.errors import ConfigError

__all__ = ["bind", "hold", "is_loopback", "keep_port", "last_connections", "refuse_connections"]

BACKLOG = 2048


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach the address, or what the name stands for here."""
    try:
        return _is_loopback(host)
    except ValueError:
        pass
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return False
    return all(_is_loopback(str(address[0])) for *_, address in found)


def _is_loopback(address: str) -> bool:
    """Return whether an address is loopback's; raise ValueError for a name."""
    found = ipaddress.ip_address(address.partition("%")[0])
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return (mapped or found).is_loopback


def bind(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """Return a socket that is bound and listens.

    Args:
        host: an address or a name.
        port: 0: any free one.
        shared: other processes may listen there too (SO_REUSEPORT).

    Raises:
        ConfigError: the port is taken, not allowed, or the host is not one of this machine's.
    """
    listener = hold(host, port, shared=shared)
    listener.listen(BACKLOG)
    listener.setblocking(False)
    return listener


def hold(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """Return a socket that is bound and does not listen yet; arguments and errors as for `bind`."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror:
        raise ConfigError("no such host", where=f"{host}:{port}") from None
    family, kind, protocol, _, address = found[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise ConfigError(_reason(error), where=f"{host}:{port}", hint=_hint(error)) from error
    return listener


def keep_port(host: str, port: int) -> socket.socket:
    """Return a socket that keeps a port for processes which listen there together; errors as for `bind`."""
    if port:  # others that listen there with SO_REUSEPORT would not be noticed below
        hold(host, port).close()
    return hold(host, port, shared=True)


def refuse_connections(listener: socket.socket) -> None:
    """Drop the first packet of new connections; those begun before it come through.

    A client tries again after a second and finds the socket closed, or the next server, rather than a connection that
    was accepted by the system and then reset. A socket filter does it (Linux: SO_ATTACH_FILTER, classic BPF on the TCP
    header).
    """
    if not sys.platform.startswith("linux"):
        return
    program = b"".join(
        struct.pack("HBBI", *instruction)
        for instruction in (
            (0x30, 0, 0, 13),  # load the flags of the TCP header
            (0x54, 0, 0, 0x12),  # SYN and ACK of them
            (0x15, 0, 1, 0x02),  # if only SYN
            (0x06, 0, 0, 0),  # drop
            (0x06, 0, 0, 0xFFFFFFFF),  # else keep
        )
    )
    memory = ctypes.create_string_buffer(program)
    filter_option = 26
    with contextlib.suppress(OSError):
        listener.setsockopt(
            socket.SOL_SOCKET, filter_option, struct.pack("HP", len(program) // 8, ctypes.addressof(memory))
        )


async def last_connections(listener: socket.socket) -> None:
    """Wait until the event loop has accepted all connections that wait."""
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    quiet = 0
    while quiet < 3:
        await asyncio.sleep(0.01 if quiet else 0)
        quiet = 0 if poll.poll(0) else quiet + 1


def _reason(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "the port is taken"
    if error.errno in (errno.EACCES, errno.EPERM):
        return "the port is not allowed"
    if error.errno == errno.EADDRNOTAVAIL:
        return "the address is not one of this machine's"
    return f"cannot listen ({os.strerror(error.errno) if error.errno else error})"


def _hint(error: OSError) -> str | None:
    return "choose another with --port or --grpc-port; 0 is any free one" if error.errno == errno.EADDRINUSE else None
