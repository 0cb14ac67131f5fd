"""TopoJSON decoded: shared arcs become rings and features, wound as a map on the sphere needs them.

A ring that encloses land runs clockwise, a hole the other way round: d3 and Vega take what lies to the right
of a ring as its inside, and a ring wound wrongly fills the rest of the world. (GeoJSON, RFC 7946, says the
reverse; many files follow neither.)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
