"""Two scenarios, unit by unit: in how many more or fewer of 100 worlds each comes into the state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import altair as alt
import numpy as np
import pandas as pd

from tocsin.charts.parts import WIDE, clipped, colour, finished, inline, label_width, source_line
from tocsin.ensemble.paired import Paired
from tocsin.errors import TocsinError
from tocsin.interventions.sentences import said
from tocsin.wording.numbers import counted, signed

if TYPE_CHECKING:
    from tocsin.ensemble.comparison import Comparison

MOST = 16  # units

LEAST = 0.005  # a change of fewer than one world in 200 is not shown


def unit_differences(comparison: Comparison, width: int = WIDE, titled: bool = True) -> alt.LayerChart:
    """Return in how many more or fewer of 100 worlds each unit comes into the state, with 95% intervals.

    The sign is printed with the number. Intervals are those of the expected effect (see `Paired.units`).

    Parameters:
        comparison: the changed worlds beside the unchanged ones.
        width: in pixels.
        titled: whether the chart carries its own title and source.

    Raises:
        TocsinError: nothing was changed, so there is nothing to compare.

    Example:
        >>> import tocsin as tc
        >>> history = tc.load_history("1917")
        >>> fit = tc.Model.from_toml(history.model_path).fit(history)
        >>> same = fit.simulate(history, worlds=50, seed=1)
        >>> less = fit.simulate(history, worlds=50, seed=1, interventions=["remove layer comintern"])
        >>> found = tc.Comparison.of(less, fit.model, unchanged=same)
        >>> type(tc.charts.unit_differences(found)).__name__
        'LayerChart'
    """
    if comparison.baseline is None:
        raise TocsinError("nothing was changed in these worlds, so they differ from none")
    table = difference_table(comparison)
    moved = table[table["difference"].abs() >= LEAST]
    shown = moved.head(MOST)
    frame = pd.DataFrame({"label": clipped(shown["label"], width)})
    for name, column in (
        ("difference", "difference"),
        ("lower", "expected_lower"),
        ("upper", "expected_upper"),
    ):
        frame[name] = 100 * shown[column].to_numpy()
    frame["text"] = [signed(round(value, 1)) for value in frame["difference"]]
    frame["side"] = np.where(frame["difference"] > 0, "more", "fewer")
    frame["sure"] = (frame["lower"] > 0) | (frame["upper"] < 0)
    frame = frame.sort_values("difference", kind="stable")
    finding = _finding(comparison, table)
    change = said(comparison.ensemble.interventions, comparison.history)
    over = " over the parameters" if comparison.ensemble.draws is not None else " at one set of parameters"
    return finished(
        alt.layer(*_layers(frame, width)),
        source_line(comparison),
        finding,
        f"Worlds of 100, with “{change}” less without; line: 95% interval of the expected effect{over}; hollow: "
        "it holds zero." + (f" The {MOST} that change most of {len(moved)}." if len(moved) > MOST else ""),
        f"{finding}. By unit: "
        + "; ".join(
            f"{row['label']} {row['text']} ({signed(round(row['lower'], 1))} to {signed(round(row['upper'], 1))})"
            for row in frame.to_dict("records")
        )
        + ".",
        width,
        alt.Step(17),
        titled,
    )


def difference_table(comparison: Comparison) -> pd.DataFrame:
    """Return `Paired.units` of the wave with labels, the largest change first."""
    assert comparison.baseline is not None
    pair = Paired(comparison.ensemble, comparison.baseline)
    table = pair.units(comparison.wave.variable, comparison.wave.state).reset_index()
    table.insert(1, "label", [comparison.labels[unit] for unit in table["unit"]])
    order = np.argsort(-table["difference"].abs().to_numpy(), kind="stable")
    return table.iloc[order].reset_index(drop=True)


def _layers(frame: pd.DataFrame, width: int) -> list[Any]:
    y = alt.Y(
        "label:N",
        sort=list(frame["label"]),
        axis=alt.Axis(title=None, labelLimit=label_width(width), grid=True),
    )
    low, high = float(frame["lower"].min()), float(frame["upper"].max())
    room = 0.14 * max(high - low, 1.0) * (1 if width > 500 else 2)
    scale = alt.Scale(domain=[min(low, 0.0) - room, max(high, 0.0) + room], nice=False)
    axis = alt.Axis(
        title="worlds of 100, more or fewer", labelExpr="datum.value ? format(datum.value, '+') : '0'"
    )
    hue = alt.Color(
        "side:N",
        scale=alt.Scale(domain=["fewer", "more"], range=[colour("less"), colour("more")]),
        legend=None,
    )
    base = alt.Chart(inline(frame)).encode(y=y)
    zero = alt.Chart(alt.InlineData(values=[{"zero": 0}])).mark_rule(color=colour("quiet"), strokeDash=[3, 3])
    dots: list[Any] = []
    for test, fill in (("datum.sure", True), ("!datum.sure", False)):
        mark = base.transform_filter(test).mark_point(filled=fill, size=48, opacity=1, strokeWidth=1.5)
        dots.append(mark.encode(x=alt.X("difference:Q", scale=scale), color=hue))
    words = [
        base.transform_filter(f"datum.side == '{side}'")
        .mark_text(align=align, dx=shift, fontSize=11, color=colour("ink"))  # type: ignore[arg-type]
        .encode(x=alt.X(f"{edge}:Q", scale=scale), text=alt.Text("text:N"))
        for side, align, shift, edge in (("more", "left", 5, "upper"), ("fewer", "right", -5, "lower"))
    ]
    return [
        zero.encode(x=alt.X("zero:Q", scale=scale)),
        base.mark_rule(strokeWidth=1.5).encode(
            x=alt.X("lower:Q", axis=axis, scale=scale), x2=alt.X2("upper:Q"), color=hue
        ),
        *dots,
        *words,
    ]


def _finding(comparison: Comparison, table: pd.DataFrame) -> str:
    sure = (table["expected_lower"] > 0) | (table["expected_upper"] < 0)
    less, more = int((sure & (table["difference"] < 0)).sum()), int((sure & (table["difference"] > 0)).sum())
    top = table.iloc[0]
    if not sure.any():
        return f"No unit {comparison.wave.comes} clearly more or less often"
    points = signed(round(100 * float(top["difference"]), 1))
    name = str(top["label"]).split(" (")[0]
    return (
        f"{counted(less, 'unit')} {comparison.wave.comes if less == 1 else comparison.wave.come} less often and "
        f"{more or 'none'} more often; most changed: {name}, {points} of 100 worlds"
    )
