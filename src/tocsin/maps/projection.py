"""Equal-area projections in pixels: as Vega draws them, and as Python needs them to place what may collide.

Two are used: the conic equal-area projection (Albers 1805; Snyder 1987, p. 98) for a part of the world, and
Equal Earth (Šavrič, Patterson & Jenny 2019) for the whole of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tocsin.errors import TocsinError, suggestion

if TYPE_CHECKING:
    from tocsin.history.history import History

Floats = NDArray[np.float64]

Box = tuple[float, float, float, float]  # west, south, east, north

EUROPE: Box = (-10.5, 35.0, 50.0, 68.5)

WORLD: Box = (-180.0, -56.5, 180.0, 83.7)

VIEWS = ("europe", "world", "units")

# The seam of the world runs through Bering's strait, not through Chukotka.
WORLD_MIDDLE = 11.0

WIDEST = 150.0  # degrees of longitude that a cone can show without folding

_A1, _A2, _A3, _A4 = 1.340264, -0.081106, 0.000893, 0.003796  # of Equal Earth

_M = np.sqrt(3) / 2


@dataclass(frozen=True)
class Projection:
    """A projection fitted to a box and a width.

    Attributes:
        name: of the view: europe, world, units or box.
        width, height: pixels.
        spec: what Vega-Lite is told.
        raw: longitude and latitude in radians, the middle meridian taken off, to the plane.
        middle: longitude of the middle meridian in degrees.
        scale: pixels per unit of the plane.
        shift: pixel of the plane's origin.
    """

    name: str
    width: int
    height: int
    spec: dict[str, Any]
    raw: Callable[[Floats, Floats], tuple[Floats, Floats]]
    middle: float
    scale: float
    shift: tuple[float, float]

    def pixels(self, places: Any) -> Floats:
        """Return places (n, 2) in degrees as pixels (n, 2), from the upper left corner."""
        points = np.asarray(places, dtype=np.float64).reshape(-1, 2)
        turned = np.radians((points[:, 0] - self.middle + 180.0) % 360.0 - 180.0)
        x, y = self.raw(turned, np.radians(points[:, 1]))
        return np.column_stack([self.shift[0] + self.scale * x, self.shift[1] - self.scale * y])

    def inside(self, pixels: Floats, margin: float = 0.0) -> NDArray[np.bool_]:
        """Return which pixels lie on the picture, or not farther from it than a margin."""
        x, y = pixels[:, 0], pixels[:, 1]
        return (x >= -margin) & (x <= self.width + margin) & (y >= -margin) & (y <= self.height + margin)


def projection_of(history: History, view: str | Box | None, width: int) -> Projection:
    """Return the projection of a view.

    Parameters:
        history: whose units are looked at.
        view: "europe", "world", "units" (all of them), or (west, south, east, north) in degrees. By default
            Europe where half of the units or more lie there, else all units.
        width: in pixels.

    Raises:
        TocsinError: an unknown view, a box that is none, or a history that does not say where its units lie.
    """
    name, box = _box_of(history, view)
    if name == "world" or box[2] - box[0] > WIDEST or (box[1] < 0 < box[3] and box[3] - box[1] > 90):
        return _fitted(
            "world", box if name != "world" else WORLD, width, _equal_earth, {"type": "equalEarth"}
        )
    south, north = box[1], box[3]
    # A sixth of the way in from either edge, shapes are least distorted on the whole (Snyder 1987).
    first, second = south + (north - south) / 6, north - (north - south) / 6
    if abs(first + second) < 2:  # a cone needs its parallels on one side of the equator
        second += 2
    spec: dict[str, Any] = {"type": "conicEqualArea", "parallels": [round(first, 3), round(second, 3)]}
    return _fitted(name, box, width, _albers(*spec["parallels"]), spec)


def _box_of(history: History, view: str | Box | None) -> tuple[str, Box]:
    if isinstance(view, str) and view not in VIEWS:
        raise TocsinError(f"there is no view {view!r}" + suggestion(view, VIEWS))
    if view == "europe":
        return "europe", EUROPE
    if view == "world":
        return "world", WORLD
    if view is not None and view != "units":
        west, south, east, north = map(float, view)
        if not (west < east <= west + 360 and -90 <= south < north <= 90):
            raise TocsinError(f"a view is (west, south, east, north) in degrees, not {view!r}")
        return "box", (west, south, east, north)
    table = history.units
    if "lon" not in table or "lat" not in table:
        raise TocsinError(
            'the history does not say where its units lie (lon, lat): give view="world" or a box'
        )
    places = table[["lon", "lat"]].dropna().to_numpy(dtype=float)
    if not len(places):
        raise TocsinError('no unit says where it lies (lon, lat): give view="world" or a box')
    lon, lat = places.T
    there = (lon >= EUROPE[0]) & (lon <= EUROPE[2]) & (lat >= EUROPE[1]) & (lat <= EUROPE[3])
    if view is None and there.mean() >= 0.5:
        return "europe", EUROPE
    pad = max(3.0, 0.06 * float(np.ptp(lon)), 0.06 * float(np.ptp(lat)))
    box = (
        float(lon.min()) - pad,
        max(float(lat.min()) - pad, -60.0),
        float(lon.max()) + pad,
        min(float(lat.max()) + pad, 80.0),
    )
    return ("world", WORLD) if box[2] - box[0] > WIDEST else ("units", box)


def _fitted(name: str, box: Box, width: int, raw: Any, spec: dict[str, Any]) -> Projection:
    """Fit the outline of a box to a width; the height follows."""
    west, south, east, north = box
    middle = WORLD_MIDDLE if name == "world" and east - west >= 360 else (west + east) / 2
    steps = np.linspace(0, 1, 60)
    lon = np.radians((west - east) / 2 + steps * (east - west))
    lat = np.radians(south + steps * (north - south))
    edges = [
        raw(lon, np.full_like(lon, lat[0])),
        raw(lon, np.full_like(lon, lat[-1])),
        raw(np.full_like(lat, lon[0]), lat),
        raw(np.full_like(lat, lon[-1]), lat),
    ]
    x, y = (np.concatenate([edge[axis] for edge in edges]) for axis in (0, 1))
    scale = width / float(np.ptp(x))
    height = int(np.ceil(scale * np.ptp(y)))
    shift = (-scale * float(x.min()), scale * float(y.max()))
    whole = {
        **spec,
        "rotate": [-middle, 0, 0],
        "center": [0, 0],
        "scale": round(scale, 4),
        # d3 measures from the projected centre, which of a cone is not the plane's origin.
        "translate": [round(shift[0], 3), round(shift[1] - scale * float(raw(0.0, 0.0)[1]), 3)],
        "clipExtent": [[0, 0], [width, height]],
        "precision": 0.3,
    }
    return Projection(name, width, height, whole, raw, middle, scale, shift)


def _albers(first: float, second: float) -> Any:
    sine = np.sin(np.radians([first, second]))
    n = float(sine.sum()) / 2
    c = 1 + sine[0] * (2 * n - sine[0])

    def raw(lon: Any, lat: Any) -> tuple[Any, Any]:
        radius = np.sqrt(np.maximum(c - 2 * n * np.sin(lat), 0)) / n
        return radius * np.sin(lon * n), -radius * np.cos(lon * n)

    return raw


def _equal_earth(lon: Any, lat: Any) -> tuple[Any, Any]:
    angle = np.arcsin(_M * np.sin(lat))
    squared = angle**2
    sixth = squared**3
    slope = _A1 + 3 * _A2 * squared + sixth * (7 * _A3 + 9 * _A4 * squared)
    x = lon * np.cos(angle) / (_M * slope)
    return x, angle * (_A1 + _A2 * squared + sixth * (_A3 + _A4 * squared))
