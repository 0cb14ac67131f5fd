"""A page in a real browser, watched: what it says to the console, and what it asks of the network."""

from __future__ import annotations

from typing import Any

INNER = ("data:", "blob:")  # what a page asks of itself
PATIENCE = (
    60_000.0  # milliseconds until something that should come is said not to: a busy machine is no fault
)


class Watched:
    """A page that may ask for what is allowed only; all else, and all that it says, is noted in `said`.

    Parameters:
        chromium: the browser (the fixture `chromium`).
        size: width and height of the window.
        allowed: how the addresses begin that the page may ask for.
        options: of the browser's context.
    """

    def __init__(self, chromium: Any, size: tuple[int, int], allowed: str, **options: Any) -> None:
        self.context = chromium.new_context(viewport={"width": size[0], "height": size[1]}, **options)
        self.context.set_default_timeout(PATIENCE)
        self.page = self.context.new_page()
        self.said: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))

        def heard(asked: Any) -> None:
            if not asked.url.startswith((allowed, *INNER)):
                self.said.append(f"asked for {asked.url}")

        self.page.on("request", heard)

    def close(self) -> None:
        """Close the page, which must have said nothing."""
        assert self.said == []
        self.context.close()


class WatchedPage(Watched):
    """The explorer's page, from a server or from a file."""

    def ready(self) -> None:
        """Wait until the page is there."""
        self.page.wait_for_selector("body[data-ready]:not(.busy)")

    def changed(self) -> None:
        """Wait until the page shows the answer to what was just asked."""
        self.page.wait_for_function(
            "() => !document.body.classList.contains('busy') && "
            "window.tocsinPage.turns === Number(document.body.dataset.ready)"
        )
