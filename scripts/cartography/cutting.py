"""Countries cut along hand-drawn lines into named pieces, and the whole coverage simplified at once.

Every country outline and every line is noded together and the faces between them are polygonized, so
neighbours share their vertices exactly: there is no gap and no overlap to begin with, and simplifying all
pieces together leaves none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import MultiPolygon, Point, Polygon, box, shape
from shapely.ops import polygonize

Row = Mapping[str, str]
Piece = tuple[str, str]  # country, name of the piece

# Europe, where lines are finest (west, south, east, north), and how much a degree counts outside it.
FOCUS = (-11.0, 34.5, 45.0, 70.0)
COARSE = 0.08
# Islands below these areas (square degrees) are left out, unless they are all there is.
SMALL, SMALL_IN_FOCUS = 0.1, 0.004
# A face without a seed goes to a neighbour; above this area (square degrees) that deserves a word.
NOTEWORTHY = 0.02


class Cutter:
    """Cuts countries; `notes` tells what was strange and `faults` what must not be.

    Parameters:
        countries: outlines by code.
        lines: GeoJSON features; `cuts` names the countries that a line may cut.
        pieces: rows of pieces.csv.
    """

    def __init__(
        self, countries: Mapping[str, Any], lines: Sequence[Mapping[str, Any]], pieces: Sequence[Row]
    ) -> None:
        self.countries = countries
        self.lines = lines
        self.pieces = pieces
        self.notes: list[str] = []
        self.faults: list[str] = []
        self.faces: list[Any] = list(polygonize(shapely.union_all(self._edges())))
        self.inner: list[Any] = [face.representative_point() for face in self.faces]

    def cut(self) -> dict[Piece, Any]:
        """Return every piece's geometry; a country without rows is one piece called `all`."""
        wanted: dict[str, list[Row]] = {}
        for row in self.pieces:
            wanted.setdefault(row["country"], []).append(row)
        result: dict[Piece, list[Any]] = {}
        for country, faces in self._faces_by_country().items():
            names = self._named(country, faces, wanted[country]) if country in wanted else {}
            for face in faces:
                result.setdefault((country, names.get(face, "all")), []).append(self.faces[face])
            for row in wanted.get(country, ()):
                if (country, row["piece"]) not in result:
                    self.faults.append(f"{country}.{row['piece']}: the piece is empty")
        return {piece: shapely.union_all(parts) for piece, parts in result.items()}

    def _edges(self) -> list[Any]:
        edges = [outline.boundary for outline in self.countries.values()]
        for line in self.lines:
            codes = line["properties"]["cuts"]
            if codes:
                # A line that overshoots its countries must not cut their neighbours.
                near = shapely.union_all([self.countries[code] for code in codes]).buffer(0.002)
                edges.append(shape(line["geometry"]).intersection(near))
        return edges

    def _faces_by_country(self) -> dict[str, list[int]]:
        owners = [code for code, outline in self.countries.items() for _ in polygons(outline)]
        tree = shapely.STRtree([part for outline in self.countries.values() for part in polygons(outline)])
        found: dict[int, str] = {}
        for face, part in zip(*tree.query(self.inner, predicate="within"), strict=True):
            found[int(face)] = owners[part]
        faces: dict[str, list[int]] = {code: [] for code in self.countries}
        for face in sorted(found):
            faces[found[face]].append(face)
        return faces

    def _named(self, country: str, faces: list[int], rows: Sequence[Row]) -> dict[int, str]:
        """Return the piece of each face: by ring, by seed, then from neighbours, then from the nearest."""
        names = self._ringed(country, faces, rows)
        for row in rows:
            for seed in filter(None, row["seeds"].split(";")):
                point = Point(*map(float, seed.split()))
                hit = next((face for face in faces if self.faces[face].contains(point)), None)
                where = f"{country}.{row['piece']}: seed {seed}"
                if hit is None:
                    self.faults.append(f"{where} lies in no face")
                elif names.get(hit, row["piece"]) != row["piece"]:
                    self.faults.append(f"{where} shares a face with {names[hit]}: a line is too short")
                else:
                    names[hit] = row["piece"]
        self._spread(country, faces, names)
        seeded = list(names)
        for face in faces:  # islands
            if face not in names:
                nearest = min(seeded, key=lambda other: self.faces[other].distance(self.faces[face]))
                names[face] = names[nearest]
        return names

    def _ringed(self, country: str, faces: list[int], rows: Sequence[Row]) -> dict[int, str]:
        rings = {
            line["properties"]["id"]: Polygon(line["geometry"]["coordinates"])
            for line in self.lines
            if line["geometry"]["coordinates"][0] == line["geometry"]["coordinates"][-1]
        }
        names = {}
        for row in rows:
            if not row["ring"]:
                continue
            hits = [face for face in faces if rings[row["ring"]].contains(self.inner[face])]
            names.update(dict.fromkeys(hits, row["piece"]))
            if not hits:
                self.faults.append(f"{country}.{row['piece']}: no face lies in the ring {row['ring']}")
        return names

    def _spread(self, country: str, faces: list[int], names: dict[int, str]) -> None:
        """Give unnamed faces to the piece with which they share the longest edge, until none can be given."""
        todo = [face for face in faces if face not in names]
        while todo:
            keys = list(names)
            tree = shapely.STRtree([self.faces[key] for key in keys])
            found: dict[int, str] = {}
            for face in todo:
                shared: dict[str, float] = {}
                for hit in tree.query(self.faces[face], predicate="intersects"):
                    other = keys[hit]
                    edge = self.faces[face].boundary.intersection(self.faces[other].boundary).length
                    if edge > 1e-7:
                        shared[names[other]] = shared.get(names[other], 0.0) + edge
                if shared:
                    found[face] = max(shared, key=lambda name: shared[name])
                    if self.faces[face].area > NOTEWORTHY:
                        at = self.inner[face]
                        self.notes.append(
                            f"{country}: a face without a seed at {at.x:.2f} {at.y:.2f} goes to {found[face]}"
                        )
            if not found:
                return
            names.update(found)
            todo = [face for face in todo if face not in found]


def polygons(geometry: Any) -> list[Any]:
    """Return the polygons of a geometry of any kind."""
    if geometry.is_empty:
        return []
    if geometry.geom_type == "Polygon":
        return [geometry]
    return [part for each in getattr(geometry, "geoms", ()) for part in polygons(each)]


def thinned(pieces: Mapping[Piece, Any], tolerance: float) -> dict[Piece, Any]:
    """Return the pieces simplified together, small islands left out.

    Parameters:
        pieces: a coverage without gaps or overlaps.
        tolerance: in degrees within Europe, the square root of the area that a vertex may span (Visvalingam &
            Whyatt 1993); outside, `1 / COARSE` times as much.
    """
    kept = without_islets(pieces)
    flat = shapely.transform(np.array(list(kept.values()), dtype=object), _warped)
    simple = shapely.transform(shapely.coverage_simplify(flat, tolerance), _unwarped)
    return dict(zip(kept, simple, strict=True))


def without_islets(pieces: Mapping[Piece, Any]) -> dict[Piece, Any]:
    """Return the pieces without small islands; a polygon that touches another is no island."""
    parts = [part for geometry in pieces.values() for part in polygons(geometry)]
    first, second = shapely.STRtree(parts).query(parts, predicate="intersects")
    touching = {int(a) for a, b in zip(first, second, strict=True) if a != b}
    europe, result, place = box(*FOCUS), {}, -1
    for piece, geometry in pieces.items():
        own = polygons(geometry)
        largest = max(part.area for part in own)
        kept = []
        for part in own:
            place += 1
            least = SMALL_IN_FOCUS if europe.contains(part.centroid) else SMALL
            if place in touching or part.area >= least or part.area == largest:
                kept.append(part)
        result[piece] = MultiPolygon(kept)
    return result


def _warped(points: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.column_stack(
        [_axis(points[:, 0], FOCUS[0], FOCUS[2], COARSE), _axis(points[:, 1], FOCUS[1], FOCUS[3], COARSE)]
    )


def _unwarped(points: NDArray[np.float64]) -> NDArray[np.float64]:
    x = _axis(points[:, 0], FOCUS[0], FOCUS[2], 1 / COARSE)
    y = _axis(points[:, 1], FOCUS[1], FOCUS[3], 1 / COARSE)
    return np.asarray(np.round(np.column_stack([x, y]), 7), dtype=np.float64)


def _axis(value: NDArray[np.float64], low: float, high: float, factor: float) -> NDArray[np.float64]:
    outside = np.where(value < low, low + (value - low) * factor, high + (value - high) * factor)
    result: NDArray[np.float64] = np.where((value >= low) & (value <= high), value, outside)
    return result
