"""Files that appear whole or not at all."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tocsin.errors import TocsinError
from tocsin.files.locks import taken

PART = ".part"

LONGEST = 200  # letters of a name that its temporary one repeats

_LEFT = re.compile(rf"\.(.+)\.[a-z0-9_]{{3,}}\{PART}")

moving = (
    threading.RLock()
)  # held while finished files are moved into place; who ends the process waits for it

unfinished: set[Path] = set()  # what is to be removed when the process is ended

finished: list[Path] = []  # what was written, for messages


@contextmanager
def whole(path: Path, clear: bool = True) -> Iterator[Path]:
    """Give a temporary path beside `path` to write to, and move it into place if nothing went wrong.

    Parameters:
        path: where the file will stand.
        clear: remove what killed processes left of it; whoever writes many files does so once for all.

    Raises:
        TocsinError: the folder or the file cannot be written.
    """
    temporary: Path | None = None
    handle = -1
    try:
        if path.is_dir():
            raise TocsinError(f"{path}: cannot be written: a folder stands there")
        path.parent.mkdir(parents=True, exist_ok=True)
        if clear:
            clear_parts(path.parent, lambda name: name == path.name[:LONGEST])
        handle, temporary = _made(path)
        yield temporary
        with moving:
            settle(temporary)
            os.close(handle)  # Windows moves no open file
            handle = -1
            temporary.replace(path)
            finished.append(path)
    except OSError as error:
        raise TocsinError(f"{path}: cannot be written: {error.strerror or error}") from None
    finally:
        if handle >= 0:
            os.close(handle)
        if temporary is not None:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            unfinished.discard(temporary)


def write_whole(path: Path, content: str | bytes, clear: bool = True) -> None:
    """Write text (as UTF-8) or bytes to a file, whole or not at all; see `whole`."""
    with whole(path, clear) as temporary:
        temporary.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)


def settle(path: Path) -> None:
    """Flush a file to the disk, as readable as any other file of the user."""
    with path.open("rb") as stream:
        os.fsync(stream.fileno())
    # mkstemp keeps others out; a result does not.
    mask = os.umask(0)
    os.umask(mask)
    path.chmod(0o666 & ~mask)


def clear_parts(folder: Path, owns: Callable[[str], bool]) -> None:
    """Remove what killed processes left of the files that `owns` knows by name; what is in use stays."""
    with suppress(OSError):
        for path in list(folder.iterdir()):
            found = _LEFT.fullmatch(path.name)
            if found is None or not owns(found.group(1)) or path.is_symlink() or not path.is_file():
                continue
            handle = os.open(path, os.O_RDWR)
            try:
                if taken(handle):
                    path.unlink(missing_ok=True)
            finally:
                os.close(handle)


def written() -> list[str]:
    """Return what this process has written, folders for the files in them."""
    return list(dict.fromkeys(str(path) for path in finished if not path.parent.name.endswith(PART)))


def remove_unfinished() -> None:
    """Remove what this process has not finished; for when it is ended."""
    for path in list(unfinished):
        with suppress(OSError):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def _made(path: Path) -> tuple[int, Path]:
    """Return a locked temporary file: the lock tells `clear_parts` that somebody is at work on it."""
    while True:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:LONGEST]}.", suffix=PART)
        temporary = Path(name)
        unfinished.add(temporary)
        if taken(handle) and temporary.exists():
            return handle, temporary
        os.close(handle)  # it was taken for a leftover in the instant before it was locked
        unfinished.discard(temporary)


# --- Plain content as JSON, the same bytes for the same content


def to_json(content: Any) -> str:
    """Return JSON text with sorted keys; infinite numbers as text, missing ones as null, floats exact."""
    return json.dumps(_plain(content), indent=2, sort_keys=True, allow_nan=False, ensure_ascii=False) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if hasattr(value, "item") and not isinstance(value, str | bytes):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else repr(value)
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return str(value)
