"""Files are asked what they are before they are read: a pipe would hang, a device has no end, a link may lead away."""

from __future__ import annotations

import errno
import os
import stat
import tomllib
from pathlib import Path
from typing import Any

from tocsin.errors import TocsinError, printable

TEXT = 64 * 2**20  # bytes of a TOML or JSON file

TABLE = 4 * 2**30  # bytes of a table, or of the events of an ensemble

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)


class FileRefused(OSError):
    """A path that is no file of a size that is read; `strerror` says what it is."""


def ask(path: str | Path, most: int = TEXT, inside: Path | None = None) -> None:
    """Refuse what is no file, what is too large, and a link that leads out of a folder.

    Parameters:
        path: what is to be read.
        most: the largest size in bytes.
        inside: the folder in which it has to lie, links followed.

    Raises:
        Refused: it is none of that kind.
        OSError: it is not there, or may not be read.
    """
    _refuse(Path(path).stat(), path, most)
    if inside is not None and not Path(path).resolve().is_relative_to(inside.resolve()):
        raise FileRefused(
            errno.EXDEV, f"it is a link that leads out of the folder, to {Path(path).resolve()}"
        )


def read_bytes(path: str | Path, most: int = TEXT, inside: Path | None = None) -> bytes:
    """Return what a file holds; see `ask`."""
    ask(path, most, inside)
    # Between the question and the answer the path may have become something else: it is asked again, open.
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with os.fdopen(handle, "rb") as stream:
        _refuse(os.fstat(handle), path, most)
        content = stream.read(most + 1)
    if len(content) > most:
        raise FileRefused(errno.EFBIG, _large(most))
    return content


def read_text(path: str | Path, most: int = TEXT, inside: Path | None = None) -> str:
    """Return what a file of text in UTF-8 holds; see `ask`."""
    return read_bytes(path, most, inside).decode("utf-8-sig")


def read_toml(
    path: str | Path, text: str | None = None, refuse: type[TocsinError] = TocsinError
) -> dict[str, Any]:
    """Return what a TOML file holds, or its `text` where it is at hand.

    Parameters:
        path: the file, or what messages call the text.
        refuse: the error to raise.

    Raises:
        TocsinError: it cannot be read, or is not TOML; the message has the line where there is one.
    """
    try:
        return tomllib.loads(read_text(path) if text is None else text)
    except tomllib.TOMLDecodeError as error:
        reason = f"not TOML: {error}"
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        reason = f"not UTF-8 (at line {line}): save it in that encoding"
    except OSError as error:
        reason = f"cannot be read: {error.strerror or error}"
    except RecursionError:
        reason = "cannot be read: brackets stand hundreds deep in each other"
    except (ValueError, OverflowError, TypeError):
        reason = "cannot be read: a path with a NUL character, or a number of thousands of digits"
    raise refuse(f"{printable(str(path))}: {reason}")


def _refuse(found: os.stat_result, path: str | Path, most: int) -> None:
    for is_kind, name in _KINDS:
        if is_kind(found.st_mode):
            raise FileRefused(errno.EINVAL, f"it is {name}, not a file")
    if found.st_size > most:
        raise FileRefused(errno.EFBIG, _large(most))


def _large(most: int) -> str:
    size = f"{most // 2**30} GiB" if most >= 2**30 else f"{most // 2**20} MiB"
    return f"it is larger than {size}, the most that is read"
