"""Arcs of influence: who sparked whom, as great circles on the map, the wider the likelier."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import altair as alt
import numpy as np
import pandas as pd

from tocsin.charts.parts import Shared, colour
from tocsin.charts.svg import UNSEEN
from tocsin.errors import TocsinError, suggestion
from tocsin.maps.projection import Box
from tocsin.maps.sheet import AT, WIDE, Sheet, placed
from tocsin.wording.numbers import counted, hundred, listed

if TYPE_CHECKING:
    from tocsin.history.history import History

STRONGEST = 20  # arcs that are drawn unless more are asked for

WIDTHS = (0.7, 4.5)  # pixels of an arc with probability 0 and 1

HEAD = 6.0  # length of an arrow's head in pixels


@dataclass(frozen=True)
class Arc:
    """A source, a unit that it moved, and the event in which it had most part."""

    source: str
    unit: str
    share: float
    time: float
    into: str
    layers: str
    events: int


def arc_map(
    attribution: Any,
    history: History,
    *,
    variable: str | None = None,
    state: str | None = None,
    date: Any = None,
    most: int = STRONGEST,
    view: str | Box | None = None,
    width: int = WIDE,
    titled: bool = True,
) -> alt.LayerChart:
    """Return a map of who sparked whom: the strongest arcs from a source to a unit that it moved.

    An arc joins a source with a unit; its probability is the source's share, over all layers, of the hazard
    of that one of the unit's events in which it had most part. Arcs are drawn in the
    order of time. A share of the hazard at the instant of an event is no but-for probability.

    Parameters:
        attribution: of a fit, with its table `sources`.
        history: where units lie.
        variable, state: only events of this variable, or into this state; all by default.
        date: only events up to this day, and the borders of it; by default all, and the borders of the last.
        most: how many arcs at most.
        view, width, titled: as for a map.

    Raises:
        TocsinError: an unknown variable or state, or nothing to draw.

    Example:
        >>> import tocsin as tc
        >>> history = tc.load_history("1917")
        >>> fit = tc.Model.from_toml(history.model_path).fit(history)
        >>> shares = fit.attribute(history)
        >>> type(tc.maps.arc_map(shares, history, state="soviet")).__name__
        'LayerChart'
    """
    table = chosen_arcs(attribution, history, variable, state, date)
    when = history.to_date(float(table["time"].max())) if date is None and len(table) else date
    sheet = Sheet(history, when if history.dated else None, view, width)
    places = _places(history)
    seen = {u for u, p in places.items() if sheet.projection.inside(sheet.projection.pixels([p]))[0]}
    usable = table[table["source"].isin(seen) & table["unit"].isin(seen)].head(most)
    drawn = usable.sort_values(["time", "source", "unit"], kind="stable").reset_index(drop=True)
    if not len(drawn):
        raise TocsinError("no arc can be drawn: no event within this view has a source within it")
    sheet.tell({unit: {"name": label} for unit, label in sheet.labels.items()})
    layers = [*sheet.ground(), *sheet.hairlines(), *_drawn(sheet, drawn, places)]
    order = dict.fromkeys([*drawn["source"], *drawn["unit"]])
    spots = {unit: places[unit] for unit in order}
    layers += sheet.words(sheet.place({unit: sheet.labels[unit] for unit in order}, 10, spots), 10)
    top = drawn.iloc[int(drawn["share"].to_numpy().argmax())]
    lead = drawn.groupby("source")["share"].sum().idxmax()
    finding = (
        f"{sheet.labels[str(lead)]} set off most; strongest arc {sheet.labels[str(top['source'])]} to "
        f"{sheet.labels[str(top['unit'])]}, {sheet.moment(_day(history, top['time']))}, "
        f"with {hundred(top['share'])} of 100 parts of its hazard"
    )
    rest = len(table) - len(drawn)
    notes = [
        "Arcs run from source to unit, the wider the likelier: share of the hazard at the instant of the event, "
        "no but-for probability.",
        f"The {counted(len(drawn), 'strongest arc')} in this view; {rest:,} weaker ones or outside it."
        if rest
        else "",
    ]
    lines = [
        f"{number}. {sheet.moment(_day(history, arc.time))}: {sheet.labels[arc.source]} to "
        f"{sheet.labels[arc.unit]}, {arc.into}, {arc.share:.2f}"
        for number, arc in enumerate(_listed(drawn), 1)
    ]
    description = f"Map of {sheet.where} with arcs of influence. {finding}. {'; '.join(lines)}."
    record = history.citation or history.title or history.name
    return sheet.finished(layers, finding, [note for note in notes if note], record, description, titled)


def chosen_arcs(
    attribution: Any, history: History, variable: str | None, state: str | None, date: Any
) -> pd.DataFrame:
    """Return the arcs, the strongest first: source, unit, share, time (clock number), into, layers, events.

    Time and the rest are of the event in which the share is largest; `events` counts all those of the unit in
    which the source had part.
    """
    table = attribution.sources
    known = {each.name: each for each in history.variables}
    if variable is not None and variable not in known:
        raise TocsinError(f"there is no state variable {variable!r}" + suggestion(variable, list(known)))
    states = [s for name, each in known.items() if variable in (None, name) for s in each.states]
    if state is not None and state not in states:
        raise TocsinError(f"there is no state {state!r}" + suggestion(state, states))
    keep = np.ones(len(table), dtype=bool)
    if variable is not None:
        keep &= (table["variable"].astype(str) == variable).to_numpy()
    if state is not None:
        keep &= (table["to"].astype(str) == state).to_numpy()
    if date is not None:
        limit = history.finishes(date)
        keep &= table["time"].to_numpy(dtype=float) < limit
    rows = table[keep].copy()
    rows["source"], rows["unit"] = rows["source"].astype(str), rows["unit"].astype(str)
    rows["into"] = rows["variable"].astype(str) + " “" + rows["to"].astype(str) + "”"
    rows["layer"] = rows["layer"].astype(str)
    keys = ["event", "time", "source", "unit", "into"]
    summed = rows.groupby(keys, as_index=False).agg(
        share=("share", "sum"), layers=("layer", lambda names: listed(sorted(set(names))))
    )
    summed = summed.sort_values(["share", "time"], ascending=[False, True], kind="stable")
    pairs = summed.groupby(["source", "unit"], sort=False)
    strongest = summed.loc[pairs.head(1).index].copy()
    strongest["events"] = pairs["event"].transform("size").loc[strongest.index]
    result: pd.DataFrame = strongest.reset_index(drop=True)
    return result


def _drawn(sheet: Sheet, table: pd.DataFrame, places: dict[str, tuple[float, float]]) -> list[Any]:
    """Return the arcs, their heads, and the places between which they run."""
    hue = colour("wave")
    lines, heads = [], []
    for number, arc in enumerate(_listed(table), 1):
        wide = WIDTHS[0] + (WIDTHS[1] - WIDTHS[0]) * min(1.0, float(arc.share))
        about = {
            "wide": round(wide, 2),
            "from": sheet.labels[arc.source],
            "to": f"{sheet.labels[arc.unit]}: {arc.into}",
            "date": sheet.moment(_day(sheet.history, arc.time)),
            "share": f"{arc.share:.2f} (through {arc.layers}; {counted(arc.events, 'event')} in all)",
            "order": number,
        }
        way = great_circle(places[arc.source], places[arc.unit])
        shape = {"type": "LineString", "coordinates": way.round(3).tolist()}
        lines.append({"type": "Feature", "properties": about, "geometry": shape})
        pixels = sheet.projection.pixels(way)
        end, before = pixels[-1], pixels[-4]
        angle = float(np.degrees(np.arctan2(end[0] - before[0], before[1] - end[1])))
        # The head's tip lies on the target's dot: its middle is half a head back along the way.
        back = (end - before) / max(float(np.linalg.norm(end - before)), 1e-9)
        middle = end - back * (HEAD * 0.5 + 2.0)
        size = (HEAD + wide) ** 2 * 0.55
        heads.append(
            {"x": float(middle[0]), "y": float(middle[1]), "angle": round(angle, 1), "size": round(size, 1)}
        )
    data = alt.Chart(Shared(values=lines))
    scale = None
    curve = data.mark_geoshape(filled=False, fill=None, stroke=hue, strokeOpacity=0.6, tooltip=None)
    hover = [
        alt.Tooltip(f"properties.{key}:N", title=title)
        for key, title in {"date": "date", "from": "from", "to": "to", "share": "probability"}.items()
    ]
    layers: list[Any] = [curve.encode(strokeWidth=alt.StrokeWidth("properties.wide:Q", scale=scale))]
    head = placed(heads).mark_point(shape="triangle", filled=True, color=hue, opacity=0.95, tooltip=None)
    layers.append(
        head.encode(
            **AT, angle=alt.Angle("angle:Q", scale=None), size=alt.Size("size:Q", scale=None, legend=None)
        )
    )
    ends = []
    for unit in dict.fromkeys([*table["source"], *table["unit"]]):
        x, y = sheet.projection.pixels([places[unit]])[0].round(1)
        ends.append({"x": float(x), "y": float(y)})
    dot = placed(ends).mark_circle(size=22, color=colour("ink"), opacity=1, tooltip=None)
    layers.append(dot.encode(**AT))
    touch = data.mark_geoshape(filled=False, fill=None, stroke=hue, strokeOpacity=0, strokeWidth=9)
    layers.append(touch.encode(tooltip=hover).properties(name=f"{UNSEEN}_arcs"))
    return layers


def _listed(table: pd.DataFrame) -> list[Arc]:
    names = [each.name for each in fields(Arc)]
    return [Arc(**{str(k): v for k, v in row.items()}) for row in table[names].to_dict("records")]


def great_circle(start: tuple[float, float], end: tuple[float, float], steps: int = 40) -> Any:
    """Return the shortest way between two places as (steps + 1, 2) longitudes and latitudes in degrees."""
    ends = np.radians(np.array([start, end], dtype=float))
    lon, lat = ends[:, 0], ends[:, 1]
    vectors = np.column_stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])
    angle = float(np.arccos(np.clip(vectors[0] @ vectors[1], -1.0, 1.0)))
    if angle < 1e-9:
        return np.tile(np.asarray(start, dtype=float), (steps + 1, 1))
    share = np.linspace(0.0, 1.0, steps + 1)[:, None]
    way = (np.sin((1 - share) * angle) * vectors[0] + np.sin(share * angle) * vectors[1]) / np.sin(angle)
    return np.degrees(
        np.column_stack([np.arctan2(way[:, 1], way[:, 0]), np.arcsin(np.clip(way[:, 2], -1, 1))])
    )


def _places(history: History) -> dict[str, tuple[float, float]]:
    table = history.units
    if "lon" not in table or "lat" not in table:
        raise TocsinError("arcs need to know where units lie: columns lon and lat of units")
    known = table[["unit", "lon", "lat"]].dropna()
    return {str(unit): (float(lon), float(lat)) for unit, lon, lat in known.itertuples(index=False)}


def _day(history: History, number: Any) -> Any:
    return history.to_date(float(number)) if history.dated else float(number)
