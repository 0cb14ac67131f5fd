"""Hazards by cause through time: what moved a transition, and when, stacked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import altair as alt
import numpy as np
import pandas as pd

from tocsin.errors import ModelError, suggestion
from tocsin.history.clock import noun
from tocsin.model import Baseline
from tocsin.show.names import short_labels
from tocsin.show.parts import WIDE, finished, inline
from tocsin.show.sentences import counted, listed
from tocsin.show.theme import OF_CAUSES, OF_LAYERS, colour
from tocsin.show.wave import wave_in

if TYPE_CHECKING:
    from tocsin.history import History
    from tocsin.infer.given import Given
    from tocsin.model import Transition

SPAN = 30  # days over which events are counted on the axis
LEAST = 0.005  # of the whole: causes that expect less are left out of the picture, and said to be


def hazards_by_cause(
    given: Given,
    history: History,
    transition: str | None = None,
    unit: str | None = None,
    times: Iterable[Any] | None = None,
    width: int = WIDE,
    titled: bool = True,
) -> alt.LayerChart:
    """Return the hazard of a transition through time, its causes stacked; ticks are what happened.

    The height is the number of events that the model expects in 30 days (in one unit of another clock) given
    what had happened until then, of one unit or summed over all units at risk.

    Parameters:
        given: a fit, or a model with parameters.
        history: what happened.
        transition: its name; by default the model's first.
        unit: one unit; by default the sum over all.
        times: dates or numbers that bound the intervals (see `Given.hazards_by_cause`).
        width, titled: as for other charts.

    Raises:
        TocsinError: no such transition or unit, or times out of order.
    """
    chosen = _transition(given, transition)
    table = given.hazards_by_cause(history, chosen.name, unit, times)
    dated = history.dated
    per = SPAN if history.clock == "day" else 1
    table["height"] = table["hazard"] * per
    total = table.groupby("cause", sort=False)["expected"].sum().sort_values(ascending=False, kind="stable")
    whole = float(total.sum())
    shown = [cause for cause in total.index if total[cause] >= LEAST * whole] or list(total.index[:1])
    hues = _hues(chosen, shown)
    named = {cause: "home" if cause == "baseline" else cause.replace("_", " ") for cause in shown}
    x, kind = ("date", "T") if dated else ("start", "Q")
    steps = _closed(table[table["cause"].isin(shown)], history)
    order = {cause: number for number, cause in enumerate(shown)}
    steps["order"] = steps["cause"].map(order)
    steps["cause"] = steps["cause"].map(named)
    axis = alt.Axis(
        title=None if dated else "time", grid=False, labelOverlap=True, tickCount=7 if width > 500 else 4
    )
    scale = alt.Scale(type="utc") if dated else alt.Scale(nice=False)
    span = f"{per} {noun(history.clock, True)}" if per != 1 else f"a {noun(history.clock)}"
    key = alt.Legend(
        title=None, orient="bottom", columns=4 if width > 500 else 2, symbolSize=120, labelLimit=150
    )
    areas = (
        alt.Chart(inline(steps))
        .mark_area(interpolate="step-after", stroke=colour("paper"), strokeWidth=0.6)
        .encode(
            x=alt.X(f"{x}:{kind}", axis=axis, scale=scale),
            y=alt.Y("height:Q", stack=True, axis=alt.Axis(title=f"events expected in {span}")),
            color=alt.Color(
                "cause:N",
                scale=alt.Scale(domain=list(named.values()), range=[hues[cause] for cause in shown]),
                legend=key,
            ),
            order=alt.Order("order:Q"),
        )
    )
    happened = _happened(history, chosen, unit)
    layers: list[Any] = [areas]
    if len(happened):
        ticks = alt.Chart(inline(happened)).mark_tick(
            color=colour("ink"), thickness=1.2, size=10, orient="vertical", yOffset=-1
        )
        layers.append(ticks.encode(x=alt.X(f"{x}:{kind}", scale=scale), y=alt.value("height")))
    where = f" in {short_labels(history)[unit]}" if unit is not None else ""
    parts = [f"{named[cause]} {100 * total[cause] / whole:.0f}" for cause in shown[:3]] if whole else ["none"]
    what = wave_in(history, chosen.variable, chosen.to).many or f"events {chosen.name}"
    finding = f"Of 100 {what} that the model expects{where}, by cause: {listed(parts)}"
    left = len(total) - len(shown)
    rest = f" Left out: {counted(left, 'cause')} with less than {LEAST:.1%} each." if left else ""
    every = "; ".join(f"{cause} {100 * value / whole:.1f}" for cause, value in total.items()) if whole else ""
    events = counted(len(happened), "event")
    return finished(
        alt.layer(*layers),
        history.citation or history.title or history.name,
        finding,
        f"Height: events expected given what had happened; ticks: the {events} that came.{rest}",
        f"Hazard of {chosen.name} by cause through time. {finding}. Of 100 expected events, by cause: {every}.",
        width,
        260 if width > 500 else 220,
        titled,
    )


def _transition(given: Given, name: str | None) -> Transition:
    known = {each.name: each for each in given.model.transitions}
    if name is None:
        return given.model.transitions[0]
    if name not in known:
        raise ModelError(f"the model has no transition {name!r}" + suggestion(name, list(known)))
    return known[name]


def _hues(transition: Transition, shown: list[str]) -> dict[str, str]:
    """Return a colour for each cause: that of home, of its layer, or the next that is free."""
    found: dict[str, str] = {}
    for cause in transition.causes:
        if isinstance(cause, Baseline):
            found[cause.name] = "home"
        elif OF_LAYERS.get(cause.layer, "home") not in [*found.values(), "home"] and cause.name in shown:
            found[cause.name] = OF_LAYERS[cause.layer]
    free = [name for name in OF_CAUSES if name not in found.values()]
    for cause_name in shown:
        if cause_name not in found:
            found[cause_name] = free.pop(0) if free else "quiet"
    return {cause: colour(name) for cause, name in found.items()}


def _closed(table: pd.DataFrame, history: History) -> pd.DataFrame:
    """Return the steps of each cause with one more at the end, so that the last interval has its width."""
    last = table.groupby("cause", sort=False).tail(1).copy()
    last["start"] = last["end"]
    if history.dated:
        last["date"] = pd.to_datetime(np.asarray(history.to_date(last["end"].to_numpy())))
    columns = [*(["date"] if history.dated else []), "start", "cause", "height"]
    return pd.concat([table, last], ignore_index=True)[columns]


def _happened(history: History, transition: Transition, unit: str | None) -> pd.DataFrame:
    events = history.events
    mine = (events["variable"].astype(str) == transition.variable) & (
        events["state"].astype(str) == transition.to
    )
    if unit is not None:
        mine &= events["unit"].astype(str) == unit
    times = events.loc[mine, "time"]
    return pd.DataFrame({"date" if history.dated else "start": times.to_numpy()})
