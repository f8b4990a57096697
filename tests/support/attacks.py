"""What hostile clients send, and what it costs the server."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Flooded", "flood", "peak", "resident", "trickle"]

BLOCK = 1 << 16
SECONDS = 60.0


@dataclass(frozen=True)
class Flooded:
    """The answer, and the bytes of the body that were sent before it came."""

    status: int
    answer: bytes
    sent: int


def flood(port: int, path: str, size: int, headers: str = "", start: bytes = b"", *, announced: bool) -> Flooded:
    """Send a huge body block by block until the server answers.

    Args:
        port: of the server.
        path: that is posted to.
        size: bytes of the body.
        headers: further ones, each with CRLF.
        start: of the body.
        announced: with Content-Length, else chunked.
    """
    length = f"content-length: {size}" if announced else "transfer-encoding: chunked"
    sent = 0
    with socket.create_connection(("127.0.0.1", port), SECONDS) as client:
        client.sendall(f"POST {path} HTTP/1.1\r\nhost: localhost\r\n{headers}{length}\r\n\r\n".encode())
        try:
            for block in _blocks(start, size):
                if select.select([client], [], [], 0)[0]:
                    break
                client.sendall(block if announced else b"%x\r\n%b\r\n" % (len(block), block))
                sent += len(block)
        except OSError:
            pass
        answer = _read(client)
    return Flooded(int(answer[9:12] or 0), answer, sent)


def trickle(port: int, slowly: bytes) -> bytes:
    """Send byte by byte, ten a second, until the server ends it; its answer."""
    with socket.create_connection(("127.0.0.1", port), SECONDS) as client:
        for byte in slowly:
            try:
                client.sendall(bytes((byte,)))
            except OSError:
                break
            if select.select([client], [], [], 0.1)[0]:
                break
        return _read(client)


def resident(pid: int) -> int:
    """Bytes of memory that a process has; its peak counts anew from here."""
    Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")
    return _status(pid, "VmRSS")


def peak(pid: int) -> int:
    """Bytes of memory that a process had at most since `resident`."""
    return _status(pid, "VmHWM")


def _blocks(start: bytes, size: int) -> Iterator[bytes]:
    if start:
        yield start
    left, block = size - len(start), b" " * BLOCK
    while left > 0:
        yield block[:left]
        left -= BLOCK


def _read(client: socket.socket) -> bytes:
    """Head and body of one answer, as far as it comes."""
    answer = b""
    try:
        while part := client.recv(BLOCK):
            answer += part
            head, end, body = answer.partition(b"\r\n\r\n")
            length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
            if end and length and len(body) >= int(length):
                break
    except OSError:
        pass
    return answer


def _status(pid: int, field: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))
