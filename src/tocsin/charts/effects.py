"""The effect of a covariate as a curve with its band."""

from __future__ import annotations

from typing import Any

import altair as alt
import numpy as np

from tocsin.charts.parts import WIDE, colour, finished, inline
from tocsin.fit.effect import effect as effect_of
from tocsin.fit.estimates import Fit


def effect(
    fit: Fit,
    name: str,
    formula_of: str | None = None,
    reference: float | None = None,
    width: int = WIDE,
    titled: bool = True,
) -> alt.LayerChart:
    """Return by what a covariate multiplies a hazard, with the 95% band; see `Fit.effect`.

    The line is the ratio to the hazard at the reference, on a scale of logarithms; the band is the interval of each
    value by itself, and has no width at the reference, marked by a dot.

    Parameters:
        fit: a fit with a term of the covariate, such as ``bs(age, df=4)``.
        name: the covariate.
        formula_of: which formula; needed where several name it.
        reference: the value against which ratios are taken; by default the median.
        width: in pixels.
        titled: whether the chart carries its own title and source.

    Raises:
        ModelError: no formula names it, several do, or it is a category.

    Example:
        >>> import tocsin as tc
        >>> history = tc.load_history("1917")
        >>> fit = tc.Model.from_toml(history.model_path).fit(history)
        >>> chart = tc.charts.effect(fit, "food_crisis", "regime: old > soviet | baseline | propensity")
        >>> type(chart).__name__
        'LayerChart'
    """
    table = effect_of(fit, name, formula_of, reference=reference)
    at = (
        float(table.loc[(np.log(table["ratio"])).abs().idxmin(), "value"])
        if reference is None
        else float(reference)
    )
    ratio = table["ratio"].to_numpy()
    low, high = table.loc[int(np.argmin(ratio))], table.loc[int(np.argmax(ratio))]
    finding = (
        f"The hazard is highest where {name} is {high['value']:.3g}: {high['ratio']:.2f} times "
        f"({high['lower']:.2f} to {high['upper']:.2f}) that at {at:.3g}"
    )
    # What an interval leaves open reaches beyond the picture: it is cut, and does not flatten the curve.
    bounds = [float(ratio[ratio > 0].min()) / 4, float(ratio.max()) * 4]
    shown = table.assign(lower=table["lower"].clip(*bounds), upper=table["upper"].clip(*bounds))
    scale = alt.Scale(type="log", nice=False, clamp=True)
    x = alt.X("value:Q", scale=alt.Scale(nice=False), axis=alt.Axis(title=name.replace("_", " "), grid=False))
    y = alt.Axis(title=f"times the hazard at {at:.3g}", labelOverlap=True, format="~g")
    base = alt.Chart(inline(shown)).encode(x=x)
    dot = alt.Chart(alt.InlineData(values=[{"value": at, "ratio": 1.0}])).mark_circle(
        color=colour("ink"), size=45
    )
    layers: list[Any] = [
        base.mark_area(color=colour("band")).encode(
            y=alt.Y("lower:Q", axis=y, scale=scale), y2=alt.Y2("upper")
        ),
        base.mark_line(color=colour("ink"), strokeWidth=2).encode(y=alt.Y("ratio:Q", axis=y, scale=scale)),
        dot.encode(x=alt.X("value:Q"), y=alt.Y("ratio:Q", scale=scale)),
    ]
    return finished(
        alt.layer(*layers),
        fit.history.citation or fit.history.title or fit.history.name,
        finding,
        "Line: the hazard at each value, all else as it is. Band: 95% interval of each value by itself; it has no "
        "width at the dot, against which all are taken.",
        f"Effect of {name} on a hazard, on a scale of logarithms. {finding}. It is lowest where {name} is "
        f"{low['value']:.3g}: {low['ratio']:.2f} times ({low['lower']:.2f} to {low['upper']:.2f}).",
        width,
        260 if width > 500 else 220,
        titled,
    )
