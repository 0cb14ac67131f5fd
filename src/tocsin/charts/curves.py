"""Charts: each function takes a result and returns an Altair chart with title, units, source and description.

Observed is ink (solid line, filled dot); simulated is a band that holds 50 and 90 of 100 worlds, with a thin
median. Colours and type come from the theme.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import altair as alt
import numpy as np
import pandas as pd

from tocsin.charts.parts import (
    MOST_ROWS,
    WIDE,
    bands,
    clipped,
    colour,
    cut_note,
    finished,
    inline,
    label_width,
    plain_float,
    quantile_columns,
    source_line,
    telling,
    time_axis,
    times_of,
    x_axis,
    x_scale,
)
from tocsin.ensemble.comparison import most
from tocsin.wording.numbers import counted, hundred, length, moment, noun

if TYPE_CHECKING:
    from tocsin.ensemble.comparison import Comparison
    from tocsin.fit.estimates import Fit


def wave_curve(comparison: Comparison, width: int = WIDE, titled: bool = True) -> alt.LayerChart:
    """Return the number of units in the wave's state through time: observed line, simulated bands.

    Parameters:
        comparison: the record beside the worlds.
        width: in pixels.
        titled: whether the chart carries its own title and source (a page may print them itself).

    Example:
        >>> import tocsin as tc
        >>> history = tc.load_history("1917")
        >>> fit = tc.Model.from_toml(history.model_path).fit(history)
        >>> found = tc.Comparison.of(fit.simulate(history, worlds=50, seed=1), fit.model)
        >>> "layer" in tc.charts.wave_curve(found).to_dict() or "hconcat" in tc.charts.wave_curve(found).to_dict()
        True
    """
    curve = quantile_columns(comparison.curve())
    x = time_axis(comparison.frame)
    base = alt.Chart(inline(curve)).encode(x=x)
    count = alt.Axis(title=comparison.wave.standing, tickMinStep=1, format="d")
    layers = bands(base, count)
    if "unchanged" in curve:
        dashed = base.mark_line(
            color=colour("quiet"), strokeWidth=1.2, strokeDash=[4, 3], interpolate="step-after"
        )
        layers.append(dashed.encode(y=alt.Y("unchanged:Q")))
    layers.append(
        base.mark_line(color=colour("ink"), strokeWidth=2, interpolate="step-after").encode(
            y=alt.Y("observed:Q")
        )
    )
    top = most(curve, "observed")
    when = moment(top["time"], comparison.frame)
    unchanged = "; dashed: median of the unchanged worlds" if "unchanged" in curve else ""
    return finished(
        alt.layer(*layers),
        source_line(comparison),
        curve_finding(comparison),
        f"Ink: what happened. Bands: 50 and 90 of 100 worlds, thin line their median{unchanged}.",
        f"Number of {comparison.wave.standing} through time. Observed highest: {top['observed']:g}, "
        f"on {when}; "
        f"at that time 90 of 100 worlds had {top['q05']:g} to {top['q95']:g}, median {top['q50']:g}.",
        width,
        260 if width > 500 else 220,
        titled,
    )


def curve_finding(comparison: Comparison) -> str:
    """Return how many units stand in the state at the end, in the record and in the worlds, as a sentence."""
    last, wave = comparison.curve().iloc[-1], comparison.wave
    seen = last["observed"] if comparison.baseline is None else last[0.5]
    standing = wave.entries(seen) if wave.one else f"{counted(seen, 'unit')} in {wave.words}"
    worlds = f"{last[0.05]:g} to {last[0.95]:g} in 90 of 100 worlds"
    if comparison.baseline is None:
        return f"At the end: {standing} in the record, {worlds}"
    without = f"{last['unchanged']:g} in that without the change"
    return f"At the end: {standing} in the median world with the change ({worlds}), {without}"


def shares(comparison: Comparison, width: int = WIDE, titled: bool = True) -> alt.LayerChart:
    """Return in how many of 100 worlds each unit came into the state, with 95% intervals.

    Filled dots came into it in the record, hollow ones did not; the small mark is the unchanged worlds.

    Parameters:
        comparison: the record beside the worlds.
        width: in pixels.
        titled: whether the chart carries its own title and source.

    Example:
        >>> import tocsin as tc
        >>> history = tc.load_history("1917")
        >>> fit = tc.Model.from_toml(history.model_path).fit(history)
        >>> found = tc.Comparison.of(fit.simulate(history, worlds=50, seed=1), fit.model)
        >>> "layer" in tc.charts.shares(found).to_dict() or "hconcat" in tc.charts.shares(found).to_dict()
        True
    """
    table = telling(comparison)
    frame = pd.DataFrame(
        {
            "label": clipped(table["label"], width),
            "share": 100 * table["share"],
            "lower": 100 * table["lower"],
            "upper": 100 * table["upper"],
            "risen": np.where(table["observed_spells"] > 0, "yes", "no"),
        }
    )
    if "share_unchanged" in table:
        frame["unchanged"] = 100 * table["share_unchanged"]
    frame = frame.sort_values("share", ascending=False, kind="stable")
    y = alt.Y(
        "label:N",
        sort=list(frame["label"]),
        axis=alt.Axis(title=None, labelLimit=label_width(width), grid=True),
    )
    x = alt.X(
        "share:Q",
        scale=alt.Scale(domain=[0, 100]),
        axis=alt.Axis(title="worlds of 100", values=[0, 25, 50, 75, 100]),
    )
    base = alt.Chart(inline(frame)).encode(y=y)
    ink = colour("ink")
    layers: list[Any] = [base.mark_rule(color=ink).encode(x=alt.X("lower:Q"), x2=alt.X2("upper:Q"))]
    if "unchanged" in frame:
        layers.append(
            base.mark_tick(color=colour("quiet"), thickness=2, size=12).encode(x=alt.X("unchanged:Q"))
        )
    dots = base.mark_circle(size=55, opacity=1, stroke=ink, strokeWidth=1.3)
    fill = alt.condition("datum.risen == 'yes'", alt.value(ink), alt.value(colour("paper")))
    layers.append(dots.encode(x=x, color=fill))
    quiet = "; grey mark: unchanged worlds" if "unchanged" in frame else ""
    top = ", ".join(f"{r['label']} {hundred(r['share'] / 100)}" for r in frame.head(8).to_dict("records"))
    return finished(
        alt.layer(*layers),
        source_line(comparison),
        shares_finding(comparison),
        f"Filled: {comparison.wave.came} in the record; hollow: did not{quiet}.{cut_note(comparison)}",
        f"Worlds of 100 in which each unit {comparison.wave.came}; the most frequent: {top}.",
        width,
        alt.Step(17),
        titled,
    )


def shares_finding(comparison: Comparison) -> str:
    """Return the finding of the shares as a sentence."""
    table = comparison.units(everything=True)
    risen = table["observed_spells"] > 0
    if not risen.any() or risen.all():
        mean = hundred(table["share"].mean())
        return f"Units {comparison.wave.came} in {mean} of 100 worlds on average"
    yes, no = table.loc[risen, "share"].mean(), table.loc[~risen, "share"].mean()
    return (
        f"Units that {comparison.wave.came} {comparison.wave.again} in {hundred(yes)} of 100 worlds on "
        "average, "
        f"the others in {hundred(no)}"
    )


def dates(comparison: Comparison, width: int = WIDE, titled: bool = True) -> alt.LayerChart:
    """Return when each unit first came into the state: observed dot, bands over the worlds where it did.

    Parameters:
        comparison: the record beside the worlds.
        width: in pixels.
        titled: whether the chart carries its own title and source.

    Example:
        >>> import tocsin as tc
        >>> history = tc.load_history("1917")
        >>> fit = tc.Model.from_toml(history.model_path).fit(history)
        >>> found = tc.Comparison.of(fit.simulate(history, worlds=50, seed=1), fit.model)
        >>> "layer" in tc.charts.dates(found).to_dict() or "hconcat" in tc.charts.dates(found).to_dict()
        True
    """
    table = telling(comparison)
    names = {
        "median": "median",
        "q25": "q25",
        "q75": "q75",
        "q05": "q05",
        "q95": "q95",
        "observed_first": "observed",
    }
    frame = table[list(names)].rename(columns=names)
    frame.insert(0, "label", clipped(table["label"], width))
    kind = "T" if comparison.frame.dated else "Q"
    y = alt.Y(
        "label:N",
        sort=list(frame["label"]),
        axis=alt.Axis(title=None, labelLimit=label_width(width), grid=True),
    )
    axis = x_axis(width, "first entry")
    scale = x_scale(comparison.frame)
    base = alt.Chart(inline(frame)).encode(y=y)
    layers = [
        base.mark_bar(color=colour("band-wide"), height=11).encode(
            x=alt.X(f"q05:{kind}", axis=axis, scale=scale), x2=alt.X2("q95")
        ),
        base.mark_bar(color=colour("band"), height=11).encode(
            x=alt.X(f"q25:{kind}", scale=scale), x2=alt.X2("q75")
        ),
        base.mark_tick(color=colour("wave"), thickness=1.5, size=11).encode(
            x=alt.X(f"median:{kind}", scale=scale)
        ),
        base.mark_circle(color=colour("ink"), size=45, opacity=1).encode(
            x=alt.X(f"observed:{kind}", scale=scale)
        ),
    ]
    return finished(
        alt.layer(*layers),
        source_line(comparison),
        dates_finding(comparison),
        "Dot: what happened. Bars: among the worlds in which the unit entered at all, 50 and 90 of 100; "
        f"tick: median.{cut_note(comparison)}",
        f"First {comparison.wave.entered}, observed and simulated, by unit. {dates_finding(comparison)}.",
        width,
        alt.Step(17),
        titled,
    )


def dates_finding(comparison: Comparison) -> str:
    """Return the finding of the dates as a sentence."""
    table = comparison.units()
    seen = table[table["observed_first"].notna() & table["q05"].notna()]
    if not len(seen):
        return f"No unit {comparison.wave.came} both in the record and in a world"
    inside = ((seen["observed_first"] >= seen["q05"]) & (seen["observed_first"] <= seen["q95"])).sum()
    return (
        f"For {inside} of {counted(len(seen), 'unit')} the first entry lies where 90 of 100 worlds have it, "
        "if they have it at all"
    )


def calendar(comparison: Comparison, width: int = WIDE, titled: bool = True) -> alt.LayerChart:
    """Return the observed spells in the state by unit; a triangle marks one that outlasted the window.

    Parameters:
        comparison: the record beside the worlds.
        width: in pixels.
        titled: whether the chart carries its own title and source.

    Example:
        >>> import tocsin as tc
        >>> history = tc.load_history("1917")
        >>> fit = tc.Model.from_toml(history.model_path).fit(history)
        >>> found = tc.Comparison.of(fit.simulate(history, worlds=50, seed=1), fit.model)
        >>> "layer" in tc.charts.calendar(found).to_dict() or "hconcat" in tc.charts.calendar(found).to_dict()
        True
    """
    spells = comparison.spells
    units = list(dict.fromkeys(spells["unit"].astype(str)))[:MOST_ROWS]
    spells = spells[spells["unit"].isin(units)]
    frame = pd.DataFrame(
        {
            "label": clipped(
                pd.Series([comparison.labels[str(unit)] for unit in spells["unit"]], dtype=object), width
            ),
            "start": times_of(comparison, spells["start"]),
            "end": times_of(comparison, spells["end"]),
            "open": spells["censored"].to_numpy(),
        }
    )
    kind = "T" if comparison.frame.dated else "Q"
    y = alt.Y(
        "label:N",
        sort=list(dict.fromkeys(frame["label"])),
        axis=alt.Axis(title=None, labelLimit=label_width(width), grid=True),
    )
    scale = x_scale(comparison.frame)
    base = alt.Chart(inline(frame)).encode(y=y)
    bars = base.mark_bar(color=colour("wave"), height=8, minBandSize=2).encode(
        x=alt.X(f"start:{kind}", axis=x_axis(width, None), scale=scale), x2=alt.X2("end")
    )
    onsets = base.mark_tick(color=colour("wave"), thickness=2, size=12).encode(
        x=alt.X(f"start:{kind}", scale=scale)
    )
    ends = (
        base.transform_filter("datum.open")
        .mark_point(shape="triangle-right", filled=True, color=colour("wave"), size=70, opacity=1)
        .encode(x=alt.X(f"end:{kind}", scale=scale))
    )
    return finished(
        alt.layer(bars, onsets, ends),
        source_line(comparison),
        calendar_finding(comparison),
        "Bar: time in the state. Triangle: still in it when the window closed.",
        f"Observed {comparison.wave.spells} by unit. {calendar_finding(comparison)}.",
        width,
        alt.Step(17),
        titled,
    )


def calendar_finding(comparison: Comparison) -> str:
    """Return the finding of the calendar as a sentence."""
    spells = comparison.spells
    if not len(spells):
        return f"No unit {comparison.wave.came}"
    lasting = int(spells["censored"].sum())
    ended = spells.loc[~spells["censored"], "duration"]
    half = length(float(ended.median()), comparison.frame) if len(ended) else ""
    middle = f"; half of those that ended had lasted {half} or less" if half else ""
    wave = comparison.wave
    count = wave.entries(len(spells)) if wave.one else f"{counted(len(spells), 'spell')} in {wave.words}"
    return f"{count}, {lasting} unbroken at the end{middle}"


def forest(
    fit: Fit | dict[str, Any],
    comparison: Comparison,
    width: int = WIDE,
    titled: bool = True,
    rates: bool = False,
) -> alt.LayerChart | None:
    """Return a forest plot of estimates with 95% intervals, on a logarithmic axis; None if there are none.

    Parameters:
        fit: a fit, or the content of `fit.json`.
        comparison: the record beside the worlds.
        width, titled: as for other charts.
        rates: whether to show the rates (intercepts: hazards per clock unit, of a baseline or of one tie of
            weight 1) or the factors by which terms multiply them.

    Example:
        >>> import tocsin as tc
        >>> history = tc.load_history("1917")
        >>> fit = tc.Model.from_toml(history.model_path).fit(history)
        >>> found = tc.Comparison.of(fit.simulate(history, worlds=50, seed=1), fit.model)
        >>> tc.charts.forest(fit, found) is None
        False
    """
    if not isinstance(fit, dict):
        from tocsin.fit.save import fit_content

        fit = fit_content(fit)
    rows, left_out = [], 0
    for row in fit["estimates"]:
        parts = [part.strip() for part in row["name"].split("|")]
        role, term = parts[-2], parts[-1]
        if role not in ("propensity", "susceptibility", "infectiousness") or (term == "1") != rates:
            continue
        values = [plain_float(row.get(key)) for key in ("estimate", "lower", "upper")]
        none = rates and values[1] == -np.inf  # the data allow no contagion: the line has no end on this side
        if not np.isfinite([values[0], values[2]]).all() or not (none or np.isfinite(values[1])):
            left_out += 1
            continue
        if max(np.abs(values[:1] + values[2:] if none else values)) > 60:
            left_out += 1
            continue
        # The bar separates the parts of a name; the transition itself may hold bars, so it is what is left.
        transition = " | ".join(parts[:-3]) or parts[0]
        what = (
            parts[-3]
            if rates
            else f"{parts[-3]}: {term}" + (" of the source" if role == "infectiousness" else "")
        )
        rows.append((f"{transition} · {what}", *np.exp(values), none))
    if not rows:
        return None
    frame = pd.DataFrame(rows[:MOST_ROWS], columns=["label", "estimate", "lower", "upper", "none"])
    # A rate that data hardly bound would stretch the axis until nothing else can be read.
    low, high = frame["estimate"].min() / 100, frame["estimate"].max() * 100
    frame["lower"], frame["upper"] = frame["lower"].clip(lower=low), frame["upper"].clip(upper=high)
    title = f"rate per {noun(comparison.frame.clock)}" if rates else "multiplies the hazard by"
    # The transition above, the cause and its term below: one line would not fit a telephone.
    lines = alt.Axis(
        title=None, labelLimit=label_width(width), grid=True, labelExpr="split(datum.label, ' · ')"
    )
    y = alt.Y("label:N", sort=list(frame["label"]), axis=lines)
    scale = alt.Scale(type="log", nice=False)
    axis = alt.Axis(title=title, format="~g", tickCount=5, labelOverlap=True)
    base = alt.Chart(inline(frame)).encode(y=y)
    layers: list[Any] = []
    if not rates:
        one = alt.Chart(alt.InlineData(values=[{"one": 1}]))
        layers.append(
            one.mark_rule(color=colour("quiet"), strokeDash=[3, 3]).encode(x=alt.X("one:Q", scale=scale))
        )
    layers.append(
        base.mark_rule(color=colour("ink")).encode(
            x=alt.X("lower:Q", axis=axis, scale=scale), x2=alt.X2("upper:Q")
        )
    )
    layers.append(
        base.mark_circle(color=colour("ink"), size=50, opacity=1).encode(x=alt.X("estimate:Q", scale=scale))
    )
    if frame["none"].any():
        ends = base.transform_filter("datum.none").mark_point(
            shape="triangle-left", filled=True, size=45, color=colour("ink"), opacity=1
        )
        layers.append(ends.encode(x=alt.X("lower:Q", scale=scale)))
    clear = int(((frame["lower"] > 1) | (frame["upper"] < 1)).sum())
    finding = (
        "How often things happen at home, and how much one tie adds"
        if rates
        else f"Terms that clearly raise or lower a hazard (interval without 1): {clear} of {len(frame)}"
    )
    listing = "; ".join(
        f"{r.label} {r.estimate:.3g} ({'0' if r.none else f'{r.lower:.3g}'} to {r.upper:.3g})"
        for r in frame.head(12).itertuples()
    )
    note = "Dot: estimate; line: 95% interval, cut where it would leave the picture"
    note += "; triangle: the data allow none (0)." if frame["none"].any() else "."
    if left_out or len(rows) > MOST_ROWS:
        lost = left_out + max(len(rows) - MOST_ROWS, 0)
        note += (
            f" Not shown, but in the table: {lost} at zero, without an interval, or too many for a picture."
        )
    return finished(
        alt.layer(*layers),
        source_line(comparison),
        finding,
        note,
        f"Estimates with 95% intervals: {listing}.",
        width,
        alt.Step(34),
        titled,
    )
