"""Who sparked whom as a tree on a time axis: each event hangs on its likeliest parent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import altair as alt
import numpy as np
import pandas as pd

from tocsin.charts.parts import OF_CAUSES, OF_LAYERS, WIDE, clipped, colour, finished, inline
from tocsin.errors import TocsinError
from tocsin.history.describe import short_labels
from tocsin.model.followed_state import wave_in
from tocsin.states import parse_clause
from tocsin.wording.numbers import counted, hundred

if TYPE_CHECKING:
    from tocsin.attribution.attribution import Attribution
    from tocsin.history.history import History

ROW = 15  # pixels

MOST = 80  # events

LETTER = 6.2  # pixels of a letter of a label

YEARS = 800  # days: longer spans have a tick a year


def spark_tree(
    attribution: Attribution,
    history: History,
    state: str,
    width: int = WIDE,
    titled: bool = True,
) -> alt.LayerChart:
    """Return the events into a state as a tree on a time axis: each hangs on its likeliest parent.

    A hollow dot came from home most likely, a filled one from the event that it hangs on. The number beside it
    is the support: of 100 trees drawn from the shares of the hazard at the instant of each event, and from
    the uncertainty of the parameters, in how many it hangs there. No share is a but-for probability.

    Parameters:
        attribution: of a fit or of a model with parameters.
        history: what happened.
        state: which events, as a clause such as "regime=soviet".
        width: in pixels.
        titled: whether the chart carries its own title and source.

    Raises:
        ModelError: the clause names no state of a variable.
        TocsinError: no event into it is attributed.

    Example:
        >>> import tocsin as tc
        >>> history = tc.load_history("1917")
        >>> fit = tc.Model.from_toml(history.model_path).fit(history)
        >>> shares = fit.attribute(history)
        >>> type(tc.charts.spark_tree(shares, history, "regime=soviet")).__name__
        'LayerChart'
    """
    table = _placed(_chosen(attribution, history, state))
    everything = len(table)
    table = table[table["row"] < MOST].sort_values("row", kind="stable")
    labels = short_labels(history)
    table["label"] = [labels.get(unit, unit) for unit in table["unit"]]
    supports = [hundred(value) for value in table["support"]]
    names = [f"{name} {n}" for name, n in zip(clipped(table["label"], width), supports, strict=True)]
    table["name"] = names
    hung = table["parent_row"].notna()
    home = table["kind"] == "home"
    table["cause"] = np.where(home, "baseline", table["cause"].astype(str))
    table["reason"] = [history.called(cause) for cause in table["cause"]]
    layers = _layers(table, hung, history, width)
    finding = _finding(table, history, state)
    note = (
        "Each hangs on its likeliest parent; hollow: from home most likely. The number: in how many of 100 drawn "
        "trees. No share is a but-for probability."
    )
    if everything > len(table):
        note += f" {everything - len(table)} more are left out."
    said = "; ".join(
        f"{row['label']}, {_when(row, history)}, from {labels.get(str(row['parent']), 'home')}, {n} of 100"
        for row, n in zip(table.to_dict("records"), supports, strict=True)
    )
    return finished(
        alt.layer(*layers),
        history.citation or history.title or history.name,
        finding,
        note,
        f"Tree on a time axis. {finding}. {said}.",
        width,
        ROW * len(table) + 6,
        titled,
    )


def _chosen(attribution: Attribution, history: History, state: str) -> pd.DataFrame:
    """Return the events into the states of a clause with their likeliest parents."""
    named = parse_clause(state, {each.name: each for each in history.variables})
    table = attribution.tree().table
    keep = [
        entered in named.get(str(variable), ())
        for variable, entered in zip(table["variable"], table["to"], strict=True)
    ]
    chosen = table[keep].sort_values("time", kind="stable").reset_index(drop=True)
    if not len(chosen):
        raise TocsinError(f"no event into {state!r} is attributed, so there is no tree of them")
    chosen["unit"] = chosen["unit"].astype(str)
    return chosen


def _placed(table: pd.DataFrame) -> pd.DataFrame:
    """Return the events with their rows, each under its parent, those of one parent in the order of time."""
    number = {int(event): place for place, event in enumerate(table["event"])}
    parent = [
        number.get(
            -1 if pd.isna(event) else int(event), -1
        )  # a parent that is not shown is no place to hang on
        for event in table["parent_event"]
    ]
    below: dict[int, list[int]] = {}
    for place, above in enumerate(parent):
        below.setdefault(above, []).append(place)
    order: list[int] = []
    waiting = below.get(-1, [])[::-1]
    while waiting:
        place = waiting.pop()
        order.append(place)
        waiting += below.get(place, [])[::-1]
    rows = np.empty(len(table), dtype=int)
    rows[order] = np.arange(len(order))
    hung = np.array(parent)
    return table.assign(row=rows, parent_row=np.where(hung >= 0, rows[hung], np.nan))


def _layers(table: pd.DataFrame, hung: pd.Series, history: History, width: int) -> list[Any]:
    dated = history.dated
    at, kind = ("date", "T") if dated else ("time", "Q")
    shown = table[[at, f"parent_{at}", "row", "parent_row", "name", "reason", "support"]]
    data = alt.Chart(inline(shown))
    x = alt.X(f"{at}:{kind}", scale=_scale(table, dated, width), axis=_axis(table, history, width))
    y = alt.Y("row:Q", scale=alt.Scale(domain=[-0.7, len(table) - 0.3], reverse=True, nice=False), axis=None)
    beside = alt.X(f"parent_{at}:{kind}")
    causes = list(dict.fromkeys(table.loc[hung, "cause"]))
    reasons = [history.called(cause) for cause in causes]
    hue = alt.Color(
        "reason:N",
        scale=alt.Scale(domain=reasons, range=_hues(causes)),
        legend=alt.Legend(
            title=None,
            orient="bottom",
            columns=5 if width > 500 else 2,
            labelLimit=150,
            symbolType="stroke",
            symbolStrokeWidth=3,
        ),
    )
    hanging = data.transform_filter("datum.parent_row !== null")
    thick = alt.StrokeWidth(
        "support:Q", scale=alt.Scale(type="linear", domain=[0, 1], range=[0.4, 3.5]), legend=None
    )
    return [
        hanging.mark_rule(color=colour("quiet"), strokeWidth=0.7).encode(
            x=beside, y=y, y2=alt.Y2("parent_row:Q")
        ),
        hanging.mark_rule().encode(x=beside, x2=f"{at}:{kind}", y=y, color=hue, strokeWidth=thick),
        data.mark_circle(size=38, opacity=1, stroke=colour("ink"), strokeWidth=1.1).encode(
            x=x,
            y=y,
            color=alt.condition(
                "datum.reason == 'home'", alt.value(colour("paper")), alt.value(colour("ink"))
            ),
        ),
        data.mark_text(align="left", dx=6, fontSize=11, color=colour("ink")).encode(
            x=x, y=y, text=alt.Text("name:N")
        ),
    ]


def _hues(causes: list[str]) -> list[str]:
    free = [hue for hue in OF_CAUSES if hue not in [OF_LAYERS.get(cause) for cause in causes]]
    return [colour(OF_LAYERS.get(cause) or (free.pop(0) if free else "quiet")) for cause in causes]


def _scale(table: pd.DataFrame, dated: bool, width: int) -> alt.Scale:
    """Return the scale of time, with room for the label of the last event."""
    first, last = float(table["time"].min()), float(table["time"].max())
    room = LETTER * max(len(name) for name in table["name"]) + 10
    span = max(last - first, 1.0)
    # What each label needs, from where its dot is; the widest need counts.
    inner = width - 60 - 10
    need = max(
        (time - first) / max(inner - LETTER * len(name) - 10, 40)
        for time, name in zip(table["time"].astype(float), table["name"], strict=True)
    )
    end = first + max(need * inner, span * (1 + 1 / max(inner - room, 40)))
    low, high = first - 0.01 * span, end
    if not dated:
        return alt.Scale(domain=[low, high], nice=False)
    origin = pd.Timestamp(table["date"].iloc[0]) - pd.Timedelta(days=float(table["time"].iloc[0]))
    ends = [(origin + pd.Timedelta(days=each)).strftime("%Y-%m-%d") for each in (low, high)]
    return alt.Scale(type="utc", domain=ends)


def _axis(table: pd.DataFrame, history: History, width: int) -> alt.Axis:
    """Return the axis of time, without ticks in the room for labels."""
    options: dict[str, Any] = {
        "grid": False,
        "labelOverlap": True,
        "title": None if history.dated else "time",
    }
    if history.dated and float(np.ptp(table["time"].to_numpy(dtype=float))) > YEARS:
        first, last = table["date"].min().year, history.window[1].year
        options["values"] = [f"{year}-01-01" for year in range(first, last + 1)]
        return alt.Axis(format="%Y", **options)
    return alt.Axis(tickCount=6 if width > 500 else 4, **options)


def _finding(table: pd.DataFrame, history: History, state: str) -> str:
    at_home = int((table["kind"] == "home").sum())
    variable, _, entered = state.partition("=")
    words = wave_in(history, variable.strip(), entered.strip())
    what = words.entries(len(table)) if words.one else counted(len(table), "event") + f" into {state}"
    labels = short_labels(history)
    said = f"{at_home} of {what} came from home most likely"
    elsewhere = table.loc[table["kind"] != "home", "parent"].astype(str)
    if not len(elsewhere):
        return said
    top = elsewhere.value_counts(sort=True)
    lead = sorted(top[top == top.max()].index)[0]
    return f"{said}; {top[lead]} of the others hang on {labels.get(lead, lead)}"


def _when(row: dict[Any, Any], history: History) -> str:
    if not history.dated:
        return f"{row['time']:g}"
    return pd.Timestamp(row["date"]).strftime(
        {"month": "%B %Y", "year": "%Y"}.get(history.clock, "%-d %B %Y")
    )
