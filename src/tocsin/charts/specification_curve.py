"""The curve of specifications: what every combination of choices gives, in order."""

from __future__ import annotations

from typing import Any

import altair as alt
import numpy as np

from tocsin.charts.parts import WIDE, colour, finished, inline
from tocsin.check.multiverse import Multiverse
from tocsin.check.specifications import VARY


def specification_curve(found: Multiverse, source: str, width: int = WIDE, titled: bool = True) -> Any:
    """Return gains over home alone in order of size, above the choices that made each.

    Parameters:
        found: from `multiverse`.
        source: where the record comes from.
        width: in pixels.
        titled: whether the chart carries its own title and source.
    """
    table = found.table.sort_values("gain", ignore_index=True)
    table["place"] = np.arange(1, len(table) + 1)
    kinds = [kind for kind in VARY if table[kind].nunique() > 1]
    marks = table.melt(["place"], kinds, "kind", "choice")
    marks["choice"] = marks["kind"] + ": " + marks["choice"].astype(str)
    rows = list(dict.fromkeys(marks["choice"]))
    top = 200
    height = top + 30 + 24 * len(rows)
    low, high = min(0.0, float(table["gain"].min())), max(1.0, float(table["gain"].max()))
    step = {row: top + 30 + 24 * k for k, row in enumerate(rows)}
    marks["y"] = marks["choice"].map(step)
    x = alt.X("place:Q", axis=None, scale=alt.Scale(domain=[0, len(table) + 1], nice=False))
    gain_scale = alt.Scale(domain=[low, high], range=[top, 0])
    gain = alt.Y("gain:Q", scale=gain_scale, axis=alt.Axis(title="gain in log-likelihood"))
    pixel = alt.Scale(domain=[0, height], range=[0, height])
    names = marks.drop_duplicates("choice")
    median = alt.InlineData(values=[{"gain": found.median_gain}])
    at, ink = alt.Y("y:Q", scale=pixel, axis=None), colour("ink")
    dots = alt.Chart(inline(table[["place", "gain"]])).mark_circle(color=ink, size=22, opacity=1)
    ticks = alt.Chart(inline(marks[["place", "y"]])).mark_tick(
        orient="vertical", height=10, thickness=1.5, color=ink
    )
    words = alt.Chart(inline(names[["choice", "y"]])).mark_text(
        align="left", baseline="bottom", dy=-5, fontSize=9, color=ink
    )
    layers = alt.layer(
        alt.Chart(median).mark_rule(color=ink, strokeDash=[3, 3]).encode(y=gain),
        dots.encode(x=x, y=alt.Y("gain:Q", scale=gain_scale, axis=None)),
        ticks.encode(x=x, y=at),
        words.encode(x=alt.value(0), y=at, text=alt.Text("choice:N")),
    ).resolve_scale(y="independent")
    p = (
        ""
        if np.isnan(found.p)
        else f"; joint test of the median against courses dealt out anew: p = {found.p:.3g}"
    )
    finding = f"Example gains {found.median_gain:.1f} in log-likelihood in the median of {len(table)} specifications{p}"
    return finished(
        layers,
        source,
        finding,
        f"Dots: each specification, in order; dashed: their median. Ticks below a dot: its choices. Gains range from "
        f"{table['gain'].min() + 1e-9:.1f} to {table['gain'].max():.1f}. Shares of dots are no probabilities.",
        f"Specification curve. {finding}.",
        width,
        height,
        titled,
    )
