"""`tocsin explore`: open the laboratory, and serve the page until it is stopped."""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tocsin.errors import TocsinError

if TYPE_CHECKING:
    from tocsin.show.replay import Progress

WARNING = (
    "Warning: {host} can be reached from other machines, and everybody there can ask questions. "
    "On the open net, put a server with TLS in front of it."
)


class Served:
    """A page that is ready to be served.

    Parameters:
        config: of the server.
        listening: its socket.
        address: where it stands.
        warning: what whoever starts it should know, or "".
    """

    def __init__(self, config: Any, listening: socket.socket, address: str, warning: str) -> None:
        self.config, self.listening, self.address, self.warning = config, listening, address, warning

    def run(self, say: Callable[[str], None] = print) -> None:
        """Serve until interrupted; says the address, and the warning if there is one."""
        import uvicorn

        if self.warning:
            say(self.warning)
        say(f"The explorer stands at {self.address} (stop it with Ctrl+C).")
        try:
            uvicorn.Server(self.config).run(sockets=[self.listening])
        finally:
            self.listening.close()


def serve(
    history: str,
    model: Path | None = None,
    *,
    host: str = "127.0.0.1",
    port: int = 8017,
    worlds: int = 2000,
    seed: int = 1917,
    start: str | None = None,
    end: str | None = None,
    wave: str | None = None,
    progress: Progress | None = None,
) -> Served:
    """Return the explorer of a history, fitted and ready to run.

    Parameters:
        history: a packaged name or a folder.
        model: a model's TOML file; the history's own by default.
        host, port: where to listen; port 0 takes any that is free.
        worlds: how many worlds an answer has.
        seed: the seed of the worlds.
        start, end: a narrower window.
        wave: the state to show first.
        progress: called with what is being done.

    Raises:
        TocsinError: the extra `explorer` is not installed, the history or model are wrong, or the port is taken.
    """
    try:
        import starlette  # noqa: F401
        import uvicorn
    except ImportError:
        raise TocsinError("the explorer needs an extra: pip install 'tocsin[explorer]'") from None
    from tocsin.explore.app import application
    from tocsin.explore.assets import vega_bundle
    from tocsin.explore.guard import LOOPBACK
    from tocsin.explore.laboratory import open_laboratory
    from tocsin.explore.questions import Limits

    listening = _listen(host, port)
    try:
        # The bundle takes a second to make: while the model is fitted is the time for it.
        threading.Thread(target=vega_bundle, daemon=True).start()
        limits = Limits(worlds=worlds, least=min(50, worlds))
        laboratory = open_laboratory(
            history, model, limits=limits, seed=seed, start=start, end=end, wave=wave, progress=progress
        )
    except BaseException:
        listening.close()
        raise
    closed = _is_loopback(host)
    config = uvicorn.Config(
        application(laboratory, (*LOOPBACK, host.lower()) if closed else None),
        log_level="warning",
        access_log=False,
        server_header=False,
        limit_concurrency=100,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=2,
        h11_max_incomplete_event_size=16_384,
        # Who stands behind a server on this machine is told apart by what that server says; nobody else is believed.
        proxy_headers=True,
        forwarded_allow_ips="127.0.0.1",
        ws="none",
    )
    address = f"http://{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}/"
    warning = "" if closed else WARNING.format(host=host)
    return Served(config, listening, address, warning)


def _listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens; taken before the model is fitted, so that a taken port is told at once."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.set_inheritable(True)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise TocsinError(f"cannot listen at {host}, port {port}: {reason}; name another --port") from None
    return listening


def _is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
