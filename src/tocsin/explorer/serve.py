"""`tocsin explore`: open the laboratory, and serve the page until it is stopped."""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tocsin.errors import TocsinError

if TYPE_CHECKING:
    from tocsin.explorer.connections import Doors
    from tocsin.report.replay import Progress

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

        # Whoever reads the address may ask at once, and waits the moment that the server takes to begin.
        self.listening.listen(100)
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
    proxies: Sequence[str] = (),
    borders: Path | None = None,
    scope: str | None = None,
    given: str | None = None,
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
        proxies: addresses or networks of servers in front, which say in X-Forwarded-For who asks.
        borders: a file of outlines in place of the history's own.
        scope: a reading of the record, where the history has several.
        given: ``nothing`` or ``until DATE``; by default what the question of the history says.
        progress: called with what is being done.

    Raises:
        TocsinError: the extra `explorer` is not installed, the history or model are wrong, or the port is taken.
    """
    try:
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError:
        raise TocsinError("the explorer needs an extra: pip install 'tocsin[explorer]'") from None
    from tocsin.explorer.app import application, page_content
    from tocsin.explorer.questions import Limits
    from tocsin.explorer.run import open_laboratory
    from tocsin.explorer.security import LOOPBACK

    listening = _listen(host, port)
    try:
        # The bundle takes a second to make: while the model is fitted is the time for it.
        threading.Thread(target=page_content, args=("vega.js",), daemon=True).start()
        limits = Limits(worlds=worlds, least=min(50, worlds))
        laboratory = open_laboratory(
            history,
            model,
            limits=limits,
            seed=seed,
            start=start,
            end=end,
            wave=wave,
            borders=borders,
            scope=scope,
            given=given,
            progress=progress,
        )
    except BaseException:
        listening.close()
        raise
    closed = _is_loopback(host)
    app = application(laboratory, (*LOOPBACK, host.lower()) if closed else None)
    config = config_of(app, proxies=proxies)
    address = f"http://{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}/"
    warning = "" if closed else WARNING.format(host=host)
    return Served(config, listening, address, warning)


def config_of(app: Any, doors: Doors | None = None, proxies: Sequence[str] = ()) -> Any:
    """Return the configuration of a server: deadlines, connections by visitor, and whose word is taken for who asks.

    Parameters:
        app: the application.
        doors: how many connections there may be, and how long they may take.
        proxies: addresses or networks of servers in front, which say in X-Forwarded-For who asks.
    """
    import uvicorn

    from tocsin.explorer.connections import Doors, connections

    doors = doors or Doors()
    return uvicorn.Config(
        app,
        http=connections(doors, proxies),  # type: ignore[arg-type]
        log_level="error",
        access_log=False,
        server_header=False,
        timeout_keep_alive=max(1, round(doors.first)),
        timeout_graceful_shutdown=2,
        h11_max_incomplete_event_size=16_384,
        # Anybody can write that header: it is believed only from a server that is named as standing in front.
        proxy_headers=bool(proxies),
        forwarded_allow_ips=list(proxies),
        ws="none",
    )


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
