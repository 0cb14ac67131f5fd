"""Areas compared: intersection over union in an equal-area projection, with yardsticks and with a build."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from shapely.geometry import MultiPolygon, Polygon, box, shape

from cartography.cutting import polygons
from tocsin.maps.geometry import features_of

Lands = list[tuple[dict[str, Any], Any]]  # properties, geometry


def lands_of(topology: Mapping[str, Any], name: str) -> Lands:
    """Return one object of a topology as properties and shapely geometries."""
    result = []
    for feature in features_of(topology, name):
        faces = feature["geometry"]["coordinates"]
        result.append((feature["properties"], MultiPolygon([Polygon(f[0], f[1:]) for f in faces])))
    return result


def valid(geometry: Any) -> Any:
    """Return a geometry as valid polygons."""
    return shapely.union_all(polygons(shapely.make_valid(geometry)))


def equal_area(geometry: Any) -> Any:
    """Return a geometry in the cylindrical equal-area projection (Lambert 1772), in degrees."""
    return shapely.transform(
        geometry, lambda p: np.column_stack([p[:, 0], np.degrees(np.sin(np.radians(p[:, 1])))])
    )


def overlap(one: Any, other: Any) -> float:
    """Return the intersection over the union of two areas (0 to 1)."""
    a, b = equal_area(one), equal_area(other)
    union = a.union(b).area
    return float(a.intersection(b).area / union) if union else 0.0


def joined(lands: Iterable[tuple[Mapping[str, Any], Any]], select: str) -> Any:
    """Return the union of the lands that `state=...`, `unit=...` or `key=...` (by commas) picks."""
    wanted = [choice.split("=") for choice in select.split(",")]
    return valid(
        shapely.union_all(
            [valid(land) for about, land in lands if any(about.get(key) == value for key, value in wanted)]
        )
    )


def flaws(topology: Mapping[str, Any], name: str) -> tuple[int, float]:
    """Return how many shapes touch themselves, and the largest overlap of two (square degrees)."""
    lands = [geometry for _, geometry in lands_of(topology, name)]
    broken = sum(not geometry.is_valid for geometry in lands)
    whole = [geometry if geometry.is_valid else valid(geometry) for geometry in lands]
    worst = 0.0
    for a, b in zip(*shapely.STRtree(whole).query(whole, predicate="overlaps"), strict=True):
        if a < b:
            worst = max(worst, float(whole[a].intersection(whole[b]).area))
    return broken, worst


def against_yardsticks(
    topology: Mapping[str, Any], yardsticks: Sequence[Mapping[str, Any]], folders: Sequence[Path]
) -> list[dict[str, Any]]:
    """Return the overlap with every yardstick whose file is there: cut, kind, name, yardstick, iou.

    Parameters:
        topology: the cuts.
        yardsticks: rows that name a cut, what to select from it, a file and what to select from that.
        folders: where the files may lie.
    """
    read: dict[str, list[tuple[dict[str, Any], Any]]] = {}
    cuts: dict[str, Lands] = {}
    rows = []
    for yard in yardsticks:
        files = yard["file"] if isinstance(yard["file"], list) else [yard["file"]]
        for file in files:
            if file not in read:
                read[file] = _yardstick(file, folders)
        reference = [valid(land) for file in files for about, land in read[file] if _matches(about, yard)]
        if not reference:
            continue
        theirs = shapely.union_all(reference)
        name = f"borders_{yard['cut']}"
        cuts.setdefault(name, lands_of(topology, name))
        ours = joined(cuts[name], yard["select"])
        if yard.get("clip"):
            frame = box(*yard["clip"])
            ours, theirs = ours.intersection(frame), theirs.intersection(frame)
        about = {key: yard[key] for key in ("cut", "kind", "name")}
        rows.append({**about, "yardstick": yard["label"], "iou": overlap(ours, theirs)})
    return rows


def _yardstick(file: str, folders: Sequence[Path]) -> list[tuple[dict[str, Any], Any]]:
    path = next((folder / file for folder in folders if (folder / file).is_file()), None)
    if path is None:
        return []
    data = json.loads(path.read_text(encoding="utf-8"))
    if data["type"] == "Topology":
        return lands_of(data, next(iter(data["objects"])))
    features = data.get("features", [data])
    return [(dict(feature.get("properties") or {}), shape(feature["geometry"])) for feature in features]


def _matches(about: Mapping[str, Any], yard: Mapping[str, Any]) -> bool:
    for key, value in yard.get("where", {}).items():
        if about.get(key) != value and not (isinstance(value, list) and about.get(key) in value):
            return False
    return not yard.get("on") or bool(about["start"] <= yard["on"] <= about["end"])
