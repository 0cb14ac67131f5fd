"""Outlines for a history at a date: its own borders where it has some, the outlines of today where not."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tocsin.history.borders import features_in, match_units, polygons_in, read_borders

if TYPE_CHECKING:
    from tocsin.history.history import History

NATURAL_EARTH = "Natural Earth (public domain)"

MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]

_DATED = re.compile(r"borders_(\d{4}-\d{2}-\d{2})$")


@dataclass(frozen=True)
class Cut:
    """The outlines of one date.

    Attributes:
        features: GeoJSON features, wound for a map on the sphere; their properties are `unit` (identifier or
            None), `name`, `state` (who held it, or "").
        lines: "coast", "border" (between states) and "inner" (within one), each drawn once; empty where the
            file does not share its arcs.
        date: the date of the cut; None where outlines have none.
        note: what these outlines are, for a reader: 'Borders of 15 April 1919'.
        source: whom to thank.
    """

    features: list[Feature]
    lines: dict[str, list[Any]] = field(default_factory=dict)
    date: date | None = None
    note: str = ""
    source: str = NATURAL_EARTH

    @property
    def units(self) -> set[str]:
        """Return the units that have an area."""
        return {feature["properties"]["unit"] for feature in self.features} - {None}


def borders(history: History, when: Any = None) -> tuple[list[Feature], date | None]:
    """Return the outlines for a date and the date that they are of (None where they have none).

    Parameters:
        history: whose units are to be drawn.
        when: a date; the first of the window by default.

    Raises:
        HistoryError: the history's own file cannot be used.
    """
    cut = cut_at(history, when)
    return cut.features, cut.date


def cut_dates(history: History) -> list[date]:
    """Return the dates of the cuts that come with a history, in order; none where it has no dated borders."""
    if history.borders_path is None:
        return []
    return sorted(_cuts(_read(history.borders_path)))


def cut_at(history: History, when: Any = None) -> Cut:
    """Return the outlines for a date with all that is known about them: see `borders`.

    Of dated cuts the nearest is taken, of two equally near the earlier.
    """
    day = _day(history, when)
    path = history.borders_path
    if path is None:
        return _cached(None, None, _units(history))
    data = _read(path)
    cuts = _cuts(data)
    if cuts and day is not None:
        return _cached(str(path), min(sorted(cuts), key=lambda each: abs((each - day).days)), _units(history))
    return _cached(str(path), day if _changing(data) else None, _units(history))


def marks(history: History, cut: Cut) -> dict[str, tuple[float, float]]:
    """Return longitude and latitude of the units that have no area in a cut, as far as they are known."""
    table = history.units
    if "lon" not in table or "lat" not in table:
        return {}
    known = table[["unit", "lon", "lat"]].dropna()
    drawn = cut.units
    return {
        str(unit): (float(lon), float(lat))
        for unit, lon, lat in known.itertuples(index=False)
        if str(unit) not in drawn
    }


@lru_cache(maxsize=1)
def present_day() -> dict[str, Any]:
    """Return the packaged outlines of today as a topology; its object is `countries`."""
    path = resources.files("tocsin.maps") / "outlines" / "countries-50m.topojson.gz"
    topology: dict[str, Any] = json.loads(gzip.decompress(path.read_bytes()))
    return topology


@lru_cache(maxsize=16)
def _cached(path: str | None, day: date | None, units: tuple[tuple[str, str | None, str | None], ...]) -> Cut:
    if path is None:
        topology = present_day()
        features = _assigned(features_of(topology, "countries"), units)
        note = "Outlines of today, not the borders of the time"
        return Cut(features, lines_of(topology, "countries", "iso3"), None, note)
    data = _read(Path(path))
    name = Path(path).name
    if data.get("type") == "Topology":
        cuts = _cuts(data)
        chosen = cuts[day] if cuts and day is not None else next(iter(data["objects"]))
        note = f"Borders of {written(day)}" if cuts and day is not None else f"Borders: {name}"
        areas = [each for each in features_of(data, chosen) if each["geometry"]["type"] != "Point"]
        source = f"hand-drawn lines on {NATURAL_EARTH}" if cuts else name
        lines = lines_of(data, chosen, "state")
        return Cut(_assigned(areas, units), lines, day if cuts else None, note, source)
    kept = [each for each in features_in(data) if _in_force(each.get("properties") or {}, day)]
    features = []
    for each in kept:
        faces = [
            [unwrapped(np.array([p[:2] for p in ring], float)) for ring in face] for face in _faces(each)
        ]
        shape = multipolygon(wound(face) for face in faces)
        about = {**({"id": each["id"]} if "id" in each else {}), **(each.get("properties") or {})}
        features.append({"type": "Feature", "properties": about, "geometry": shape})
    return Cut(_assigned(features, units), {}, None, f"Borders: {name}", name)


def _faces(feature: Feature) -> list[list[Any]]:
    return list(polygons_in(feature.get("geometry")))


def _assigned(
    features: list[Feature], units: tuple[tuple[str, str | None, str | None], ...]
) -> list[Feature]:
    """Return features that have an area, each with the unit that it draws, its name and its state."""
    result = []
    for feature, unit in zip(features, match_units(features, units), strict=True):
        if not feature["geometry"]["coordinates"]:
            continue
        about = feature["properties"]
        name = about.get("name") or about.get("label") or about.get("NAME") or about.get("key") or ""
        short = {"unit": unit, "name": str(name), "state": str(about.get("state") or "")}
        result.append({**feature, "properties": short})
    return result


def _units(history: History) -> tuple[tuple[str, str | None, str | None], ...]:
    table = history.table("units")
    columns = [
        table.column(name).to_pylist() if name in table.column_names else [None] * table.num_rows
        for name in ("unit", "label", "iso3")
    ]
    return tuple(dict.fromkeys(zip(*columns, strict=True)))  # once, though a unit may stand in several rows


def _read(path: Path) -> dict[str, Any]:
    return _kept(str(path), path.stat().st_mtime_ns if path.is_file() else 0)


@lru_cache(maxsize=4)
def _kept(path: str, _changed: int) -> dict[str, Any]:
    return read_borders(Path(path))


def _cuts(data: dict[str, Any]) -> dict[date, str]:
    """Return the objects of a topology that are named `borders_DATE`, by date."""
    if data.get("type") != "Topology":
        return {}
    found = ((name, _DATED.match(name)) for name in data["objects"])
    return {date.fromisoformat(match.group(1)): name for name, match in found if match}


def _changing(data: dict[str, Any]) -> bool:
    """Return whether features of a GeoJSON say from when to when they hold."""
    if data.get("type") == "Topology":
        return False
    return any({"start", "end"} & set(each.get("properties") or {}) for each in features_in(data))


def _in_force(about: dict[str, Any], day: date | None) -> bool:
    """Return whether a feature holds on a day: its `start` and `end` are the first and last day."""
    if day is None:
        return True
    start, end = str(about.get("start") or "0000"), str(about.get("end") or "9999")
    return start <= day.isoformat() <= end


def _day(history: History, when: Any) -> date | None:
    if not history.dated:
        return None
    if when is None:
        first: date = history.window[0]
        return first
    import pandas as pd

    from tocsin.errors import TocsinError

    try:
        return pd.Timestamp(when).date()
    except (TypeError, ValueError):
        raise TocsinError(f"{when!r} is no date: write it as 1919-03-21") from None


def written(day: date | None) -> str:
    """Return a date written out: 21 March 1919."""
    if day is None:
        return ""
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}"


# --- TopoJSON decoded: shared arcs become rings and features, wound as a map on the sphere needs
#     them
#
# A ring that encloses land runs clockwise, a hole the other way round: d3 and Vega take what lies to the right
# of a ring as its inside, and a ring wound wrongly fills the rest of the world. (GeoJSON, RFC 7946, says the
# reverse; many files follow neither.)

Points = NDArray[np.float64]  # (n, 2): longitude, latitude in degrees

Feature = dict[str, Any]  # a GeoJSON Feature whose geometry is a MultiPolygon, None or a Point

KINDS = ("coast", "border", "inner")


def decoded_arcs(topology: Mapping[str, Any]) -> list[Points]:
    """Return the arcs of a topology in degrees, each (n, 2)."""
    arcs = [np.asarray(arc, dtype=np.float64)[:, :2] for arc in topology["arcs"]]
    transform = topology.get("transform")
    if transform is None:
        return arcs
    scale, shift = np.asarray(transform["scale"]), np.asarray(transform["translate"])
    return [np.cumsum(arc, axis=0) * scale + shift for arc in arcs]


def ring_of(numbers: Iterable[int], arcs: Sequence[Points]) -> Points:
    """Return the ring that arcs form; ~i is arc i backwards. Longitudes run on past the date line."""
    parts = []
    for place, number in enumerate(numbers):
        arc = arcs[number] if number >= 0 else arcs[~number][::-1]
        parts.append(arc if place == 0 else arc[1:])
    return unwrapped(np.vstack(parts))


def unwrapped(ring: Points) -> Points:
    """Return a ring without jumps of a whole turn, shifted so that its middle lies within -180..180."""
    longitude = np.unwrap(ring[:, 0], period=360.0)
    middle = (longitude.min() + longitude.max()) / 2
    longitude = longitude - 360.0 * np.round(middle / 360.0)
    return np.column_stack([longitude, ring[:, 1]])


def signed_area(ring: Points) -> float:
    """Return the planar area of a ring in square degrees: positive where it runs counterclockwise."""
    x, y = ring[:, 0] - ring[0, 0], ring[:, 1]
    return float((x[:-1] * y[1:] - x[1:] * y[:-1]).sum() / 2)


def wound(polygon: Sequence[Points]) -> list[Points]:
    """Return a polygon with its outer ring clockwise and its holes counterclockwise."""
    outer = [ring if signed_area(ring) <= 0 else ring[::-1] for ring in polygon[:1]]
    return outer + [ring if signed_area(ring) >= 0 else ring[::-1] for ring in polygon[1:]]


def polygons_of(geometry: Mapping[str, Any], arcs: Sequence[Points]) -> list[list[Points]]:
    """Return the polygons of a TopoJSON geometry, each a list of rings, wound; empty for other kinds."""
    if geometry["type"] == "Polygon":
        faces = [geometry["arcs"]]
    elif geometry["type"] == "MultiPolygon":
        faces = geometry["arcs"]
    else:
        return []
    rings = ([ring_of(ring, arcs) for ring in face] for face in faces)
    return [wound([ring for ring in face if len(ring) >= 4]) for face in rings if len(face[0]) >= 4]


def features_of(topology: Mapping[str, Any], name: str) -> list[Feature]:
    """Return the features of one object of a topology, with their properties and `id`."""
    arcs = decoded_arcs(topology)
    features = []
    for geometry in topology["objects"][name]["geometries"]:
        properties = dict(geometry.get("properties") or {})
        if "id" in geometry:
            properties.setdefault("id", geometry["id"])
        if geometry["type"] == "Point":
            scale, shift = np.asarray(topology["transform"]["scale"]), topology["transform"]["translate"]
            place = (np.asarray(geometry["coordinates"]) * scale + np.asarray(shift)).round(6).tolist()
            shape: dict[str, Any] = {"type": "Point", "coordinates": place}
        else:
            shape = multipolygon(polygons_of(geometry, arcs))
        features.append({"type": "Feature", "properties": properties, "geometry": shape})
    return features


def multipolygon(polygons: Iterable[Sequence[Points]], digits: int = 4) -> dict[str, Any]:
    """Return polygons as a GeoJSON MultiPolygon, rounded."""
    faces = [[np.round(ring, digits).tolist() for ring in polygon] for polygon in polygons]
    return {"type": "MultiPolygon", "coordinates": faces}


def lines_of(topology: Mapping[str, Any], name: str, state: str) -> dict[str, list[Any]]:
    """Return the arcs of one object sorted into lines, each drawn once.

    Parameters:
        topology: with shared arcs.
        name: of the object.
        state: the property that tells states apart.

    Returns:
        "coast" (one feature only), "border" (between two states), "inner" (within a state): lists of lines.
    """
    arcs = decoded_arcs(topology)
    sides: dict[int, list[str]] = {}
    for geometry in topology["objects"][name]["geometries"]:
        properties = geometry.get("properties") or {}
        # What belongs to no state in particular is a land of its own.
        owner = str(properties.get(state) or properties.get("key") or geometry.get("id"))
        for number in _flat(geometry.get("arcs", ())):
            sides.setdefault(number if number >= 0 else ~number, []).append(owner)
    lines: dict[str, list[Any]] = {kind: [] for kind in KINDS}
    for number, owners in sides.items():
        kind = "coast" if len(owners) == 1 else "border" if len(set(owners)) > 1 else "inner"
        line = arcs[number].copy()
        line[:, 0] = np.unwrap(line[:, 0], period=360.0)
        lines[kind].append(np.round(line, 4).tolist())
    return lines


def _flat(arcs: Any) -> Iterable[int]:
    for item in arcs:
        if isinstance(item, int):
            yield item
        else:
            yield from _flat(item)
