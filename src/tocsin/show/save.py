"""Charts as files: SVG, PNG and HTML that need no network, in the light or the dark colours."""

from __future__ import annotations

import hashlib
import html
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tocsin.errors import TocsinError, suggestion
from tocsin.show.theme import COLOURS
from tocsin.whole import write_whole

if TYPE_CHECKING:
    import altair as alt

FORMATS = ("svg", "png", "html")
UNSEEN = "touch"  # names of layers that only carry what is read on hover begin so
_NUMBER = re.compile(r"-?\d+\.\d{2,}")
_CLIP = re.compile(r"\bclip\d+\b")
_PATH = re.compile(r' d="([^"]*)"')


def save(chart: alt.TopLevelMixin, path: str | Path, *, dark: bool = False, scale: float = 2.0) -> Path:
    """Write a chart as SVG, PNG or HTML, by the ending of the path, and return the path.

    Parameters:
        chart: any chart.
        path: ends in .svg, .png or .html; an HTML file carries all that it needs.
        dark: whether to draw it in the dark colours.
        scale: pixels of a PNG for one of the chart.

    Raises:
        TocsinError: another ending, or the file cannot be written.
    """
    import vl_convert

    target = Path(path)
    kind = target.suffix.lower().lstrip(".")
    if kind not in FORMATS:
        raise TocsinError(
            f"{target.name}: a chart is saved as .svg, .png or .html" + suggestion(kind, FORMATS)
        )
    spec = coloured(chart.to_dict(), dark)
    if kind == "svg":
        write_whole(target, svg_of(spec))
    elif kind == "png":
        write_whole(target, vl_convert.vegalite_to_png(still(spec), scale=scale))
    else:
        page = vl_convert.vegalite_to_html(spec, bundle=True)
        title = html.escape(_title(spec) or "Tocsin")
        paper = COLOURS["paper"][dark]
        head = f"<title>{title}</title><style>body{{margin:1rem;background:{paper}}}</style>"
        write_whole(target, page.replace("<head>", f"<head>{head}", 1))
    return target


def svg_of(spec: dict[str, Any]) -> str:
    """Return the SVG of a specification with a title and a description that a screen reader reads out.

    Coordinates of paths are rounded to a tenth of a pixel, which halves the size of a map.
    """
    import vl_convert

    svg: str = vl_convert.vegalite_to_svg(still(spec))
    svg = _PATH.sub(lambda found: f' d="{_rounded(found.group(1))}"', svg)
    title, description = html.escape(_title(spec)), html.escape(str(spec.get("description", "")))
    # The renderer numbers clips from where it left off: named by content, a picture has the same bytes again,
    # and several of them can stand in one page.
    digest = hashlib.sha256(_CLIP.sub("clip", svg).encode()).hexdigest()[:8]
    names: dict[str, str] = {}
    svg = _CLIP.sub(lambda found: names.setdefault(found.group(0), f"clip-{digest}-{len(names)}"), svg)
    start = svg.index(">", svg.index("<svg")) + 1
    opening = svg[:start].replace("<svg ", '<svg role="img" ', 1)
    return f"{opening}<title>{title}</title><desc>{description}</desc>{svg[start:]}"


def still(spec: dict[str, Any]) -> dict[str, Any]:
    """Return a specification without the unseen layers that only answer to a pointer."""
    if "layer" not in spec:
        return spec
    layers = [each for each in spec["layer"] if not str(each.get("name", "")).startswith(UNSEEN)]
    return {**spec, "layer": layers}


def coloured(spec: Any, dark: bool) -> Any:
    """Return a specification with the theme's light colours replaced by the dark ones, if asked for."""
    if not dark:
        return spec
    swap = {light.casefold(): night for light, night in COLOURS.values()}
    return _swapped(spec, swap)


def _swapped(item: Any, swap: dict[str, str]) -> Any:
    if isinstance(item, dict):
        # Data hold no colours, and a map holds much of them.
        return {k: v if k in ("datasets", "values") else _swapped(v, swap) for k, v in item.items()}
    if isinstance(item, list):
        return [_swapped(each, swap) for each in item]
    return swap.get(item.casefold(), item) if isinstance(item, str) and item.startswith("#") else item


def _rounded(path: str) -> str:
    return _NUMBER.sub(lambda found: f"{float(found.group(0)):.1f}", path)


def _title(spec: dict[str, Any]) -> str:
    about = spec.get("usermeta") or {}
    title = about.get("finding") if isinstance(about, dict) else None
    title = title or spec.get("title") or ""
    title = title.get("text", "") if isinstance(title, dict) else title
    return " ".join(title) if isinstance(title, list) else str(title)
