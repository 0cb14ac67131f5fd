"""Hazards by cause through time: what moved a transition, and when, stacked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import altair as alt
import numpy as np
import pandas as pd

from tocsin.charts.parts import OF_CAUSES, OF_LAYERS, WIDE, colour, finished, inline
from tocsin.ensemble.survival import nelson_aalen
from tocsin.errors import ModelError, TocsinError, suggestion
from tocsin.history.describe import short_labels
from tocsin.model.declaration import Baseline
from tocsin.model.followed_state import wave_in
from tocsin.wording.numbers import counted, listed, noun

if TYPE_CHECKING:
    from tocsin.fit.parameterised import Parameterised
    from tocsin.history.history import History
    from tocsin.model.declaration import Transition

SPAN = 30  # days over which events are counted on the axis

LEAST = 0.005  # of the whole: causes that expect less are left out of the picture, and said to be


def hazards_by_cause(
    given: Parameterised,
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

    Example:
        >>> import tocsin as tc
        >>> history = tc.load_history("1917")
        >>> fit = tc.Model.from_toml(history.model_path).fit(history)
        >>> type(tc.charts.hazards_by_cause(fit, history, "regime: old > soviet")).__name__
        'LayerChart'
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
    named = {cause: history.called(cause) for cause in shown}
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


def _transition(given: Parameterised, name: str | None) -> Transition:
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


# --- Whether a model may be believed: residuals against the line that they should follow, and
#     reliability

COLUMNS = ("lower", "upper", "expected", "observed", "count", "low", "high")


def residual_curve(
    given: Parameterised,
    history: History,
    transition: str | None = None,
    width: int = WIDE,
    titled: bool = True,
) -> alt.LayerChart:
    """Return the cumulative hazard of the residuals, which follows the diagonal where the model is right.

    Residuals are the integrated hazards between events (Cox & Snell 1968): unit exponential at the true
    parameters, the last of each unit censored. The curve is that of Nelson and Aalen with its 95% interval;
    below the line events came later than the model says, above it sooner.

    Parameters:
        given: a fit, or a model with parameters.
        history: what happened.
        transition: its name; by default all together.
        width: in pixels.
        titled: whether the chart carries its own title and source.

    Raises:
        TocsinError: no such transition, or no event of it.

    Example:
        >>> import tocsin as tc
        >>> history = tc.load_history("1917")
        >>> fit = tc.Model.from_toml(history.model_path).fit(history)
        >>> type(tc.charts.residual_curve(fit, history)).__name__
        'LayerChart'
    """
    table = given.residuals(history)
    if transition is not None:
        names = list(dict.fromkeys(table["transition"]))
        if transition not in names:
            raise ModelError(f"the model has no transition {transition!r}" + suggestion(transition, names))
        table = table[table["transition"] == transition]
    spells = pd.DataFrame({"duration": table["integral"], "censored": ~table["observed"].astype(bool)})
    curve = nelson_aalen(spells)
    if not len(curve):
        raise TocsinError(
            f"no event of {transition or 'the model'!r} was observed, so there are no residuals"
        )
    most = float(max(curve["time"].max(), curve["hazard"].max()))
    x = alt.X(
        "time:Q",
        scale=alt.Scale(type="sqrt", domain=[0, most], nice=False),
        axis=alt.Axis(title="integrated hazard since the last event", grid=False, labelOverlap=True),
    )
    # Roots give the many short ones room and keep the line straight; an interval may leave the picture.
    scale = alt.Scale(type="sqrt", domain=[0, most], nice=False, clamp=True)
    y = alt.Axis(title="cumulative hazard of it", labelOverlap=True)
    base = alt.Chart(inline(curve)).encode(x=x)
    limit: dict[str, Any] = {"color": colour("ink"), "strokeWidth": 0.9, "strokeDash": [2, 3]}
    ends: list[dict[str, float]] = [{"time": 0.0, "model": 0.0}, {"time": most, "model": most}]
    line = alt.Chart(alt.InlineData(values=ends))
    layers = [
        line.mark_line(color=colour("wave"), strokeWidth=1.5).encode(
            x=x, y=alt.Y("model:Q", axis=y, scale=scale)
        ),
        *[
            base.mark_line(interpolate="step-after", clip=True, **limit).encode(
                y=alt.Y(f"{bound}:Q", scale=scale)
            )
            for bound in ("lower", "upper")
        ],
        base.mark_line(color=colour("ink"), strokeWidth=2, interpolate="step-after").encode(
            y=alt.Y("hazard:Q", scale=scale)
        ),
    ]
    within = float(((curve["lower"] <= curve["time"]) & (curve["time"] <= curve["upper"])).mean())
    about = transition or "all transitions together"
    finding = (
        f"Residuals of {about}: the model's line lies in the 95% interval at {100 * within:.0f} of 100 events"
    )
    censored = int(spells["censored"].sum())
    return finished(
        alt.layer(*layers),
        history.citation or history.title or history.name,
        finding,
        "Ink: the record, dashed its 95% limits; straight line: where it lies if the model is right. Above: "
        "sooner than the model says, below: later.",
        f"{finding}. {counted(len(spells) - censored, 'spell')} ended by an event, "
        f"{censored} still open when last seen.",
        width,
        280 if width > 500 else 240,
        titled,
    )


def reliability_curve(
    table: pd.DataFrame, source: str = "", width: int = WIDE, titled: bool = True
) -> alt.LayerChart:
    """Return how often came what was forecast: observed shares against forecast probabilities.

    Parameters:
        table: one row a bin of forecasts: lower, upper (of the bin), expected (mean forecast), observed (share
            that came), count, low, high (95% interval of the share); all but count between 0 and 1.
        source: where the forecasts come from.
        width: in pixels.
        titled: whether the chart carries its own title and source.

    Raises:
        TocsinError: a column is missing, nothing was forecast, or a share is not between 0 and 1.

    Example:
        >>> import tocsin as tc
        >>> history = tc.load_history("1917")
        >>> fit = tc.Model.from_toml(history.model_path).fit(history)
        >>> table = tc.calibration(fit, history, worlds=2, seed=1, of="causes")
        >>> type(tc.charts.reliability_curve(table)).__name__
        'LayerChart'
    """
    lost = [name for name in COLUMNS if name not in table]
    if lost:
        raise TocsinError(
            f"the table of a reliability curve lacks the column {lost[0]!r}" + _near(lost[0], table)
        )
    rows = table[table["count"] > 0].reset_index(drop=True)
    shares = rows[["lower", "upper", "expected", "observed", "low", "high"]].to_numpy(dtype=float)
    if not len(rows):
        raise TocsinError("nothing was forecast, so there is no reliability to show")
    if not ((shares >= 0) & (shares <= 1)).all():
        raise TocsinError("forecasts and shares lie between 0 and 1")
    frame = 100 * rows[["lower", "upper", "expected", "observed", "low", "high"]].astype(float)
    frame["count"] = rows["count"].astype(int)
    hundred = alt.Scale(domain=[0, 100], nice=False)
    ticks = [0, 25, 50, 75, 100]
    x = alt.X("expected:Q", scale=hundred, axis=alt.Axis(title="forecast, of 100", values=ticks, grid=False))
    came_axis = alt.Axis(title="came, of 100", values=ticks)
    y = alt.Y("observed:Q", scale=hundred, axis=came_axis)
    base = alt.Chart(inline(frame)).encode(x=x)
    line = alt.Chart(alt.InlineData(values=[{"at": 0}, {"at": 100}]))
    span = base.mark_rule(color=colour("quiet"), strokeWidth=0.7).encode(
        x=alt.X("lower:Q", scale=hundred), x2=alt.X2("upper:Q"), y=y
    )
    layers = [
        line.mark_line(color=colour("wave"), strokeWidth=1.5).encode(
            x=alt.X("at:Q", scale=hundred), y=alt.Y("at:Q", scale=hundred)
        ),
        span,
        base.mark_rule(color=colour("ink")).encode(
            y=alt.Y("low:Q", scale=hundred, axis=came_axis), y2=alt.Y2("high:Q")
        ),
        base.mark_circle(color=colour("ink"), opacity=1).encode(
            y=y,
            size=alt.Size(
                "count:Q",
                scale=alt.Scale(type="sqrt", range=[20, 260]),
                legend=alt.Legend(
                    title="forecasts",
                    orient="bottom",
                    symbolFillColor=colour("ink"),
                    symbolType="circle",
                    tickCount=3,
                ),
            ),
        ),
    ]
    holds = int(((rows["low"] <= rows["expected"]) & (rows["expected"] <= rows["high"])).sum())
    total, came = int(rows["count"].sum()), float(np.average(rows["observed"], weights=rows["count"]))
    said = float(np.average(rows["expected"], weights=rows["count"]))
    finding = (
        f"{holds} of {counted(len(rows), 'group')} of forecasts came as often as was said, within 95% intervals; "
        f"in all {100 * came:.1f} of 100 came where {100 * said:.1f} were forecast"
    )
    listing = "; ".join(
        f"{e:.0f} forecast, {o:.0f} came ({low:.0f} to {high:.0f}; {n:,} forecasts)"
        for e, o, low, high, n in frame[["expected", "observed", "low", "high", "count"]].to_numpy()
    )
    return finished(
        alt.layer(*layers),
        source or f"{total:,} forecasts",
        finding,
        "Dot: share that came, the larger the more forecasts; upright: its 95% interval; level: the forecasts of "
        "the group; straight line: as was said.",
        f"{finding}. Of 100: {listing}.",
        width if width <= 500 else min(width, 460),
        300 if width > 500 else 260,
        titled,
    )


def _near(name: str, table: pd.DataFrame) -> str:
    return suggestion(name, [str(each) for each in table])
