"""Simulation-based calibration of the sampler, with its rank plots.

    python verify/sbc.py [--simulations 500] [--out docs/sbc]

Parameters are drawn from the prior, a world from the parameters, a posterior from the world. If prior,
simulation, likelihood and sampler belong together, the rank of each true value among the draws is uniform
(Talts, Betancourt, Simpson, Vehtari & Gelman 2018). The worlds come from the simulation kernels and the
posterior from the likelihood kernels, so this checks the one against the other as well. Four models: `wave`
(propensity and infectiousness with covariates, a way back), `memory` (half-life and alpha estimated), `effects`
(frailty and a common shock) and `pooled` (levels whose mass and half-life are drawn from one distribution).
"""

from __future__ import annotations

import argparse
from pathlib import Path
from sys import stdout

import numpy as np
import pandas as pd
from scipy.stats import chi2

import tocsin as tc
from tocsin.bayes.nuts import draw
from tocsin.bayes.posterior import draw_effects, simulate_draws
from tocsin.bayes.random_effects import with_effects
from tocsin.bayes.target import Belief, Target
from tocsin.fit.maximum.constraint import Prior

DRAWS, THIN, BINS = 400, 4, 10  # 99 draws are kept, so a rank is 0..99
STATE = tc.StateVariable("s", ["old", "new"])
RIOT = tc.StateVariable("riot", ["yes"], recurrent=True)
MODELS = ("wave", "memory", "effects", "pooled")


def ring(units: int, weight: float = 1.0) -> pd.DataFrame:
    """Each unit is tied to the next two."""
    rows = [("l", f"u{a}", f"u{(a + step) % units}", weight) for a in range(units) for step in (1, 2)]
    return pd.DataFrame(rows, columns=["layer", "source", "target", "weight"])


def setting(name: str) -> tuple[tc.Model, tc.History, Prior, dict[str, list[str]]]:
    """Return a model, a history without events, a prior and the random effects to calibrate."""
    if name == "wave":
        units = pd.DataFrame({"unit": [f"u{k}" for k in range(12)], "x": np.linspace(-1.0, 1.0, 12)})
        history = tc.History(units, ties=ring(12), variables=[STATE], window=(0, 10), layers=["l"])
        cause = tc.contagion("l", when="s=new", infectiousness="x")
        there = tc.Transition("s", "old", "new", tc.baseline("1 + x"), cause)
        model = tc.Model([STATE], [there, tc.Transition("s", "new", "old", tc.baseline())])
        return model, history, tc.weak_prior(coefficient=0.7, strength=1.0), {}
    if name == "memory":
        units = pd.DataFrame({"unit": [f"u{k}" for k in range(6)]})
        history = tc.History(units, ties=ring(6, 0.4), variables=[RIOT], window=(0, 20), layers=["l"])
        cause = tc.contagion("l", when="riot=yes", half_life="estimate", response="power")
        model = tc.Model([RIOT], [tc.Transition("riot", "yes", "yes", tc.baseline(), cause)])
        return model, history, tc.weak_prior(strength=0.7, half_life=1.0, alpha=0.3), {}
    if name == "pooled":
        units = pd.DataFrame({"unit": [f"u{k}" for k in range(8)], "wave": list("abcd") * 2})
        history = tc.History(units, ties=ring(8, 0.5), variables=[RIOT], window=(0, 20), layers=["l"])
        cause = tc.contagion("l", when="riot=yes", half_life="estimate", by="wave", pooled=True)
        model = tc.Model([RIOT], [tc.Transition("riot", "yes", "yes", tc.baseline(), cause)])
        return model, history, tc.weak_prior(strength=0.7, half_life=0.7), {}
    units = pd.DataFrame({"unit": [f"u{k}" for k in range(10)]})
    history = tc.History(units, ties=ring(10), variables=[STATE], window=(0, 12), layers=["l"])
    there = tc.Transition("s", "old", "new", tc.baseline(), tc.contagion("l", when="s=new"))
    model = tc.Model([STATE], [there, tc.Transition("s", "new", "old", tc.baseline())])
    return (
        model,
        history,
        tc.weak_prior(strength=1.0),
        {"frailty": ["s: old > new"], "shock": ["s: new > old"]},
    )


def ranks(name: str, simulations: int, seed: int = 1) -> pd.DataFrame:
    """Return the rank of each true value among the draws of its posterior, one row a simulation."""
    model, history, prior, wanted = setting(name)
    effects = with_effects(model, history, **wanted)
    belief = Belief.of(prior, effects.plain)
    rng = np.random.default_rng(seed)
    vectors, pooled = belief.draw(rng, simulations)
    spreads, effect = draw_effects(effects, rng, simulations)
    spreads = np.concatenate([spreads, pooled], axis=1)
    ensemble = simulate_draws(effects, vectors, effect, simulations, seed, (), None, history)
    rows = []
    for k in range(simulations):
        seen = with_effects(model, ensemble.history(k), **wanted)
        drawn = draw(Target(seen, belief), DRAWS, 400, 1, seed + k)
        found = np.concatenate([drawn.vector[0], drawn.spread[0]], axis=1)[THIN - 1 :: THIN][:99]
        rows.append((found < np.concatenate([vectors[k], spreads[k]])).sum(axis=0))
    names = [*effects.plain.parameter_names, *(f"{b.transition} | {b.kind} | sd" for b in effects.blocks)]
    names += [pool.name for pool in belief.pools]
    return pd.DataFrame(rows, columns=names)


def uniform(ranks_of: pd.DataFrame) -> pd.Series[float]:
    """Return the p-value of each parameter's ranks if they were uniform (chi-square, ten bins)."""
    result = {}
    for name in ranks_of:
        counts = np.bincount(ranks_of[name].to_numpy() * BINS // 100, minlength=BINS)
        expected = len(ranks_of) / BINS
        result[str(name)] = float(chi2.sf(((counts - expected) ** 2 / expected).sum(), BINS - 1))
    return pd.Series(result)


def picture(ranks_of: pd.DataFrame, title: str) -> object:
    """Return histograms of the ranks, with the band that holds 99% of the bars of uniform ranks."""
    import altair
    from scipy.stats import binom

    low, high = binom.ppf([0.005, 0.995], len(ranks_of), 1 / BINS)
    long = ranks_of.melt(var_name="parameter", value_name="rank")
    bars = (
        altair.Chart(
            long.groupby(["parameter", long["rank"] * BINS // 100]).size().rename("count").reset_index()
        )
        .mark_bar(color="#8c2d04")
        .encode(
            altair.X("rank:O", title="tenth of the ranks", axis=altair.Axis(labels=False)),
            altair.Y("count:Q", title="simulations"),
        )
    )
    band = (
        altair.Chart()
        .transform_aggregate(simulations="sum(count)")  # one rectangle a facet
        .mark_rect(opacity=0.25, color="#555")
        .encode(y=altair.datum(low), y2=altair.datum(high))
    )
    layered = altair.layer(band, bars, data=bars.data).properties(width=170, height=90)
    return layered.facet(
        facet=altair.Facet("parameter:N", title=None, header=altair.Header(labelLimit=260)), columns=3
    ).properties(title=title)


def main() -> None:
    """Run all and write pictures and p-values."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--simulations", type=int, default=500)
    parser.add_argument("--out", type=Path, default=Path("docs/sbc"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("models", nargs="*", default=MODELS)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for name in options.models:
        found = ranks(name, options.simulations, options.seed)
        chart = picture(
            found, f"{name}: {options.simulations} simulations; the band holds 99% of uniform bars"
        )
        chart.save(options.out / f"{name}.svg")
        values = uniform(found)
        values.rename_axis("parameter").rename("p").to_csv(options.out / f"{name}.csv")
        stdout.write(f"{name}\n{values.round(3).to_string()}\n\n")


if __name__ == "__main__":
    main()
