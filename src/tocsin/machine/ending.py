"""How the command ends when it is told to: at once, whatever it is doing, with nothing half-done left behind.

A handler that raised an exception would raise it in whatever runs at that instant (an import, a finaliser, a callback
of C), where it may be swallowed or printed. So handlers do nothing: the signal's number comes through a pipe to a
thread, which lets files that are being moved into place arrive, removes what is unfinished, and ends the process with
the conventional code. This module is imported before all others, and imports little.

Native code that keeps the interpreter (a search for memory without end, say) would keep that thread waiting too. So the
same byte makes the kernel arm an alarm, which needs no interpreter: what has not ended by then is ended.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

PATIENCE = 8.0  # seconds for files that are being moved into place

_F_SETSIG = 10  # of fcntl.h on Linux; Python has no name for it

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")

_pipe: list[int] = []

ending = threading.Event()


def watch() -> None:
    """End this process tidily on SIGINT, SIGTERM and SIGHUP; those that are ignored stay ignored."""
    for each in _signals():
        signal.signal(each, _handle)
    if os.name == "posix":
        read, write = os.pipe()
        os.set_blocking(write, False)
        _pipe[:] = [write]
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        _arm(read)
        threading.Thread(target=_wait, args=(read,), daemon=True, name="signals").start()


@contextmanager
def left_to_others() -> Iterator[None]:
    """Leave the signals to a server that has its own way of ending."""
    ours = [each for each in _signals() if signal.getsignal(each) is _handle]
    for each in ours:
        signal.signal(each, signal.default_int_handler if each == signal.SIGINT else signal.SIG_DFL)
    if _pipe:
        signal.set_wakeup_fd(-1)
    try:
        yield
    finally:
        if _pipe:
            signal.set_wakeup_fd(_pipe[0], warn_on_full_buffer=False)
        for each in ours:
            signal.signal(each, _handle)


def forever() -> None:
    """Wait for the process to be ended by the thread that was told to."""
    threading.Event().wait()


def _signals() -> list[signal.Signals]:
    there = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]
    return [each for each in there if signal.getsignal(each) != signal.SIG_IGN]


def _arm(pipe: int) -> None:
    """End this process some seconds after a byte came through the pipe, whatever it is doing then.

    The kernel sends SIGUSR1, which is number 10 on Linux, when the byte comes; its handler is the C library's own
    ``alarm``, which takes the number for seconds, and SIGALRM ends the process.
    """
    if not sys.platform.startswith("linux") or int(signal.SIGUSR1) != 10:
        return
    import fcntl

    try:
        import ctypes

        library = ctypes.CDLL(None)
        library.signal.argtypes = (ctypes.c_int, ctypes.c_void_p)
        library.signal.restype = ctypes.c_void_p
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        library.signal(int(signal.SIGUSR1), ctypes.cast(library.alarm, ctypes.c_void_p))
        fcntl.fcntl(pipe, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(pipe, _F_SETSIG, int(signal.SIGUSR1))
        fcntl.fcntl(pipe, fcntl.F_SETFL, fcntl.fcntl(pipe, fcntl.F_GETFL) | os.O_ASYNC)
    except (ImportError, AttributeError, OSError):  # pragma: no cover - a C library without them
        return


def _handle(number: int, frame: Any) -> None:
    if not _pipe:  # pragma: no cover - Windows: no pipe tells the thread
        threading.Thread(target=_end, args=(number,), daemon=True).start()


def _wait(pipe: int) -> None:
    while True:
        number = os.read(pipe, 1)[0]
        if number in _signals():
            _end(number)


def _end(number: int) -> None:
    ending.set()
    told = "stopped"
    try:
        written = _tidied()
        if written:
            told += f"; written before: {', '.join(written)}"
    finally:
        try:
            clear = b"\r\x1b[2K\x1b[?25h" if os.isatty(2) else b""  # a bar of progress, and its hidden cursor
            os.write(2, clear + f"tocsin: {told}\n".encode("ascii", "backslashreplace"))
        except OSError:
            pass
        os._exit(128 + number)


def _tidied() -> list[str]:
    """Remove what is unfinished; return what was written."""
    whole, locks = (sys.modules.get(f"tocsin.files.{name}") for name in ("whole", "locks"))
    if whole is None or not hasattr(whole, "written"):  # nothing was written yet, or it is being imported
        return []
    whole.moving.acquire(timeout=PATIENCE)
    for _ in range(2):  # a thread may have been at work in it
        whole.remove_unfinished()
    if locks is not None and hasattr(locks, "release"):
        locks.release()
    written: list[str] = whole.written()
    return written
