"""Ties by distance on the globe: the nearest, those within reach, and weights that fall with distance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tocsin.errors import TocsinError, check_whole
from tocsin.ties.tie_frame import numbers_of, ties_frame, units_of

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

RADIUS = 6371.0088  # mean radius of the Earth in km (IUGG)


def kilometres(lat: NDArray[np.float64], lon: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return great-circle distances (units, units) in km of points in degrees (haversine formula)."""
    north, east = np.radians(lat), np.radians(lon)
    half = np.sin((north[:, None] - north) / 2) ** 2
    half += np.cos(north)[:, None] * np.cos(north) * np.sin((east[:, None] - east) / 2) ** 2
    return np.asarray(2 * RADIUS * np.arcsin(np.sqrt(np.clip(half, 0.0, 1.0))))


def nearest(units: pd.DataFrame, k: int, layer: str = "nearest") -> pd.DataFrame:
    """Return ties from the k nearest units to each unit: the target looks to them, they need not look to it.

    Parameters:
        units: unit, lat, lon (degrees), one row a unit.
        k: how many; of equally near ones the first by name.
        layer: name of the layer of ties.

    Raises:
        TocsinError: coordinates are missing or out of range, or there are not more than k units.

    >>> tc.ties.nearest(tc.load_history("1917").units, k=4)
    """
    check_whole(1, k=k)
    names, distance = _distances(units)
    if k >= len(names):
        raise TocsinError(f"k={k}: there are {len(names)} units, so each has {len(names) - 1} others")
    order = np.argsort(np.array(names, object), kind="stable")
    np.fill_diagonal(distance, np.inf)
    ranked = order[np.argsort(distance[:, order], axis=1, kind="stable")[:, :k]]
    target = np.repeat(np.arange(len(names)), k)
    said = f"each of the {k} units nearest to the target acts on it"
    return ties_frame(layer, _named(names, ranked.ravel()), _named(names, target), direction=said)


def within(units: pd.DataFrame, km: float, layer: str = "within") -> pd.DataFrame:
    """Return ties both ways between units at most `km` kilometres apart (great circle); see `nearest`.

    Parameters:
        units: unit, lat, lon (degrees), one row a unit.
        km: the largest distance, in km.
        layer: name of the layer of ties.

    >>> tc.ties.within(tc.load_history("1917").units, km=500)
    """
    names, distance = _distances(units)
    _positive("km", km)
    np.fill_diagonal(distance, np.inf)
    source, target = np.nonzero(distance <= km)
    said = f"units at most {km:g} km apart act on each other"
    return ties_frame(layer, _named(names, source), _named(names, target), direction=said)


def inverse_distance(
    units: pd.DataFrame,
    power: float = 1.0,
    *,
    cutoff: float | None = None,
    floor: float | None = None,
    layer: str = "inverse_distance",
) -> pd.DataFrame:
    """Return ties both ways between all units, of weight d^-power, d the great-circle distance in km.

    Parameters:
        units: unit, lat, lon (degrees), one row a unit.
        power: how fast weights fall.
        cutoff: no ties beyond this distance (km).
        floor: distances below it count as it (km); needed where two units stand at one place.
        layer: name of the layer of ties.

    Raises:
        TocsinError: coordinates are missing, or two units stand at one place and no floor is given.

    >>> tc.ties.inverse_distance(tc.load_history("1917").units, power=2, cutoff=3000)
    """
    return _falling(units, None, power, cutoff, floor, layer)


def gravity(
    units: pd.DataFrame,
    mass: str,
    power: float = 2.0,
    *,
    cutoff: float | None = None,
    floor: float | None = None,
    layer: str = "gravity",
) -> pd.DataFrame:
    """Return ties both ways of weight m_source m_target d^-power (gravity, Zipf 1946); see `inverse_distance`.

    Parameters:
        units: unit, lat, lon (degrees) and masses, one row a unit.
        mass: the column of units with their masses (people, product), above zero.
        power, cutoff, floor, layer: as for `inverse_distance`.

    >>> tc.ties.gravity(tc.load_history("1917").units, mass="population_millions")
    """
    return _falling(units, mass, power, cutoff, floor, layer)


def _falling(
    units: pd.DataFrame, mass: str | None, power: float, cutoff: float | None, floor: float | None, layer: str
) -> pd.DataFrame:
    names, distance = _distances(units)
    for argument, value in (("power", power), ("cutoff", cutoff), ("floor", floor)):
        if value is not None:
            _positive(argument, value)
    far = ~np.eye(len(names), dtype=bool) if cutoff is None else distance <= cutoff
    np.fill_diagonal(far, False)
    if floor is not None:
        distance = np.maximum(distance, floor)
    source, target = np.nonzero(far)
    apart = distance[source, target]
    if (apart == 0).any():
        one = int(np.flatnonzero(apart == 0)[0])
        pair = f"{names[source[one]]!r} and {names[target[one]]!r}"
        raise TocsinError(
            f"{pair} stand at one place: a weight would be infinite; say floor= the least distance in km"
        )
    weight = apart**-power
    said = f"units act on each other with weight distance^-{power:g} (km)"
    if mass is not None:
        masses = numbers_of(units, mass, names)
        if (masses <= 0).any():
            raise TocsinError(f"{names[int(np.argmin(masses))]!r} has no {mass!r} above zero")
        weight, said = weight * masses[source] * masses[target], said + f", times {mass} of both"
    return ties_frame(layer, _named(names, source), _named(names, target), weight, direction=said)


def _distances(units: pd.DataFrame) -> tuple[list[str], NDArray[np.float64]]:
    names = units_of(units)
    lat, lon = (numbers_of(units, name, names) for name in ("lat", "lon"))
    for unit, north, east in zip(names, lat, lon, strict=True):
        if abs(north) > 90 or abs(east) > 360:
            raise TocsinError(
                f"{unit!r} stands at lat {north:g}, lon {east:g}: degrees are wanted, lat from -90 to 90"
            )
    return names, kilometres(lat, lon)


def _named(names: list[str], places: NDArray[Any]) -> list[str]:
    return [names[place] for place in places.tolist()]


def _positive(argument: str, value: float) -> None:
    if isinstance(value, bool) or not np.isfinite(value) or value <= 0:
        raise TocsinError(f"{argument}={value!r}: a number above zero is wanted")
