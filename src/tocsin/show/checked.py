"""Whether a model may be believed: residuals against the line that they should follow, and reliability."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import altair as alt
import numpy as np
import pandas as pd

from tocsin.ensemble.survival import nelson_aalen
from tocsin.errors import ModelError, TocsinError, suggestion
from tocsin.show.parts import WIDE, finished, inline
from tocsin.show.sentences import counted
from tocsin.show.theme import colour

if TYPE_CHECKING:
    from tocsin.history import History
    from tocsin.infer.given import Given

COLUMNS = ("lower", "upper", "expected", "observed", "count", "low", "high")


def residual_curve(
    given: Given,
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
        x=alt.X("lower:Q", scale=hundred), x2="upper:Q", y=y
    )
    layers = [
        line.mark_line(color=colour("wave"), strokeWidth=1.5).encode(
            x=alt.X("at:Q", scale=hundred), y=alt.Y("at:Q", scale=hundred)
        ),
        span,
        base.mark_rule(color=colour("ink")).encode(
            y=alt.Y("low:Q", scale=hundred, axis=came_axis), y2="high:Q"
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
