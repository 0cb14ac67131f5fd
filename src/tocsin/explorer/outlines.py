"""The map of one date as the page draws it: outlines projected to pixels once, so that play changes fills only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from tocsin.errors import TocsinError
from tocsin.maps.geometry import Cut, cut_at, cut_dates
from tocsin.maps.projection import VIEWS, Projection, projection_of
from tocsin.maps.sheet import Sheet

if TYPE_CHECKING:
    from tocsin.history.history import History

WIDTH = 1000  # pixels of the picture's own measure; the page draws it at any size


def views_of(history: History) -> list[str]:
    """Return the views in which a history can be drawn, the best first; none where nothing can be drawn."""
    try:
        first = projection_of(history, None, WIDTH).name
    except TocsinError:
        # Without places, the outlines of today may still know the units by name or by code.
        return ["world"] if cut_at(history).units else []
    return [first] + [view for view in VIEWS if view != first and view != "units"]


def days_of_cuts(history: History) -> list[float]:
    """Return the clock numbers of the dates at which borders change; one, the first, where none do."""
    if not history.dated:
        return [0.0]
    return [_number(history, day) for day in cut_dates(history)] or [0.0]


def outlines_of(history: History, view: str, cut: int) -> dict[str, Any]:
    """Return the map of one cut in one view.

    Parameters:
        history: whose units are drawn.
        view: one of `views_of(history)`.
        cut: the position of the cut among `days_of_cuts`.

    Returns:
        width, height; `units` and `marks` by unit (path data; pixels of a ring), `land` and `lines` (path data),
        `places` (pixels by unit), the note on the outlines, and whom to thank.

    Raises:
        TocsinError: there is no such view.
    """
    dates = cut_dates(history) if history.dated else []
    when = dates[cut] if dates else None
    sheet = Sheet(history, when, view, WIDTH)
    shapes: dict[str, list[str]] = {}
    land: list[str] = []
    # All units of the cut are handed over: who is there on a day is the page's to know.
    for feature in _features(sheet.cut, sheet.projection):
        unit, path = feature
        (land if unit is None else shapes.setdefault(unit, [])).append(path)
    places = _places(history, sheet.projection)
    marks = {unit: place for unit, place in places.items() if unit not in shapes}
    return {
        "view": view,
        "cut": cut,
        "width": sheet.projection.width,
        "height": sheet.projection.height,
        "units": {unit: "".join(paths) for unit, paths in shapes.items()},
        "land": "".join(land),
        "lines": {
            kind: "".join(_open(line, sheet.projection) for line in lines)
            for kind, lines in sheet.lines.items()
        },
        "marks": marks,
        "places": places,
        "labels": _anchors(sheet),
        "note": sheet.cut.note,
        "source": sheet.cut.source,
    }


def _features(cut: Cut, projection: Projection) -> Iterable[tuple[str | None, str]]:
    for feature in cut.features:
        path = "".join(
            _closed(ring, projection)
            for face in feature["geometry"]["coordinates"]
            if projection.inside(projection.pixels(face[0]), 12.0).any()
            for ring in face
        )
        if path:
            yield feature["properties"]["unit"], path


def _places(history: History, projection: Projection) -> dict[str, list[float]]:
    table = history.units
    if "lon" not in table or "lat" not in table:
        return {}
    known = table[["unit", "lon", "lat"]].dropna()
    pixels = projection.pixels(known[["lon", "lat"]].to_numpy(dtype=float))
    inside = projection.inside(pixels)
    return {
        str(unit): [round(float(x), 1), round(float(y), 1)]
        for unit, (x, y), seen in zip(known["unit"], pixels, inside, strict=True)
        if seen
    }


def _anchors(sheet: Sheet) -> dict[str, list[Any]]:
    """Return where units are named, the largest first, as far as there is room: x, y, alignment."""
    size = 15
    order = sorted(sheet.drawn, key=lambda unit: (unit not in sheet.marks, -sheet.size(unit), unit))
    found: dict[str, list[Any]] = {}
    texts = {unit: sheet.labels[unit] for unit in order}
    by_text = {text: unit for unit, text in reversed(texts.items())}
    for label in sheet.place(texts, size):
        found.setdefault(by_text[label.text], [label.x, label.y, label.align])
    return found


def _closed(ring: Any, projection: Projection) -> str:
    return "".join(f"{text}Z" for part in _parts(ring, projection) if (text := _path(part)))


def _open(line: Any, projection: Projection) -> str:
    return "".join(_path(part) for part in _parts(line, projection))


def _parts(line: Any, projection: Projection) -> list[Any]:
    """Return the pixels of a line, cut where it jumps from one edge of the world to the other."""
    pixels = projection.pixels(line)
    jumps = np.flatnonzero(np.abs(np.diff(pixels[:, 0])) > projection.width / 2) + 1
    return np.split(pixels, jumps) if projection.name == "world" else [pixels]


def _path(pixels: Any) -> str:
    """Return path data in steps of half a pixel, of vertices that differ by at least one."""
    points = np.rint(np.asarray(pixels) * 2).astype(int)
    keep = np.ones(len(points), dtype=bool)
    keep[1:] = (points[1:] != points[:-1]).any(axis=1)
    points = points[keep]
    if len(points) < 2:
        return ""
    steps = np.diff(points, axis=0)
    first = f"M{_half(points[0, 0])} {_half(points[0, 1])}"
    return first + "l" + " ".join(f"{_half(x)} {_half(y)}" for x, y in steps)


def _half(value: int) -> str:
    return f"{value / 2:g}"


def _number(history: History, day: Any) -> float:
    """Return a date as a clock number, also where it lies outside the window."""
    import pandas as pd

    first = pd.Timestamp(history.window[0])
    stamp = pd.Timestamp(day)
    if history.clock == "month":
        return float((stamp.year - first.year) * 12 + stamp.month - first.month)
    if history.clock == "year":
        return float(stamp.year - first.year)
    return float((stamp - first).days)
