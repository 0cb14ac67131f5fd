"""The parts of the page: read once from the package, never by a path that an address names."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from importlib import resources
from typing import TYPE_CHECKING

from tocsin.charts.parts import theme_css

if TYPE_CHECKING:
    from tocsin.explorer.run import Laboratory

KINDS = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}

NOTICE = (
    "Vega, Vega-Lite and Vega-Embed: Copyright (c) University of Washington Interactive Data Lab, "
    "BSD 3-Clause License, https://github.com/vega"
)


@dataclass(frozen=True)
class Asset:
    """A part of the page: its bytes, its media type, and a tag that changes with its content."""

    content: bytes
    kind: str

    @cached_property
    def tag(self) -> str:
        """Return the entity tag."""
        return f'"{hashlib.sha256(self.content).hexdigest()[:20]}"'


def asset(name: str) -> Asset | None:
    """Return a part of the page by name, or None where there is none: files, `theme.css` and `vega.js`."""
    return _made(name) if name in ("theme.css", "vega.js") else _files().get(name)


@cache
def _made(name: str) -> Asset:
    if name == "theme.css":
        return Asset(theme_css().encode(), "text/css")
    return Asset(vega_bundle().encode(), "text/javascript")


@cache
def _files() -> dict[str, Asset]:
    folder = resources.files("tocsin.explorer") / "static"
    return {
        each.name: Asset(each.read_bytes(), KINDS[f".{each.name.rpartition('.')[2]}"])
        for each in folder.iterdir()
        if f".{each.name.rpartition('.')[2]}" in KINDS
    }


def static_text(name: str) -> str:
    """Return a file of the page as text; raise KeyError where there is none."""
    return _files()[name].content.decode("utf-8")


@lru_cache(maxsize=1)
def vega_bundle() -> str:
    """Return Vega, Vega-Lite and Vega-Embed as vl-convert carries them, one classic script."""
    import vl_convert

    bundle: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    # The bundle declares names of its own at its top: they stay its own.
    return f"/*! {NOTICE} */\n(()=>{{{bundle}\n}})();"


def file_name(laboratory: Laboratory, what: str) -> str:
    """Return a name for a download: plain letters only."""
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "-" for c in laboratory.history.name)
    return f"tocsin-{kept[:40]}-{what}"
