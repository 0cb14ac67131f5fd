"""How long a state lasts: the record's curve beside those of the worlds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import altair as alt
import numpy as np

from tocsin.charts.parts import WIDE, bands, colour, finished, inline, quantile_columns, source_line
from tocsin.ensemble.survival import kaplan_meier
from tocsin.wording.numbers import counted, length, noun

if TYPE_CHECKING:
    import pandas as pd

    from tocsin.ensemble.comparison import Comparison


def survival_curve(comparison: Comparison, width: int = WIDE, titled: bool = True) -> alt.LayerChart:
    """Return how long the wave's state lasts: Kaplan-Meier curve of the record, bands of the worlds' curves.

    Solid ink with dashed 95% limits is the record, a tick a spell that was still going on when last seen;
    bands hold the curves of 50 and 90 of 100 worlds.

    Parameters:
        comparison: the record beside the worlds.
        width: in pixels.
        titled: whether the chart carries its own title and source.

    Raises:
        TocsinError: no spell in the record.

    Example:
        >>> import tocsin as tc
        >>> history = tc.load_history("1917")
        >>> fit = tc.Model.from_toml(history.model_path).fit(history)
        >>> found = tc.Comparison.of(fit.simulate(history, worlds=50, seed=1), fit.model)
        >>> type(tc.charts.survival_curve(found)).__name__
        'LayerChart'
    """
    seen = kaplan_meier(comparison.spells)
    worlds = _of_worlds(comparison)
    unit = noun(comparison.frame.clock, True)
    longest = float(max(seen["time"].max(), worlds["time"].max() if len(worlds) else 0.0))
    x = alt.X(
        "time:Q",
        scale=alt.Scale(domain=[0, longest], nice=False),
        axis=alt.Axis(title=f"{unit} since it began", grid=False, format="~d", labelOverlap=True),
    )
    y = alt.Axis(title="still there, of 100", values=[0, 25, 50, 75, 100])
    scale = alt.Scale(domain=[0, 100])
    layers: list[Any] = []
    if len(worlds):
        layers += bands(alt.Chart(inline(worlds)).encode(x=x), y, scale)
    record = seen.copy()
    record[["survival", "lower", "upper"]] *= 100
    ink = alt.Chart(inline(record)).encode(x=x)
    limit: dict[str, Any] = {"color": colour("ink"), "strokeWidth": 0.9, "strokeDash": [2, 3]}
    layers += [
        ink.mark_line(interpolate="step-after", **limit).encode(y=alt.Y(f"{bound}:Q", axis=y, scale=scale))
        for bound in ("lower", "upper")
    ]
    layers.append(
        ink.mark_line(color=colour("ink"), strokeWidth=2, interpolate="step-after").encode(
            y=alt.Y("survival:Q", scale=scale)
        )
    )
    ticks = ink.transform_filter("datum.censored > 0").mark_tick(
        color=colour("ink"), thickness=1.3, size=9, orient="vertical"
    )
    layers.append(ticks.encode(y=alt.Y("survival:Q", scale=scale)))
    finding = survival_finding(comparison)
    return finished(
        alt.layer(*layers),
        source_line(comparison),
        finding,
        "Ink: what happened, dashed its 95% limits, a tick what was still there when last seen. "
        "Bands: the curves of 50 and 90 of 100 worlds, thin line their median.",
        f"Share of {comparison.wave.spells} that last longer than a number of {unit}. {finding}. "
        f"{_listing(seen, unit)}",
        width,
        260 if width > 500 else 220,
        titled,
    )


def survival_finding(comparison: Comparison) -> str:
    """Return the finding of the curve as a sentence."""
    seen = kaplan_meier(comparison.spells)
    middle = _median(seen["time"].to_numpy(), seen["survival"].to_numpy())
    frame = comparison.frame
    wave = comparison.wave
    what = f"{len(comparison.spells)} {wave.spells}" if len(comparison.spells) != 1 else f"1 of {wave.spells}"
    if middle is None:
        return f"Of {what} more than half outlast what was watched"
    said = f"Half of {what} are gone within {length(middle, frame)}"
    worlds = _of_worlds(comparison)
    if not len(worlds):
        return said
    times = worlds["time"].to_numpy()
    # The lower the curve, the sooner half are gone.
    low, mid, high = (_median(times, worlds[q].to_numpy() / 100) for q in ("q05", "q50", "q95"))
    if mid is None:
        return f"{said}; in the median world more than half outlast the window"
    until = "beyond the window" if high is None else length(high, frame)
    start = length(low or 0.0, frame).split(" ")[0]
    return f"{said}; in the median world within about {length(mid, frame)} ({start} to {until} in 90 of 100 worlds)"


def _of_worlds(comparison: Comparison) -> pd.DataFrame:
    curves = quantile_columns(comparison.survival.dropna())
    for name in [each for each in curves if str(each).startswith("q")]:
        curves[name] *= 100
    return curves


def _median(time: np.ndarray, level: np.ndarray) -> float | None:
    below = np.flatnonzero(level <= 0.5)
    return float(time[below[0]]) if below.size else None


def _listing(seen: pd.DataFrame, unit: str) -> str:
    told = seen.dropna(subset=["lower", "upper"])
    rows = told.iloc[np.unique(np.linspace(0, len(told) - 1, 6).astype(int))] if len(told) else told
    said = [
        f"{time:g} {unit}: {100 * level:.0f} of 100 ({100 * lower:.0f} to {100 * upper:.0f})"
        for time, level, lower, upper in rows[["time", "survival", "lower", "upper"]].to_numpy()
    ]
    lasting = counted(int(seen["censored"].sum()), "spell")
    return f"In the record, with 95% interval: {'; '.join(said)}. {lasting} still going on when last seen."
