"""What a fit says of one thing: the effect of a covariate with its band, the spread of pooled levels."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import altair as alt
import numpy as np

from tocsin.charts.parts import WIDE, colour, finished, inline
from tocsin.errors import ModelError
from tocsin.fit.effect import effect as effect_of
from tocsin.fit.estimates import Fit

if TYPE_CHECKING:
    from tocsin.bayes.posterior import Posterior


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


BINS = 30


def pooling(
    posterior: Posterior, of: str = "mass", cause: str | None = None, width: int = WIDE, titled: bool = True
) -> alt.LayerChart:
    """Return what is known of the spread of pooled levels: the prior as a line before the draws of the posterior.

    Where the draws look like the line, the data say nothing of the spread.

    Parameters:
        posterior: of a model with `contagion(..., by=..., pooled=...)`.
        of: ``"mass"`` or ``"half_life"``.
        cause: the name of the cause; needed where levels of several are pooled.
        width: in pixels.
        titled: whether the chart carries its own title and source.

    Raises:
        ModelError: no such levels are pooled, or those of several causes are.

    Example:
        >>> import tocsin as tc
        >>> wave = tc.contagion("border", "regime=soviet", half_life="estimate", by="zone", pooled=True)
        >>> wave.pooled  # draw with model.sample(history), then tc.charts.pooling(posterior)
        0.5
    """
    pools = posterior.belief.pools
    chosen = [k for k, pool in enumerate(pools) if pool.kind == of and cause in (None, pool.cause)]
    if len(chosen) != 1:
        known = sorted({f"of={pool.kind!r}, cause={pool.cause!r}" for pool in pools})
        raise ModelError(
            f"levels are pooled {len(chosen)} times of={of!r}, cause={cause!r}, where one is drawn: "
            + ("there are " + "; ".join(known) if known else "declare contagion(..., by=..., pooled=True)")
        )
    pool = pools[chosen[0]]
    drawn = posterior.draws.spread[..., len(posterior.effects.blocks) + chosen[0]].ravel()
    edges = np.linspace(0.0, max(float(drawn.max()), 3.0 * pool.spread), BINS + 1)
    density = np.histogram(drawn, edges, density=True)[0]
    prior = math.sqrt(2.0 / math.pi) / pool.spread * np.exp(-0.5 * (edges / pool.spread) ** 2)
    bars = [
        {"low": float(low), "high": float(high), "density": float(y)}
        for low, high, y in zip(edges[:-1], edges[1:], density, strict=True)
    ]
    line = [{"low": float(x), "density": float(y)} for x, y in zip(edges, prior, strict=True)]
    low, middle, high = np.quantile(drawn, [0.025, 0.5, 0.975])
    what = f"log {pool.kind.replace('_', '-')} of {pool.cause}"
    finding = (
        f"The {len(pool.labels)} levels differ in {what} by a standard deviation of {middle:.2f} "
        f"({low:.2f} to {high:.2f})"
    )
    x = alt.Axis(title=f"standard deviation of {what}", grid=False)
    y = alt.Y("density:Q", axis=alt.Axis(title="density"))
    layers: list[Any] = [
        alt.Chart(alt.InlineData(values=bars))
        .mark_bar(color=colour("band"))
        .encode(x=alt.X("low:Q", axis=x), x2=alt.X2("high"), y=y),
        alt.Chart(alt.InlineData(values=line))
        .mark_line(color=colour("ink"), strokeWidth=2)
        .encode(x="low:Q", y=y),
    ]
    return finished(
        alt.layer(*layers),
        posterior.history.citation or posterior.history.title or posterior.history.name,
        finding,
        f"Bars: draws of the posterior. Line: the prior, half-normal of scale {pool.spread:g}. Where bars follow the "
        "line the data say nothing of the spread.",
        f"Prior and posterior of the standard deviation of {what} among {', '.join(pool.labels)}. {finding}.",
        width,
        220,
        titled,
    )
