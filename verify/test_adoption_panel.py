"""Adoption in the four cities of Medical Innovation as a panel of months, as political scientists would fit it.

Each doctor and month before adoption is a row; the lagged exposure is the number of colleagues whom the doctor names
and who had adopted before the month. The rival is a complementary log-log regression of statsmodels on these rows.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

import tocsin as tc

FOLDER = Path(__file__).parents[2] / "shared" / "data" / "netdiffuseR"
pytestmark = pytest.mark.skipif(not FOLDER.exists(), reason="../shared/data is absent")
DRUG = tc.StateVariable("drug", ["without", "with"])
LAST = 17


def panel() -> tuple[tc.History, pd.DataFrame]:
    """The history by month from January 1954, and the rows of a regression."""
    nodes = pd.read_csv(FOLDER / "medInnovations_nodes.csv")
    edges = pd.read_csv(FOLDER / "medInnovations_edges.csv")
    month = {str(k): int(t) for k, t in nodes[["id", "toa"]].itertuples(index=False)}
    city = {str(k): f"city {g}" for k, g in nodes[["id", "group"]].itertuples(index=False)}
    named = edges.assign(source=edges["dst"].astype(str), target=edges["src"].astype(str))
    named = named[["source", "target"]].drop_duplicates()
    sources = named.groupby("target")["source"].apply(list).to_dict()

    def date(number: int) -> str:
        return str(np.datetime64("1954-01") + (number - 1))

    rows = [
        (unit, k, int(month[unit] == k), city[unit], sum(month[s] < k for s in sources.get(unit, [])))
        for unit in month
        for k in range(1, min(month[unit], LAST) + 1)
    ]
    table = pd.DataFrame(rows, columns=["unit", "month", "y", "city", "lagged"])
    adopted = {unit: k for unit, k in month.items() if k <= LAST}
    history = tc.History(
        {"unit": list(month), "city": list(city.values())},
        pd.DataFrame(
            {"unit": list(adopted), "variable": "drug", "state": "with", "time": map(date, adopted.values())}
        ),
        named.assign(layer="advice"),
        pd.DataFrame(
            {
                "unit": table["unit"],
                "covariate": "lagged",
                "value": table["lagged"].astype(float),
                "start": table["month"].map(date),
                "end": table["month"].map(date),
            }
        ),
        variables=[DRUG],
        window=(date(1), date(LAST)),
        clock="month",
        outside={"lagged": 0.0},
    )
    return history, table


def model(*causes: object) -> tc.Model:
    return tc.Model([DRUG], [tc.Transition("drug", "without", "with", *causes)])


def test_one_line_gives_the_coefficients_of_a_complementary_log_log_regression() -> None:
    history, rows = panel()
    fit = model(tc.baseline("1 + C(city) + lagged")).fit(history)
    design = pd.get_dummies(rows["city"], drop_first=True, dtype=float).assign(
        lagged=rows["lagged"].astype(float)
    )
    link = sm.families.links.CLogLog()
    rival = sm.GLM(rows["y"], sm.add_constant(design), sm.families.Binomial(link=link)).fit(
        tol=1e-14, maxiter=200
    )
    assert fit.nobs == rows["y"].sum() and fit.transitions["exposure"].iloc[0] == len(rows)
    assert fit.params.to_numpy() == pytest.approx(rival.params.to_numpy(), abs=1e-6)
    assert fit.loglik == pytest.approx(rival.llf, abs=1e-7)


def test_summed_causes_have_the_same_exposure() -> None:
    """Contagion as a cause of its own: at given values the likelihood is that of the rows."""
    history, rows = panel()
    program = model(tc.baseline(), tc.contagion("advice", when="drug=with")).compile(history)
    for home, away in ((-2.5, -3.0), (-3.0, -2.0)):
        rate = np.exp(home) + np.exp(away) * rows["lagged"]
        expected = np.where(rows["y"] == 1, np.log(-np.expm1(-rate)), -rate).sum()
        assert program.loglik([home, away]) == pytest.approx(expected, rel=1e-12)
