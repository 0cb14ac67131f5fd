"""TopoJSON written: rings are quantised, cut where they part, and every arc is stored once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from shapely.geometry.polygon import orient

from cartography.cutting import polygons

STEP = 0.005  # degrees
ORIGIN = (-180.0, -90.0)
Vertex = tuple[int, int]
Shape = tuple[Mapping[str, Any], Any]  # properties, geometry


class Topology:
    """Collects objects whose rings share arcs; add all polygons before anything is encoded.

    Where two rings meet with different neighbours there is a junction, and there every ring is cut; so a
    border that many features and many dates have in common is one arc.
    """

    def __init__(self) -> None:
        self.shapes: dict[str, list[tuple[Mapping[str, Any], list[list[list[Vertex]]]]]] = {}
        self.lines: dict[str, list[Shape]] = {}
        self.points: dict[str, list[Shape]] = {}
        self._arcs: list[tuple[Vertex, ...]] = []
        self._numbers: dict[tuple[Vertex, ...], int] = {}

    def add_areas(self, name: str, shapes: Iterable[Shape]) -> None:
        """Add an object of polygons, outer rings clockwise as maps on the sphere want them."""
        self.shapes[name] = [
            (properties, [rings for part in polygons(geometry) if (rings := _rings(orient(part, -1.0)))])
            for properties, geometry in shapes
        ]

    def add_lines(self, name: str, shapes: Iterable[Shape]) -> None:
        """Add an object of lines, each a list of positions."""
        self.lines[name] = list(shapes)

    def add_points(self, name: str, shapes: Iterable[Shape]) -> None:
        """Add an object of points, each a position."""
        self.points[name] = list(shapes)

    def encoded(self) -> dict[str, Any]:
        """Return the topology as plain data."""
        junctions = self._junctions()
        objects: dict[str, Any] = {}
        for name, shapes in self.shapes.items():
            objects[name] = _collection(
                {
                    "type": "MultiPolygon",
                    "properties": dict(properties),
                    "arcs": [[self._cut(ring, junctions) for ring in rings] for rings in faces],
                }
                for properties, faces in shapes
            )
        for name, lines in self.lines.items():
            objects[name] = _collection(
                {"type": "LineString", "properties": dict(properties), "arcs": [self._arc(_quantised(line))]}
                for properties, line in lines
            )
        for name, points in self.points.items():
            objects[name] = _collection(
                {"type": "Point", "properties": dict(properties), "coordinates": list(_quantised([point])[0])}
                for properties, point in points
            )
        arcs = []
        for arc in self._arcs:
            vertices = np.array(arc)
            arcs.append(np.vstack([vertices[:1], np.diff(vertices, axis=0)]).tolist())
        transform = {"scale": [STEP, STEP], "translate": list(ORIGIN)}
        return {"type": "Topology", "transform": transform, "objects": objects, "arcs": arcs}

    def _junctions(self) -> set[Vertex]:
        neighbours: dict[Vertex, frozenset[Vertex]] = {}
        found = set()
        for shapes in self.shapes.values():
            for _, faces in shapes:
                for ring in (ring for rings in faces for ring in rings):
                    for place, vertex in enumerate(ring):
                        pair = frozenset((ring[place - 1], ring[(place + 1) % len(ring)]))
                        if neighbours.setdefault(vertex, pair) != pair:
                            found.add(vertex)
        return found

    def _cut(self, ring: list[Vertex], junctions: set[Vertex]) -> list[int]:
        start = next((place for place, vertex in enumerate(ring) if vertex in junctions), None)
        if start is None:  # a ring that meets no other begins where all its copies begin
            start = ring.index(min(ring))
        turned = [*ring[start:], *ring[: start + 1]]
        arcs, begin = [], 0
        for place in range(1, len(turned)):
            if turned[place] in junctions or place == len(turned) - 1:
                arcs.append(self._arc(turned[begin : place + 1]))
                begin = place
        return arcs

    def _arc(self, vertices: Sequence[Vertex]) -> int:
        arc = tuple(vertices)
        if arc in self._numbers:
            return self._numbers[arc]
        if arc[::-1] in self._numbers:
            return ~self._numbers[arc[::-1]]
        self._numbers[arc] = len(self._arcs)
        self._arcs.append(arc)
        return len(self._arcs) - 1


def as_text(topology: Mapping[str, Any]) -> str:
    """Return a topology as JSON with one geometry and one arc a line, so that a change shows as such."""

    def lines(items: Sequence[Any]) -> str:
        return ",\n".join(json.dumps(item, separators=(",", ":"), ensure_ascii=False) for item in items)

    head = json.dumps(topology["transform"], separators=(",", ":"))
    objects = ",\n".join(
        f'{json.dumps(name)}:{{"type":"GeometryCollection","geometries":[\n{lines(each["geometries"])}]}}'
        for name, each in topology["objects"].items()
    )
    arcs = lines(topology["arcs"])
    return f'{{"type":"Topology","transform":{head},\n"objects":{{\n{objects}}},\n"arcs":[\n{arcs}]}}\n'


def _collection(geometries: Iterable[dict[str, Any]]) -> dict[str, Any]:
    return {"type": "GeometryCollection", "geometries": list(geometries)}


def _rings(polygon: Any) -> list[list[Vertex]]:
    outer, *holes = [_quantised(ring.coords)[:-1] for ring in (polygon.exterior, *polygon.interiors)]
    return [outer, *(hole for hole in holes if len(hole) >= 3)] if len(outer) >= 3 else []


def _quantised(positions: Any) -> list[Vertex]:
    """Return positions in whole steps, without repetitions."""
    steps = np.round((np.asarray(positions, dtype=np.float64)[:, :2] - ORIGIN) / STEP).astype(int)
    new = np.ones(len(steps), dtype=bool)
    new[1:] = (steps[1:] != steps[:-1]).any(axis=1)
    return [(int(x), int(y)) for x, y in steps[new]]
