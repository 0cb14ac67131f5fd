"""Ties between units whose outlines touch (extra `polygons`: Shapely)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tocsin.errors import TocsinError, suggestion
from tocsin.history.borders import features_in, read_borders
from tocsin.ties.tie_frame import ties_frame

if TYPE_CHECKING:
    import pandas as pd

METRES = 1e-5  # degrees, about one metre: outlines drawn apart by less than this touch


def from_polygons(
    outlines: Any, layer: str = "contiguity", *, unit: str, corners: bool = False, gap: float = 0.0
) -> pd.DataFrame:
    """Return ties both ways between units whose outlines share a border.

    Parameters:
        outlines: a GeoJSON file, or its content as a dict, with areas in degrees.
        layer: name of the layer of ties.
        unit: the property that names the unit of a feature; features of one unit are taken together.
        corners: whether units that meet in single points only are neighbours (queen) or not (rook).
        gap: outlines at most this far apart (degrees) touch, for files whose borders were drawn apart.

    Raises:
        TocsinError: Shapely is not installed, the file is no GeoJSON, or a feature has no such property.

    >>> square = lambda x: [[[x, 0], [x + 1, 0], [x + 1, 1], [x, 1], [x, 0]]]
    >>> shape = lambda x: {"type": "Polygon", "coordinates": square(x)}
    >>> area = lambda n, x: {"type": "Feature", "properties": {"name": n}, "geometry": shape(x)}
    >>> world = {"type": "FeatureCollection", "features": [area("a", 0), area("b", 1)]}
    >>> tc.ties.from_polygons(world, unit="name")
    """
    try:
        import shapely
    except ImportError:
        raise TocsinError("ties from polygons need Shapely: pip install 'tocsin[polygons]'") from None
    data = read_borders(Path(outlines)) if isinstance(outlines, str | Path) else outlines
    if not isinstance(data, dict) or data.get("type") == "Topology":
        raise TocsinError("a GeoJSON FeatureCollection is wanted")
    parts: dict[str, list[Any]] = {}
    for number, feature in enumerate(features_in(data), 1):
        about = feature.get("properties") or {}
        if about.get(unit) in (None, ""):
            told = suggestion(unit, map(str, about))
            raise TocsinError(f"feature {number} has no property {unit!r} to name its unit{told}")
        if feature.get("geometry") is not None:
            shape = shapely.make_valid(shapely.geometry.shape(feature["geometry"]))
            parts.setdefault(str(about[unit]), []).append(shape)
    names = list(parts)
    shapes = [shapely.unary_union(each) for each in parts.values()]
    tree = shapely.STRtree(shapes)
    reach = max(gap, METRES)
    pairs = []
    for a, b in zip(*tree.query(shapes, predicate="dwithin", distance=reach), strict=True):
        if a != b and (corners or _along(shapes[a], shapes[b], reach)):
            pairs.append((names[a], names[b]))
    said = "units whose outlines touch act on each other"
    return ties_frame(layer, [a for a, _ in pairs], [b for _, b in pairs], direction=said)


def _along(a: Any, b: Any, reach: float) -> bool:
    """Whether two outlines run along each other, for longer than a point that is widened by the reach."""
    return bool(a.boundary.intersection(b.buffer(reach)).length > 4 * reach)
