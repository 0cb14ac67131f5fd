"""Case 6: without contagion the likelihood is that of a Poisson regression with log exposure as offset.

Each unit's time at risk is cut where its covariates change; the rows are fitted by statsmodels (Holford 1980;
Laird & Olivier 1981). Coefficients, standard errors and log-likelihood must agree.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

import tocsin as tc


def record(seed: int) -> tuple[tc.History, pd.DataFrame]:
    """A recurrent process with two changing covariates, and its rows: unit, at risk, events, covariates."""
    rng = np.random.default_rng(seed)
    riot = tc.StateVariable("riot", ["yes"], recurrent=True)
    units, cover, events, rows = [], [], [], []
    for number in range(60):
        unit = f"unit {number:02d}"
        enter, leave = (0.0, 40.0) if number % 3 else (5.0, 32.5)
        size = float(rng.normal())
        units.append((unit, enter, leave, size))
        cuts = [enter, *sorted(rng.uniform(enter, leave, 3)), leave]
        for begin, end in pairwise(cuts):
            hunger, war = float(rng.normal()), float(rng.integers(0, 2))
            cover += [(unit, "hunger", hunger, begin, end), (unit, "war", war, begin, end)]
            rate = np.exp(-2.5 + 0.6 * hunger - 0.7 * war + 0.3 * size)
            times = rng.uniform(begin, end, rng.poisson(rate * (end - begin)))
            events += [(unit, "riot", "yes", float(time)) for time in times]
            rows.append((end - begin, len(times), hunger, war, size))

    def table(columns: str, tuples: list[tuple[object, ...]]) -> pd.DataFrame:
        return pd.DataFrame(tuples, columns=columns.split())

    history = tc.History(
        units=table("unit enter exit size", units),
        events=table("unit variable state time", events),
        covariates=table("unit covariate value start end", cover),
        variables=[riot],
        window=(0, 40),
    )
    return history, table("risk events hunger war size", rows)


@pytest.mark.parametrize("seed", range(3))
def test_recurrent_events(seed: int) -> None:
    history, rows = record(seed)
    model = tc.Model(
        list(history.variables), [tc.Transition("riot", "yes", "yes", tc.baseline("1 + hunger * war + size"))]
    )
    fit = model.fit(history)
    design = sm.add_constant(rows[["hunger", "war", "size"]].assign(both=rows.hunger * rows.war))
    rival = sm.GLM(rows.events, design, sm.families.Poisson(), offset=np.log(rows.risk)).fit(tol=1e-14)
    names = {"const": "1", "hunger": "hunger", "war": "war", "size": "size", "both": "hunger:war"}
    summary = fit.summary()
    for theirs, term in names.items():
        name = f"riot: yes > yes | baseline | propensity | {term}"
        assert fit.params[name] == pytest.approx(rival.params[theirs], abs=1e-6)
        assert summary.loc[name, "se"] == pytest.approx(rival.bse[theirs], abs=1e-6)
    # A Poisson row of n events and mean m has n log m - m - log n!; ours counts n log(rate), rate = m / risk.
    counted = rows.events * np.log(rival.mu / rows.risk) - rival.mu
    assert fit.loglik == pytest.approx(counted.sum(), abs=1e-6)


def test_three_states_are_three_regressions() -> None:
    # Competing risks: each transition has its own rows, those of the units in its state of origin.
    rng = np.random.default_rng(17)
    stage = tc.StateVariable("stage", ["old", "new", "lost"])
    moves = {("old", "new"): (-1.5, 0.5), ("old", "lost"): (-2.5, -0.5), ("new", "lost"): (-1.0, 0.3)}
    units, events, rows = [], [], []
    for number in range(300):
        size, unit, state, time = float(rng.normal()), f"{number:03d}", "old", 0.0
        units.append((unit, size))
        while True:
            rates = {to: np.exp(a + b * size) for (origin, to), (a, b) in moves.items() if origin == state}
            if not rates:
                break
            waits = {to: rng.exponential(1 / rate) for to, rate in rates.items()}
            to = min(waits, key=waits.__getitem__)
            span = min(waits[to], 6.0 - time)
            rows += [(state, other, span, float(other == to and waits[to] == span), size) for other in rates]
            time += span
            if time >= 6.0:
                break
            events.append((unit, "stage", to, time))
            state = to
    history = tc.History(
        units=pd.DataFrame(units, columns=["unit", "size"]),
        events=pd.DataFrame(events, columns=["unit", "variable", "state", "time"]),
        variables=[stage],
        window=(0, 6),
    )
    model = tc.Model([stage], [tc.Transition("stage", a, b, tc.baseline("1 + size")) for a, b in moves])
    fit = model.fit(history)
    table = pd.DataFrame(rows, columns=["origin", "to", "risk", "events", "size"])
    for origin, to in moves:
        mine = table[(table.origin == origin) & (table.to == to)]
        rival = sm.GLM(
            mine.events, sm.add_constant(mine[["size"]]), sm.families.Poisson(), offset=np.log(mine.risk)
        ).fit(tol=1e-14)
        for theirs, term in (("const", "1"), ("size", "size")):
            name = f"stage: {origin} > {to} | baseline | propensity | {term}"
            assert fit.params[name] == pytest.approx(rival.params[theirs], abs=1e-6)
            assert fit.summary().loc[name, "se"] == pytest.approx(rival.bse[theirs], abs=1e-6)
