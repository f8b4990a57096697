"""The cache: a folder with a limit, and what can be asked of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from mlaas4hep.atomic.locks import guard
from mlaas4hep.config.places import home
from mlaas4hep.streaming.cache.descriptor import write_at
from mlaas4hep.streaming.cache.document import read_document, to_bytes
from mlaas4hep.streaming.cache.entry import Entry, open_entry
from mlaas4hep.streaming.cache.filesystem import is_network
from mlaas4hep.streaming.cache.folder import BLOCKS, DOCUMENT, TAG, CacheFile, clean, prepare
from mlaas4hep.streaming.cache.head import Damaged, file_size
from mlaas4hep.streaming.cache.key import Json, check_key
from mlaas4hep.streaming.cache.opening import open_file, reason, remove_file, touch
from mlaas4hep.streaming.cache.partial import Partial
from mlaas4hep.streaming.cache.room import NoRoom, bytes_text, make_room
from mlaas4hep.streaming.cache.shape import Shape
from mlaas4hep.streaming.cache.writer import Writer

__all__ = ["Cache"]


class Cache:
    """Entries of blocks and documents in a folder, shared with whoever uses the same folder.

    No method raises for a fault of the cache. It says what happened and the run goes on without.

    Args:
        folder: made for this user alone if it is not there. Leftovers of runs that were killed are removed from it.
        limit: bytes of all files in it, now and later; what was not used for longest makes room for what is new.
        note: gets sentences for the log. None is said twice.
        warn: gets those about damage and failures; default: ``note``.
        mapped: read through memory maps or into buffers, see `Blocks`; default: maps on local file systems. On network
            file systems a file that another machine deletes can be lost to a map as well.
    """

    def __init__(
        self,
        folder: Path | str,
        limit: int,
        note: Callable[[str], None],
        warn: Callable[[str], None] | None = None,
        *,
        mapped: bool | None = None,
    ) -> None:
        self.folder = home(folder).absolute()
        self.limit = limit
        self._tell = {"note": note, "warn": warn or note}
        self._said: set[str] = set()
        try:
            with self._alone(), suppress(NoRoom):
                self._make_room(0)
        except OSError as error:
            self._warn(f"cannot be used ({reason(error)}); the run continues without it")
        self._mapped = not is_network(self.folder) if mapped is None else mapped

    def document(self, key: str) -> Any | None:
        """Return the JSON value stored under a key, or None.

        Raises:
            ValueError: the key is none.
        """
        path = self._path(key, DOCUMENT)
        status = None
        try:
            descriptor, status = open_file(path)
            value = read_document(descriptor, status.st_size, key)
            touch(descriptor)
            descriptor.close()
        except FileNotFoundError:
            return None
        except Damaged as error:
            remove_file(path, status)
            self._damaged(path, reason(error))
            return None
        except OSError as error:
            self._warn(f"{path.name} cannot be read ({reason(error)}); it is written again")
            return None
        return value

    def store_document(self, key: str, value: Json) -> bool:
        """Store a JSON value, in place of an older one.

        Raises:
            ValueError: the key is none.
            TypeError: the value is not JSON.
        """
        path = self._path(key, DOCUMENT)
        data = to_bytes(key, value)
        file: Partial | None = None
        try:
            with self._alone():
                self._make_room(len(data))
                file = Partial(path, len(data))
            with file.descriptor.use() as number:
                write_at(number, memoryview(data), 0)
            file.publish()
        except (NoRoom, OSError) as error:
            self._not_kept(path, error)
            return False
        finally:
            if file is not None:
                file.discard()
        return True

    def open(self, key: str, shape: Shape) -> Entry | None:
        """Return the entry stored under a key, if it is complete and of this shape.

        Raises:
            ValueError: the key is none.
        """
        path = self._path(key, BLOCKS)
        try:
            return open_entry(path, key, shape, mapped=self._mapped, damaged=lambda what: self._damaged(path, what))
        except FileNotFoundError:
            pass
        except Damaged as error:
            self._damaged(path, reason(error))
        except OSError as error:
            self._warn(f"{path.name} cannot be read ({reason(error)}); the run continues without it")
        return None

    def create(self, key: str, shape: Shape) -> Writer | None:
        """Begin a new entry.

        Returns:
            None if it cannot be; the reason has been said. One is that the entry is there meanwhile: open it.

        Raises:
            ValueError: the key is none.
        """
        path = self._path(key, BLOCKS)
        file: Partial | None = None
        try:
            with self._alone() as writing:
                if any(other.path.name.startswith(path.name) for other in writing):
                    self._note(f"another run is writing {path.name}; this one continues without it")
                    return None
                if (entry := self.open(key, shape)) is not None:
                    entry.close()
                    self._note(f"{path.name} exists already, from another run")
                    return None
                if os.path.lexists(path):
                    self._note(f"{path.name} can be neither read nor removed; the run continues without it")
                    return None
                self._make_room(file_size(shape))
                file = Partial(path, file_size(shape))
            return Writer(key, shape, file, lambda what: self._lost(path, what), mapped=self._mapped)
        except (NoRoom, OSError) as error:
            self._not_kept(path, error)
            return None
        except BaseException:
            if file is not None:
                file.discard()
            raise

    def _path(self, key: str, suffix: str) -> Path:
        return self.folder / f"{check_key(key)}{suffix}"

    @contextmanager
    def _alone(self) -> Iterator[list[CacheFile]]:
        """The folder made, locked and cleaned, and what other processes are writing."""
        prepare(self.folder)
        with guard(self.folder, self.folder / TAG):
            yield clean(self.folder)

    def _make_room(self, needed: int) -> None:
        count, freed = make_room(self.folder, needed, self.limit)
        if count:
            what = f"{count} file{'s' * (count > 1)} ({bytes_text(freed)})"
            self._note(f"{what} not used for longest made room for new ones")

    def _damaged(self, path: Path, what: str) -> None:
        self._warn(f"{path.name} is damaged ({what}); it is not used, and is written again")

    def _lost(self, path: Path, what: str) -> None:
        self._warn(f"{path.name} is not kept ({what}); the run continues without it")

    def _not_kept(self, path: Path, error: NoRoom | OSError) -> None:
        say = self._warn if isinstance(error, OSError) else self._note
        say(f"{path.name} is not kept ({reason(error)}); the run continues without it")

    def _note(self, what: str) -> None:
        self._say("note", what)

    def _warn(self, what: str) -> None:
        self._say("warn", what)

    def _say(self, how: str, what: str) -> None:
        if what not in self._said:
            self._said.add(what)
            self._tell[how](f"cache {self.folder}: {what}")
