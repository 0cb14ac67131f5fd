"""Locks that go with the process that holds them, however it ends.

Windows has no such locks: there files are still written whole, but two processes are not kept apart.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tocsin.errors import TocsinError

LOCK = ".lock"

_held: dict[Path, tuple[int, int]] = {}  # the thread that holds a folder, and how often

_files: dict[Path, bool] = {}  # folders with our lock, and whether they were made for it

_guard = threading.Lock()


def taken(handle: int) -> bool:
    """Lock an open file; return False where another process, or another part of this one, has it."""
    try:
        import fcntl
    except ImportError:  # pragma: no cover - Windows
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # a file system without locks
    return True


@contextmanager
def alone(folder: Path, doing: str = "writing") -> Iterator[None]:
    """Keep others from writing into a folder, which is made if need be; a thread may ask again for its own.

    Raises:
        TocsinError: another process or thread is at work there, or the folder cannot be made.
    """
    if folder.exists() and not folder.is_dir():
        raise TocsinError(f"{folder}: is a file, not a folder")
    key, me = folder.absolute(), threading.get_ident()
    refused = TocsinError(
        f"{folder}: another process is {doing} there; wait until it is done, or name another folder"
    )
    with _guard:
        owner, times = _held.get(key, (me, 0))
        if owner != me:
            raise refused
        _held[key] = (me, times + 1)
    handle, made = None, False
    try:
        if times == 0:
            try:
                made = not folder.exists()
                folder.mkdir(parents=True, exist_ok=True)
                handle = _opened(folder / LOCK)
            except OSError as error:
                raise TocsinError(f"{folder}: cannot be written: {error.strerror or error}") from None
            if handle is None:
                raise refused
            _files[key] = made
        yield
    finally:
        if handle is not None:
            # Removed while it is held: whoever waits for it sees that the name is gone, and makes a new one.
            with suppress(OSError):
                (folder / LOCK).unlink()
            os.close(handle)
            _files.pop(key, None)
            if made:
                with suppress(OSError):
                    folder.rmdir()  # only if it is empty: what went wrong left nothing
        with _guard:
            if times:
                _held[key] = (me, times)
            else:
                del _held[key]


def release() -> None:
    """Remove the locks of this process and the empty folders that it made; for when it is ended."""
    for folder, made in list(_files.items()):
        with suppress(OSError):
            (folder / LOCK).unlink()
            if made:
                folder.rmdir()


def _opened(path: Path) -> int | None:
    """Return a handle of a lock file that is locked and still stands under its name; None if it is taken."""
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o644)
        if not taken(handle):
            os.close(handle)
            return None
        try:
            if os.path.samestat(os.fstat(handle), path.stat()):
                return handle
        except FileNotFoundError:
            pass
        os.close(handle)
