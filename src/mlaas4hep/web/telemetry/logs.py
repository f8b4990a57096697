"""Logs: a line an event, as JSON or text, written by a thread so that a slow disk or terminal holds up no request."""

from __future__ import annotations

import contextvars
import logging
import queue
import sys
import threading
import time
from pathlib import Path
from typing import Any, TextIO

import orjson

from mlaas4hep.errors import ConfigError
from mlaas4hep.web.settings import WebSettings

__all__ = ["ACCESS", "REQUEST_ID", "JsonLines", "LogWriter", "TextLines", "start_logs"]

REQUEST_ID: contextvars.ContextVar[str] = contextvars.ContextVar("request_id", default="")
"""Of the request in whose context a line is logged."""

ACCESS = logging.getLogger("mlaas4hep.access")
LEVELS = {
    "mlaas4hep": logging.INFO,
    "uvicorn": logging.ERROR,
    "asyncio": logging.WARNING,
    "python_multipart": logging.ERROR,  # warns of forms that are damaged, which the answer says
}
"""From which level on the log takes what a package says."""
WAITING = 100_000
_FIELDS = "fields"


class JsonLines(logging.Formatter):
    """Formats a line as JSON: time, level, logger, message, request, fields given as ``extra={"fields": {...}}``."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line without its end."""
        data: dict[str, Any] = {
            "time": _time(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if getattr(record, "request", ""):
            data["request"] = record.request  # type: ignore[attr-defined]
        data.update(getattr(record, _FIELDS, None) or {})
        if record.exc_info:
            data["traceback"] = self.formatException(record.exc_info)
        return orjson.dumps(_plain(data), default=str).decode()


class TextLines(logging.Formatter):
    """Formats a line for people; what could break it or the terminal is escaped."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line without its end; a traceback follows on further lines."""
        fields = getattr(record, _FIELDS, None) or {}
        if getattr(record, "request", ""):
            fields = {**fields, "request": record.request}  # type: ignore[attr-defined]
        parts = [_time(record.created), record.levelname.lower(), _printable(record.getMessage())]
        parts += [f"{name}={_printable(str(value))}" for name, value in fields.items() if value != ""]
        line = " ".join(parts)
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class LogWriter(logging.Handler):
    """Formats in the thread that logs, writes in one of its own.

    Lines that pile up beyond 100 000 are dropped and counted.

    Args:
        file: appended to; None: standard error.
    """

    def __init__(self, file: Path | None = None) -> None:
        super().__init__()
        self._path = file
        self._lines: queue.Queue[str | None] = queue.Queue(WAITING)
        self._dropped = 0
        self._reopen = False
        self._stream = self._open()
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Hand a line to the writing thread."""
        record.request = REQUEST_ID.get()
        try:
            self._lines.put_nowait(self.format(record))
        except queue.Full:
            self._dropped += 1
        except Exception:
            self.handleError(record)

    def reopen(self) -> None:
        """Open the file anew before the next line, after it was moved away."""
        self._reopen = True

    def close(self) -> None:
        """Write what waits, and end."""
        if self._thread.is_alive():
            self._lines.put(None)
            self._thread.join(5)
        if self._path is not None and not self._stream.closed:
            self._stream.close()
        super().close()

    def _open(self) -> TextIO:
        return sys.stderr if self._path is None else self._path.open("a", encoding="utf-8", errors="backslashreplace")

    def _run(self) -> None:
        while True:
            line = self._lines.get()
            if line is None:
                return
            if self._dropped:
                line, self._dropped = f"{line}\n{orjson.dumps({'dropped_lines': self._dropped}).decode()}", 0
            try:
                if self._reopen and self._path is not None:
                    self._reopen = False
                    fresh = self._open()
                    self._stream.close()
                    self._stream = fresh
                self._stream.write(f"{line}\n")
                if self._lines.empty():
                    self._stream.flush()
            except (OSError, ValueError):  # the disk is full, or the terminal is gone: serving goes on
                self._dropped += 1


def start_logs(settings: WebSettings) -> LogWriter:
    """Send what this package and those of `LEVELS` log to where the settings say.

    Raises:
        ConfigError: the file cannot be opened.
    """
    try:
        writer = LogWriter(settings.log_file)
    except OSError as error:
        raise ConfigError(f"the log cannot be written ({error.strerror})", where=str(settings.log_file)) from error
    writer.setFormatter(JsonLines() if settings.log == "json" else TextLines())
    for name, level in LEVELS.items():
        logger = logging.getLogger(name)
        logger.handlers = [writer]
        logger.setLevel(level)
        logger.propagate = False
    return writer


def _time(seconds: float) -> str:
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{whole}.{int(seconds % 1 * 1000):03d}Z"


def _printable(text: str) -> str:
    return text if text.isprintable() and text.isascii() else ascii(text)[1:-1]


def _plain(data: dict[str, Any]) -> dict[str, Any]:
    """Return them without lone surrogates, which JSON cannot hold."""
    return {
        name: value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
        for name, value in data.items()
    }
