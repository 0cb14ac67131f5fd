"""What the machine refuses (output, disk, memory), said in one sentence."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from tocsin.errors import printable

NEEDED = 1_400_000_000  # bytes of addresses that the libraries take before anything is computed

# How libraries say that there was no room for them.
_SHORT = ("alloc", "memory", "failed to map", "shared object", "thread", "temporarily unavailable")


class OutputError(OSError):
    """The standard output takes no more."""


class _Stream(io.FileIO):
    """A standard stream whose failures can be told from those of files; of the errors' stream they are passed over."""

    failed: OSError | None = None
    silent = False

    def write(self, content: Any) -> int:
        try:
            if self.failed is None:
                return super().write(content) or 0
        except BlockingIOError:
            raise
        except OSError as error:
            self.failed = error
            if not self.silent:
                raise OutputError(error.errno, error.strerror) from None
        return len(content)  # it was said once


def opened() -> list[int]:
    """Put the null device where a standard stream is closed, lest the next file that is opened take its place."""
    closed = []
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            closed.append(number)
            null = os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
            if null != number:
                os.dup2(null, number)
                os.close(null)
    return closed


def streams(closed: list[int]) -> _Stream:
    """Make the standard streams take every sign, and say it when they take nothing; return that of the output."""
    made = []
    for number, name in ((1, "stdout"), (2, "stderr")):
        before = getattr(sys, name)
        raw = _Stream(number, "wb", closefd=False)
        raw.silent = number == 2
        encoding = getattr(before, "encoding", None) or "utf-8"
        terminal = number not in closed and os.isatty(number)
        text = io.TextIOWrapper(
            io.BufferedWriter(raw), encoding, "tocsin.plain", line_buffering=terminal or number == 2
        )
        setattr(sys, name, text)
        made.append(raw)
        if number == 1 and number in closed:
            raw.failed = OSError(errno.EBADF, "it is closed")
    return made[0]


def sentence(error: BaseException) -> str | None:
    """Return what to say of a failure of the machine; None where it is something else."""
    if isinstance(error, OutputError):
        return f"the output cannot be written: {error.strerror or error}"
    words = str(error).lower()
    memory = "there is not enough memory: ask for fewer worlds or draws, or lift the limit on memory"
    if isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM:
        return memory
    if limit() is not None and any(each in words for each in _SHORT):
        return memory
    if "start new thread" in words or "launch worker thread" in words:
        return "the machine starts no more threads: lift the limit on memory or on processes"
    if isinstance(error, OSError):
        reason = error.strerror or str(error)
        return f"{error.filename}: {reason}" if error.filename is not None else reason
    return None


def limit() -> int | None:
    """Return the limit on the addresses of this process in bytes, or None where there is none."""
    try:
        import resource
    except ImportError:  # pragma: no cover - Windows
        return None
    soft = resource.getrlimit(resource.RLIMIT_AS)[0]
    return None if soft == resource.RLIM_INFINITY else soft


def check_limit() -> None:
    """Refuse to begin where libraries would be killed half-way, which no message could follow.

    Raises:
        TocsinError: the limit on memory is too low.
    """
    from tocsin.errors import TocsinError

    most = limit()
    if most is not None and most < NEEDED:
        raise TocsinError(
            f"the limit on memory is {most / 1e6:,.0f} MB (ulimit -v), and Tocsin takes about "
            f"{NEEDED / 1e6:,.0f} MB before it computes anything: lift it"
        )


def say(text: str) -> None:
    """Write a message to the errors' stream."""
    try:
        sys.stderr.write(printable(f"tocsin: {text}") + "\n")
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):
        pass  # nobody can be told


def written() -> str:
    """Return what was written so far, for the end of a message, or ""."""
    whole = sys.modules.get("tocsin.files.whole")
    files = whole.written() if whole is not None else []
    return f"; written before: {', '.join(files)}" if files else ""


def run(command: Callable[[], Any], output: _Stream) -> int:
    """Run the command and return its exit code; whatever the machine refuses is one sentence and code 1."""
    import warnings

    usual = warnings.formatwarning

    def plain(message: Any, category: Any, *place: Any, **more: Any) -> str:
        """Say what is ours as a sentence; what is others' keeps its place."""
        ours = str(getattr(category, "__module__", "")).partition(".")[0] == "tocsin"
        return printable(f"tocsin: {message}\n") if ours else usual(message, category, *place, **more)

    warnings.formatwarning = plain
    try:
        code = _code(command())
        sys.stdout.flush()
    except SystemExit as error:
        code = _code(error.code)
    except KeyboardInterrupt:
        return 130
    except BaseException as error:
        shown: Any = error
        if hasattr(shown, "format_message") and hasattr(shown, "exit_code"):  # the command line is wrong
            text = io.StringIO()
            shown.show(file=text)
            sys.stderr.write(printable(text.getvalue()))
            return _code(shown.exit_code)
        if type(error).__name__ == "Abort":
            return 130
        told = sentence(error)
        if told is None:
            raise
        say(told + written())
        return 1
    with suppress(OSError):
        sys.stdout.flush()
    if output.failed is not None:
        say(f"the output cannot be written: {output.failed.strerror}{written()}")
        return code or 1
    return code


def _code(value: Any) -> int:
    return value if isinstance(value, int) else 0 if value is None else 1
