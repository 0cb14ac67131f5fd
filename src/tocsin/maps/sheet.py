"""The sheet that a map is drawn on: outlines, lines and marks of a date in a view, and room for words.

Everything is thought of in pixels, so that what would not be seen is left out and labels do not collide; what
is handed to the chart are longitudes and latitudes, which Vega projects by the same formula.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import altair as alt
import numpy as np
from numpy.typing import NDArray

from tocsin.charts.parts import Shared, chart_config, colour
from tocsin.history.describe import short_labels
from tocsin.history.tables.schema import MARK
from tocsin.maps.geometry import Cut, cut_at, marks, signed_area, written
from tocsin.maps.projection import Box, Projection, projection_of

if TYPE_CHECKING:
    from tocsin.history.history import History

Floats = NDArray[np.float64]

GRAIN = 0.5  # pixels: what lies closer together is drawn as one

MARGIN = 12.0  # pixels around the picture that may hold a shape's edge

WIDE, NARROW = 700, 330  # pixels

LETTER = 0.6  # width of a letter, as a share of the size of the type


@dataclass(frozen=True)
class Label:
    """A word on the map: its text, its middle or its edge in pixels, and how it is set."""

    text: str
    x: float
    y: float
    align: str = "center"


class Sheet:
    """Outlines and marks of a history at a date, in a view.

    Parameters:
        history: whose units are drawn.
        when: the date; outlines are those of the nearest cut.
        view: see `projection_of`.
        width: in pixels.
    """

    def __init__(self, history: History, when: Any, view: str | Box | None, width: int) -> None:
        self.history = history
        self.cut: Cut = cut_at(history, when)
        self.projection: Projection = projection_of(history, view, width)
        self.present = _present(history, when)
        self.labels = short_labels(history)
        self.rings: dict[str, list[Floats]] = {}  # unit -> rings in pixels, as far as they are drawn
        self.features = [kept for each in self.cut.features if (kept := self._cropped(each)) is not None]
        self.lines = {kind: self._visible(lines) for kind, lines in self.cut.lines.items()}
        # Radius of a mark and width of an edge of ink, in pixels: finer where the whole world must find room.
        fine = self.projection.name == "world" or width <= NARROW
        self.ring, self.edge = (3.0, 1.0) if fine else (4.5, 1.5)
        self._told: Mapping[str, Mapping[str, Any]] = {}
        places = marks(history, self.cut)
        self.marks = {
            unit: place
            for unit, place in places.items()
            if unit in self.present and bool(self.projection.inside(self.projection.pixels([place]))[0])
        }

    @property
    def drawn(self) -> set[str]:
        """Return the units that the picture shows, as areas or as marks."""
        return (set(self.rings) & self.present) | set(self.marks)

    @property
    def missing(self) -> set[str]:
        """Return the units, present at the date, that the picture does not show."""
        return self.present - self.drawn

    @property
    def where(self) -> str:
        """Return what part of the world is shown, in words."""
        return {"europe": "Europe", "world": "the world"}.get(self.projection.name, "the units")

    def moment(self, when: Any) -> str:
        """Return the time of the map written out: '21 March 1919'."""
        if not self.history.dated:
            return "" if when is None else f"Time {float(when):g}"
        import pandas as pd

        if when is None:
            return ""
        day = pd.Timestamp(when).date()
        if self.history.clock == "year":
            return str(day.year)
        text = written(day)
        return text.split(" ", 1)[1] if self.history.clock == "month" else text

    def finished(
        self,
        layers: Sequence[Any],
        finding: str,
        notes: Sequence[str],
        source: str,
        description: str,
        titled: bool,
    ) -> alt.LayerChart:
        """Return layers as a chart with its finding, key, outlines, source and text alternative."""
        projection = self.projection
        lines = [*notes, *self._notes()]
        credit = f"Source: {source}. Outlines: {self.cut.source}."
        about = {"finding": finding, "note": " ".join(lines), "source": credit, "outlines": self.cut.note}
        chart = alt.layer(*layers).properties(
            width=projection.width,
            height=projection.height,
            projection=alt.Projection(**projection.spec),
            description=description,
            usermeta=about,
        )
        if titled:
            sized = projection.width
            subtitle = _wrapped(" ".join(lines), sized // 7.3) + _wrapped(credit, sized // 7.3)
            chart = chart.properties(
                title=alt.TitleParams(text=_wrapped(finding, sized // 10.3), subtitle=subtitle)
            )
        done: alt.LayerChart = chart.configure(aria=False, **chart_config())
        return done

    def tell(self, about: Mapping[str, Mapping[str, Any]]) -> None:
        """Give units properties, by which layers choose and colour them: call it once, before any layer."""
        self._told = about
        self.__dict__.pop("_land", None)

    @cached_property
    def _land(self) -> alt.InlineData:
        told = self._told
        return _held(
            [
                {**each, "properties": {**each["properties"], **told.get(each["properties"]["unit"], {})}}
                for each in self.features
            ]
        )

    # --- layers -----------------------------------------------------------------------------------------

    def areas(self, test: str = "true") -> alt.Chart:
        """Return a chart of the areas for which a test of `told` properties holds, such as `@size > 0`."""
        return alt.Chart(self._land).transform_filter(_of_properties(test))

    def points(self, test: str = "true") -> alt.Chart:
        """Return a chart of the marks for which a test of `told` properties holds, in pixels `x` and `y`."""
        values = []
        for unit, place in self.marks.items():
            x, y = self.projection.pixels([place])[0].round(1)
            values.append(
                {"x": float(x), "y": float(y), "properties": {"unit": unit, **self._told.get(unit, {})}}
            )
        return placed(values).transform_filter(_of_properties(test))

    def ground(self) -> list[Any]:
        """Return the land of the units, quiet, and the rest of the world, quieter still."""
        # Where arcs are shared, borders are drawn by themselves, each once.
        edge = {"stroke": None} if self.lines else {"stroke": colour("quiet"), "strokeWidth": 0.5}
        plain: dict[str, Any] = {"fill": colour("old"), "tooltip": None, **edge}
        rest = self.areas("!@here").mark_geoshape(fillOpacity=0.3, **plain)
        return [rest, self.areas("@here").mark_geoshape(**plain)]

    def hairlines(self) -> list[Any]:
        """Return coasts and borders: those between states firmer than those within one."""
        styles: dict[str, dict[str, Any]] = {
            "inner": {"strokeWidth": 0.5, "strokeOpacity": 0.6, "strokeDash": [2, 2]},
            "border": {"strokeWidth": 0.7, "strokeOpacity": 0.75},
            "coast": {"strokeWidth": 0.6, "strokeOpacity": 0.6},
        }
        layers = []
        for kind, style in styles.items():
            if self.lines.get(kind):
                shape = {"type": "MultiLineString", "coordinates": self.lines[kind]}
                chart = alt.Chart(_held([{"type": "Feature", "properties": {}, "geometry": shape}]))
                line: dict[str, Any] = {"filled": False, "fill": None, "stroke": colour("quiet"), **style}
                layers.append(chart.mark_geoshape(tooltip=None, **line))
        return layers

    def stipple(self, units: Iterable[str], gap: float = 5.0) -> list[Any]:
        """Return dots over the areas of units about which too little is known."""
        values = []
        for unit in sorted(units):
            for x, y in _dots(self.rings.get(unit, []), self.projection, gap):
                values.append({"x": float(x), "y": float(y)})
        if not values:
            return []
        dots = placed(values).mark_circle(size=2.6, color=colour("ink"), opacity=0.75, tooltip=None)
        return [dots.encode(**AT)]

    def words(self, labels: Sequence[Label], size: int = 11) -> list[Any]:
        """Return labels on a ground of paper."""
        layers = []
        for align in ("center", "left", "right"):
            values = [{"x": each.x, "y": each.y, "text": each.text} for each in labels if each.align == align]
            if not values:
                continue
            base = placed(values)
            font: dict[str, Any] = {"align": align, "baseline": "middle", "fontSize": size, "tooltip": None}
            halo: dict[str, Any] = {
                "stroke": colour("paper"),
                "strokeWidth": 3,
                "strokeJoin": "round",
                "strokeOpacity": 0.85,
            }
            layers.append(
                base.mark_text(color=colour("paper"), **font, **halo).encode(**AT, text=alt.Text("text:N"))
            )
            layers.append(base.mark_text(color=colour("ink"), **font).encode(**AT, text=alt.Text("text:N")))
        # All grounds lie below all letters.
        return layers[::2] + layers[1::2]

    def place(
        self, texts: Mapping[str, str], size: int = 11, at: Mapping[str, tuple[float, float]] | None = None
    ) -> list[Label]:
        """Return labels for units, in the order given, as far as there is room for them.

        Each is put in the middle of its area, or beside it, or beside its mark; one that would cover another
        is left out. Units `at` a place (longitude, latitude) are named beside it, as marks are.
        """
        spots = self.marks if at is None else at
        taken = [self._around(place) for place in spots.values()]
        labels = []
        for unit, text in texts.items():
            spot = spots.get(unit)
            anchor = self._widest(unit) if spot is None else self.projection.pixels([spot])[0]
            if anchor is None:
                continue
            wide, high = LETTER * size * len(text), 1.15 * size
            for align, x, y in _candidates(anchor, 0.0 if spot is None else self.ring, high, wide):
                left = x - {"center": wide / 2, "left": 0.0, "right": wide}[align]
                frame = (left, y - high / 2, left + wide, y + high / 2)
                if self._holds(frame) and not any(_overlap(frame, other) for other in taken):
                    taken.append(frame)
                    labels.append(Label(text, round(x, 1), round(y, 1), align))
                    break
        return labels

    def size(self, unit: str) -> float:
        """Return how large a unit is drawn: the area of the boxes of its parts, in square pixels."""
        return sum(float(np.ptp(ring, axis=0).prod()) for ring in self.rings.get(unit, []))

    # --- parts ------------------------------------------------------------------------------------------

    def _cropped(self, feature: dict[str, Any]) -> dict[str, Any] | None:
        """Return a feature with the polygons that touch the picture, without vertices too close together."""
        faces = []
        unit = feature["properties"]["unit"]
        for face in feature["geometry"]["coordinates"]:
            outer = self.projection.pixels(face[0])
            if not self._touches(outer):
                continue
            rings = []
            for number, ring in enumerate(face):
                pixels = outer if number == 0 else self.projection.pixels(ring)
                keep = _spaced(pixels)
                places = np.asarray(ring)[keep].round(3)
                # What shrinks to a thread may turn its winding, and would then fill the world.
                if len(places) >= 4 and (signed_area(places) < 0) == (number == 0):
                    rings.append(places.tolist())
                    if unit is not None:
                        self.rings.setdefault(unit, []).append(pixels[keep])
                elif number == 0:
                    break
            if rings:
                faces.append(rings)
        if not faces:
            return None
        about = feature["properties"]
        here = unit is not None and unit in self.present
        words = {"unit": unit if here else None, "name": about["name"], "here": here}
        shape = {"type": "MultiPolygon", "coordinates": faces}
        return {"type": "Feature", "properties": words, "geometry": shape}

    def _visible(self, lines: Iterable[Any]) -> list[Any]:
        kept = []
        for line in lines:
            pixels = self.projection.pixels(line)
            if self._touches(pixels):
                keep = _spaced(pixels)
                if keep.sum() >= 2 and np.ptp(pixels, axis=0).max() > 2 * GRAIN:
                    kept.append(np.asarray(line)[keep].round(3).tolist())
        return kept

    def _notes(self) -> list[str]:
        """Return what a reader must know of the outlines, and what the picture does not show."""
        notes = [f"{self.cut.note}."]
        if self.marks:
            notes.append("Rings: units without an outline, at their capital.")
        if self.missing:
            count = len(self.missing)
            notes.append(f"{count} {'unit lies' if count == 1 else 'units lie'} outside this view.")
        return notes

    def _touches(self, pixels: Floats) -> bool:
        return bool(self.projection.inside(pixels, MARGIN).any())

    def _around(self, place: tuple[float, float]) -> tuple[float, float, float, float]:
        x, y = self.projection.pixels([place])[0]
        return x - self.ring, y - self.ring, x + self.ring, y + self.ring

    def _widest(self, unit: str) -> Floats | None:
        """Return the pixel at which an area is named: where it is widest, the picture's edge being one too."""
        rings = self.rings.get(unit)
        if not rings:
            return None
        edge = np.concatenate(rings)
        seen = edge[self.projection.inside(edge)]
        span = np.ptp(seen, axis=0).max() if len(seen) else 0.0
        inner = _dots(rings, self.projection, float(np.clip(span / 12, 2.0, 25.0)))
        if not len(inner):
            return seen.mean(axis=0) if len(seen) else None
        frame = np.array([self.projection.width, self.projection.height])
        nearest = np.min(np.linalg.norm(inner[:, None] - edge[None, ::2], axis=2), axis=1)
        nearest = np.minimum(nearest, np.minimum(inner, frame - inner).min(axis=1))
        best: Floats = inner[int(nearest.argmax())]
        return best

    def _holds(self, frame: tuple[float, float, float, float]) -> bool:
        return (
            frame[0] >= 2
            and frame[1] >= 2
            and frame[2] <= self.projection.width - 2
            and frame[3] <= self.projection.height - 2
        )


AT = {
    "x": alt.X("x:Q", scale=None, axis=None),
    "y": alt.Y("y:Q", scale=None, axis=None),
}


def placed(values: Sequence[Mapping[str, Any]]) -> alt.Chart:
    """Return a chart of values that have their own pixels `x` and `y`."""
    return alt.Chart(Shared(values=[dict(value) for value in values]))


def _present(history: History, when: Any) -> set[str]:
    """Return the units that are there on a date; before and after the window, those of its edge."""
    table = history.units
    if not history.dated or when is None:
        return set(table["unit"].astype(str))
    import pandas as pd

    first, last = (pd.Timestamp(end) for end in history.window)
    day = min(max(pd.Timestamp(when), first), last)
    if history.clock in ("month", "year"):
        day = day.to_period(history.clock[0].upper()).to_timestamp()
    there = (table["enter"] <= day) & (table["exit"] >= day)
    if MARK in table:
        there &= table[MARK].isna()
    return set(table.loc[there, "unit"].astype(str))


def _spaced(pixels: Floats) -> NDArray[np.bool_]:
    """Return which vertices to keep: the first in each small cell that a line passes through, and its ends."""
    cell = np.floor(pixels / GRAIN)
    keep = np.ones(len(pixels), dtype=bool)
    keep[1:] = (cell[1:] != cell[:-1]).any(axis=1)
    keep[-1] = True
    return keep


def _wrapped(text: str, width: float) -> list[str]:
    return textwrap.wrap(text, max(24, int(width)))


def _held(values: Any) -> alt.InlineData:
    """Return data as JSON text, which Altair neither copies nor validates vertex by vertex."""
    text = json.dumps(values, separators=(",", ":"), ensure_ascii=False)
    return alt.InlineData(values=text, format=alt.JsonDataFormat(type="json"))


def _of_properties(test: str) -> str:
    """Return a test as an expression of Vega: `@size > 0` is about the property `size`."""
    return test.replace("@", "datum.properties.")


def _dots(rings: Sequence[Floats], projection: Projection, gap: float) -> Floats:
    """Return the pixels of a staggered grid that lie within rings (even-odd rule) and on the picture."""
    if not rings:
        return np.empty((0, 2))
    start = np.concatenate([ring[:-1] for ring in rings])
    end = np.concatenate([ring[1:] for ring in rings])
    low = np.maximum(np.floor(start.min(axis=0) / gap) * gap, 0)
    high = np.minimum(start.max(axis=0), (projection.width, projection.height))
    rows = np.arange(low[1], high[1], gap * 0.87)
    found = []
    for number, y in enumerate(rows):
        crossing = (start[:, 1] > y) != (end[:, 1] > y)
        a, b = start[crossing], end[crossing]
        at = np.sort(a[:, 0] + (y - a[:, 1]) / (b[:, 1] - a[:, 1]) * (b[:, 0] - a[:, 0]))
        x = np.arange(low[0] + (number % 2) * gap / 2, high[0], gap)
        within = np.searchsorted(at, x) % 2 == 1
        found.append(np.column_stack([x[within], np.full(int(within.sum()), y)]))
    return np.concatenate(found).round(1) if found else np.empty((0, 2))


def _candidates(anchor: Floats, ring: float, high: float, wide: float) -> list[tuple[str, float, float]]:
    x, y = float(anchor[0]), float(anchor[1])
    aside = ring + 3.5
    beside = [("left", x + aside, y), ("right", x - aside, y)]
    above = [("center", x, y - aside - high / 2), ("center", x, y + aside + high / 2)]
    if ring:
        return beside + above
    shifts = [(0.0, 0.0), (0.0, -high), (0.0, high), (wide / 3, 0.0), (-wide / 3, 0.0)]
    shifts += [(wide / 3, -high), (-wide / 3, -high), (wide / 3, high), (-wide / 3, high)]
    return [("center", x + dx, y + dy) for dx, dy in shifts]


def _overlap(one: Sequence[float], other: Sequence[float], gap: float = 1.5) -> bool:
    return (
        one[0] < other[2] + gap
        and other[0] < one[2] + gap
        and one[1] < other[3] + gap
        and other[1] < one[3] + gap
    )
