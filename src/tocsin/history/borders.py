"""Outlines that come with a history: a GeoJSON or TopoJSON file, checked, and matched with the units."""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tocsin.files.reading import TABLE, read_text
from tocsin.history.tables.schema import Report

NAMES = ("key", "id", "name", "label", "NAME", "ADMIN")

CODES = ("iso3", "iso_a3", "ISO_A3", "ADM0_A3")

MOST_FAULTS = 20  # of one file: a file in the wrong units has as many as vertices

DEEPEST = 8  # collections within collections

Unit = tuple[str, str | None, str | None]  # identifier, label, ISO 3166 code


def read_borders(path: Path) -> dict[str, Any]:
    """Return the content of a file of outlines.

    Raises:
        HistoryError: it cannot be read, or is no GeoJSON or TopoJSON of areas in degrees.
    """
    report = Report()
    data = check_borders(path, report)
    report.raise_if_any(path.name)
    return data


def check_borders(path: Path, report: Report) -> dict[str, Any]:
    """Return the content of a file of outlines, or report all that is wrong with it."""
    data = _parsed(path, report)
    if data is None:
        return {}
    faults = list(_first(_topology_faults(data) if data.get("type") == "Topology" else _geojson_faults(data)))
    for where, message, value in faults:
        report.add(path.name, message, column=where, value=value)
    return data


def features_in(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the features of a GeoJSON object: of a collection, one alone, or a bare geometry."""
    if data.get("type") == "FeatureCollection":
        return list(data["features"])
    if data.get("type") == "Feature":
        return [dict(data)]
    return [{"type": "Feature", "properties": {}, "geometry": dict(data)}]


def polygons_in(geometry: Mapping[str, Any] | None) -> Iterator[list[Any]]:
    """Yield the polygons of a GeoJSON geometry; lines and points within a collection are passed over."""
    if geometry is None:
        return
    if geometry["type"] == "Polygon":
        yield geometry["coordinates"]
    elif geometry["type"] == "MultiPolygon":
        yield from geometry["coordinates"]
    elif geometry["type"] == "GeometryCollection":
        for part in geometry["geometries"]:
            yield from polygons_in(part)


def match_units(features: Sequence[Mapping[str, Any]], units: Sequence[Unit]) -> list[str | None]:
    """Return the unit that each feature draws, or None.

    Where any feature has a property `unit`, that alone counts. Otherwise a feature's key, id, name or label
    is compared with the unit's identifier and label (without what stands in brackets), whatever the case and
    the accents; what is left over is matched by its ISO code, if a single unit claims it.

    Parameters:
        features: with `properties`, and perhaps an `id`.
        units: identifier, label and code of each unit.
    """
    about = [dict(feature.get("properties") or {}) for feature in features]
    if any("unit" in each for each in about):
        known = {unit for unit, _, _ in units}
        return [str(each.get("unit")) if str(each.get("unit")) in known else None for each in about]
    names: dict[str, str] = {}
    for unit, _, _ in units:
        names[plain(unit)] = unit
    for unit, label, _ in units:
        if label:
            names.setdefault(plain(label), unit)
            names.setdefault(plain(label.split(" (")[0]), unit)
    found: list[str | None] = []
    for feature, each in zip(features, about, strict=True):
        called = [feature.get("id"), *(each.get(key) for key in NAMES)]
        found.append(next((names[plain(str(c))] for c in called if c and plain(str(c)) in names), None))
    taken = set(found)
    claims: dict[str, list[str]] = {}
    for unit, _, code in units:
        if code and unit not in taken:
            claims.setdefault(code.upper(), []).append(unit)
    for place, (feature, each) in enumerate(zip(features, about, strict=True)):
        codes = [str(c).upper() for c in (feature.get("id"), *(each.get(key) for key in CODES)) if c]
        claim = next((claims[code] for code in codes if len(claims.get(code, ())) == 1), None)
        if found[place] is None and claim is not None:
            found[place] = claim[0]
    return found


def plain(text: str) -> str:
    """Return a name without case, accents and punctuation: 'Württemberg' and 'wurttemberg' are the same."""
    letters = unicodedata.normalize("NFKD", text.casefold())
    kept = "".join(c if c.isalnum() else " " for c in letters if not unicodedata.combining(c))
    return "_".join(kept.split())


def _parsed(path: Path, report: Report) -> dict[str, Any] | None:
    try:
        data = json.loads(read_text(path, TABLE))
    except OSError as error:
        report.add(path.name, f"the file cannot be read: {error.strerror or error}")
    except UnicodeDecodeError:
        report.add(path.name, "the file is no text in UTF-8")
    except json.JSONDecodeError as error:
        report.add(path.name, f"broken JSON: {error.msg}", line=error.lineno)
    except (RecursionError, ValueError) as error:
        report.add(path.name, f"broken JSON: {type(error).__name__}")
    else:
        if isinstance(data, dict):
            return data
        report.add(path.name, "this is no GeoJSON: a FeatureCollection is wanted")
    return None


Fault = tuple[str | None, str, Any]


def _first(faults: Iterable[Fault]) -> Iterator[Fault]:
    for number, fault in enumerate(faults):
        if number == MOST_FAULTS:
            yield None, f"there are more faults than these {MOST_FAULTS}", None
            return
        yield fault


def _geojson_faults(data: Mapping[str, Any]) -> Iterator[Fault]:
    kind = data.get("type")
    crs = json.dumps(data.get("crs") or "")
    if data.get("crs") and "CRS84" not in crs and "4326" not in crs:
        yield "crs", "coordinates must be longitude and latitude in degrees (WGS 84)", crs[:80]
    if kind not in ("FeatureCollection", "Feature", "Polygon", "MultiPolygon", "GeometryCollection"):
        yield "type", "this is no GeoJSON of areas: a FeatureCollection is wanted", kind
        return
    if kind == "FeatureCollection" and not isinstance(data.get("features"), list):
        yield "features", "a FeatureCollection needs a list of features", None
        return
    features = features_in(data)
    if not features:
        yield "features", "there is no feature", None
    for number, feature in enumerate(features, 1):
        where = f"feature {number}"
        if not isinstance(feature, dict) or not isinstance(feature.get("properties") or {}, dict):
            yield where, "a feature has properties and a geometry", None
            continue
        name = next((v for k in NAMES if (v := (feature.get("properties") or {}).get(k))), None)
        where += f" ({str(name)[:40]})" if name else ""
        if feature.get("geometry") is not None:
            yield from _geometry_faults(feature["geometry"], where, 0)


def _geometry_faults(geometry: Any, where: str, depth: int) -> Iterator[Fault]:
    kind = geometry.get("type") if isinstance(geometry, dict) else None
    if kind == "GeometryCollection" and isinstance(geometry.get("geometries"), list) and depth < DEEPEST:
        for part in geometry["geometries"]:
            # Lines that bound nothing come with the outlines of some archives.
            if not (
                isinstance(part, dict) and part.get("type") in ("LineString", "MultiLineString", "Point")
            ):
                yield from _geometry_faults(part, where, depth + 1)
        return
    if kind not in ("Polygon", "MultiPolygon"):
        yield where, "an outline is a Polygon or a MultiPolygon", kind
        return
    faces = geometry.get("coordinates")
    faces = [faces] if kind == "Polygon" else faces
    if not isinstance(faces, list) or not all(isinstance(face, list) and face for face in faces):
        yield where, f"the coordinates of a {kind} are lists of rings", None
        return
    for ring in (ring for face in faces for ring in face):
        fault = _ring_fault(ring)
        if fault:
            yield where, *fault


def _ring_fault(ring: Any) -> tuple[str, Any] | None:
    if not isinstance(ring, list) or len(ring) < 4:
        return "a ring has four positions or more, the last being the first", None
    for position in ring:
        try:
            x, y = float(position[0]), float(position[1])
        except (TypeError, ValueError, IndexError, KeyError):
            return "a position is [longitude, latitude]", str(position)[:40]
        if not (math.isfinite(x) and math.isfinite(y) and abs(x) <= 360 and abs(y) <= 90):
            return (
                "a position is [longitude, latitude] in degrees, not in metres of a projection",
                f"{x:g}, {y:g}",
            )
    if list(ring[0][:2]) != list(ring[-1][:2]):
        return "a ring ends where it began", f"{ring[0][:2]} to {ring[-1][:2]}"
    return None


def _topology_faults(data: Mapping[str, Any]) -> Iterator[Fault]:
    arcs, objects = data.get("arcs"), data.get("objects")
    if not isinstance(arcs, list) or not isinstance(objects, dict) or not objects:
        yield "objects", "a TopoJSON has objects and arcs", None
        return
    for name, item in objects.items():
        if not isinstance(item, dict) or not isinstance(item.get("geometries"), list):
            yield name, "an object of this TopoJSON must be a GeometryCollection", None
            continue
        for geometry in item["geometries"]:
            try:
                used = list(_numbers(geometry.get("arcs", [])))
            except (AttributeError, TypeError, RecursionError):
                yield name, "the arcs of a geometry are lists of whole numbers", None
                break
            if any((n if n >= 0 else ~n) >= len(arcs) for n in used):
                yield name, f"an arc beyond the {len(arcs)} that there are", None
                break


def _numbers(arcs: Any) -> Iterator[int]:
    for item in arcs:
        if isinstance(item, list):
            yield from _numbers(item)
        elif isinstance(item, int):
            yield item
        else:
            raise TypeError
