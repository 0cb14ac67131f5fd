"""Published fits, checked on the data behind them, which the reader downloads from CRAN.

    uv run --group published python verify/published.py hagelloch --data hagelloch.RData
    uv run --group published python verify/published.py villages --data kfamily.rdata

`hagelloch`: measles among the children of a village, 1861; data/hagelloch.RData of the R package surveillance, and the
fit of its vignette "twinSIR" (Meyer, Held & Höhle 2017). `villages`: family planning in 25 Korean villages (Rogers &
Kincaid 1981); data/kfamily.rdata of the R package netdiffuseR, and regressions on lagged exposure by statsmodels and
SciPy.

Prints the numbers side by side; exits with 1 if any differ by more than is said, 2 if the command line is wrong.
"""

from __future__ import annotations

import argparse
import math
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import tocsin as tc

HEALTH = tc.StateVariable("health", ["susceptible", "infectious", "removed"])
LAYERS = ("household", "c1", "c2", "nothousehold")
HERE = ("baseline", *LAYERS)

# The vignette, section 3.1: twinSIR(~household + c1 + c2 + nothousehold, data = hagelloch). Strengths are rates
# per day and infectious child, the baseline is the logarithm of one.
PRINTED = {
    "baseline": (-7.362644, 0.887989),
    "household": (0.026868, 0.006113),
    "c1": (0.023892, 0.005026),
    "c2": (0.002932, 0.000755),
    "nothousehold": (0.000831, 0.000142),
}
PRINTED_LOGLIK = -619
PRINTED_PROFILES = {"c1": (0.015219, 0.034969), "c2": (0.001576, 0.004535)}
# The same call with optim.args = list(control = list(factr = 10, maxit = 2000)): the optimiser runs on to its end.
TO_THE_END = {
    "baseline": (-7.3628041428805, 0.8880110542148),
    "household": (0.0268638415341, 0.0061127551800),
    "c1": (0.0238775655845, 0.0050235993353),
    "c2": (0.0029319313305, 0.0007547157707),
    "nothousehold": (0.0008313884645, 0.0001416125240),
}
TO_THE_END_LOGLIK = -619.43275860141
ROOTS = 1.3e-4  # how far R's uniroot may stop from a bound of a profile by default

USE = tc.StateVariable("method", ["none", "uses"])
QUESTIONS = [f"net{question}{place}" for question in range(1, 9) for place in range(1, 6)]
FIRST, LAST = 2, 10  # years of adoption 1 to 10 are 1964 to 1973; 11 is: not until the survey


class Table:
    """Lines that set numbers side by side, and whether all of them agree."""

    def __init__(self, first: str, second: str) -> None:
        self.agree = True
        self.rows = [("", first, second, "apart", "allowed")]

    def add(
        self, name: str, theirs: float, ours: float, allowed: float, scale: float = 1.0, digits: int = 10
    ) -> None:
        """Add a line; `allowed` is how far apart the two may be, in units of `scale`."""
        apart = abs(ours - theirs) / scale
        good = apart <= allowed
        self.agree &= good
        numbers = (f"{theirs:.{digits}g}", f"{ours:.{digits}g}", f"{apart:.1e}", f"{allowed:.1e}")
        self.rows.append((name + ("" if good else " (differs)"), *numbers))

    def show(self, title: str) -> bool:
        """Print the table under its title and say whether all agree."""
        width = [max(map(len, column)) for column in zip(*self.rows, strict=True)]
        lines = [
            "  ".join(
                [row[0].ljust(width[0]), *(c.rjust(w) for c, w in zip(row[1:], width[1:], strict=True))]
            )
            for row in self.rows
        ]
        sys.stdout.write("\n".join([title, *lines, "", ""]))
        return self.agree


def read(path: Path, *names: str) -> list[pd.DataFrame]:
    """Return named objects of an R data file; raise ValueError saying what stands in the way."""
    try:
        import rdata
    except ImportError:
        raise ValueError("the package rdata is needed: uv run --group published python ...") from None
    if not path.is_file():
        raise ValueError(f"no file {path}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # classes of R that pandas has no like of
        found = dict(rdata.read_rda(path))
    lost = [name for name in names if name not in found]
    if lost:
        raise ValueError(f"{path} holds {', '.join(found)}, and no {lost[0]}")
    return [found[name] for name in names]


# --- measles in Hagelloch, 1861 ---------------------------------------------------------------------------


def measles(children: pd.DataFrame) -> tc.History:
    """Return the epidemic: who was infectious from when to when, and who met whom.

    Parameters:
        children: one row a child: PN (its number), HN (its house), CL (its class), tI and tR (days).
    """
    kids = pd.DataFrame(
        {
            "unit": children["PN"].astype(str),
            "house": children["HN"],
            "school": children["CL"].astype(str),
            "infectious": children["tI"],
            "removed": children["tR"],
        }
    )
    events = kids.melt("unit", ["infectious", "removed"], "state", "time").assign(variable="health")
    pairs = kids.merge(kids, how="cross", suffixes=("_source", "_target"))
    pairs = pairs[pairs["unit_source"] != pairs["unit_target"]]
    home = pairs["house_source"] == pairs["house_target"]
    mates = pairs["school_source"] == pairs["school_target"]
    meet = {
        "household": home,
        "nothousehold": ~home,
        "c1": mates & (pairs["school_target"] == "1st class"),
        "c2": mates & (pairs["school_target"] == "2nd class"),
    }
    ties = pd.concat([pairs[who].assign(layer=layer) for layer, who in meet.items()])
    ties = ties.rename(columns={"unit_source": "source", "unit_target": "target"})
    # The first child fell ill before the window, so it is infectious when the window opens.
    return tc.History(
        kids[["unit"]],
        events,
        ties[["layer", "source", "target"]],
        variables=[HEALTH],
        window=(0.0, float(kids["removed"].max())),
        name="hagelloch",
    )


def epidemic() -> tc.Model:
    """Return the model of the vignette: a baseline and four contagions, whose hazards add."""
    spread = [tc.contagion(layer, when="health=infectious") for layer in LAYERS]
    return tc.Model([HEALTH], [tc.Transition("health", "susceptible", "infectious", tc.baseline(), *spread)])


def natural(fit: tc.Fit) -> dict[str, tuple[float, float]]:
    """Return estimates and standard errors on the scale of the vignette, by cause."""
    found = {}
    for name, row in fit.summary().iterrows():
        cause = str(name).split(" | ")[1]
        strength = row["exp(estimate)"]
        found[cause] = (
            (row["estimate"], row["se"]) if cause == "baseline" else (strength, strength * row["se"])
        )
    return found


def rowwise(rows: pd.DataFrame, values: dict[str, tuple[float, float]]) -> float:
    """Return the log-likelihood of the counting-process rows that surveillance itself has made of the data."""
    at_risk = rows[rows["atRiskY"] == 1]
    strength = np.array([values[layer][0] for layer in LAYERS])
    rate = math.exp(values["baseline"][0]) + at_risk[list(LAYERS)].to_numpy() @ strength
    happened = at_risk["event"].to_numpy() == 1
    return float(np.log(rate[happened]).sum() - rate @ (at_risk["stop"] - at_risk["start"]).to_numpy())


def hagelloch(path: Path) -> bool:
    """Compare the fit of the vignette with ours."""
    children, rows = read(path, "hagelloch.df", "hagelloch")
    history = measles(children)
    fit = epidemic().fit(history)
    ours = natural(fit)

    printed = Table("vignette", "Tocsin")
    for cause in HERE:
        value, se = PRINTED[cause]
        printed.add(cause, value, ours[cause][0], 0.01, se, 6)
        printed.add(f"{cause}, se", se, ours[cause][1], 1e-3 + 5e-7 / se, se, 6)
    printed.add("log-likelihood", PRINTED_LOGLIK, fit.loglik, 0.5, digits=6)
    for cause, bounds in PRINTED_PROFILES.items():
        name = next(x for x in fit.params.index if f"| {cause} |" in x)
        limits = np.exp(fit.intervals(names=[name])[["lower", "upper"]].to_numpy()[0])
        for side, theirs, mine in zip(("lower", "upper"), bounds, limits, strict=True):
            printed.add(f"{cause}, profile {side} 95%", theirs, mine, ROOTS, digits=6)
    good = printed.show(
        "As printed in the vignette; estimates are compared in standard errors, the rest as it is"
    )

    exact = Table("twinSIR", "Tocsin")
    for cause in HERE:
        for what, theirs, mine in zip(("", ", se"), TO_THE_END[cause], ours[cause], strict=True):
            exact.add(cause + what, theirs, mine, 1e-6, abs(theirs))
    exact.add("log-likelihood", TO_THE_END_LOGLIK, fit.loglik, 1e-9, abs(TO_THE_END_LOGLIK), 12)
    good &= exact.show("twinSIR with its optimiser run to the end (factr = 10), compared relatively")

    same = Table("rows", "Tocsin")
    same.add("log-likelihood", rowwise(rows, ours), fit.loglik, 1e-12, abs(fit.loglik), 12)
    there = {
        name: value if name.split(" | ")[1] == "baseline" else math.log(value)
        for name in fit.params.index
        for value in [PRINTED[name.split(" | ")[1]][0]]
    }
    at_printed = epidemic().with_params(there).log_likelihood(history)
    same.add("at the printed estimates", rowwise(rows, PRINTED), at_printed, 1e-12, 600.0, 12)
    good &= same.show("The likelihood itself, from the rows that surveillance makes of the data")
    return good


# --- family planning in Korean villages -------------------------------------------------------------------


def women(survey: pd.DataFrame) -> tuple[tc.History, pd.DataFrame]:
    """Return the history by year, 1965 to 1973, and the rows of a regression.

    A woman is exposed to those whom she names in answer to any question and who were surveyed in her village:
    the graph of `kfamilyDiffNet`. Her exposure in a year is the share of them who had adopted before it. Those
    who had adopted in 1964 use a method when the record begins, as no exposure before it is known.
    """
    village = survey["village"].astype(int)
    name = (village * 1000 + survey["id"].astype(int)).astype(str).to_numpy()
    year = dict(zip(name, survey["toa"].astype(int), strict=True))
    home = dict(zip(name, "village " + village.astype(str), strict=True))
    named = survey[QUESTIONS].fillna(0).astype(int).assign(target=name, village=village.to_numpy())
    named = named.melt(["target", "village"], value_name="id")
    named = named.assign(source=(named["village"] * 1000 + named["id"]).astype(str))
    known = named["source"].isin(year) & (named["source"] != named["target"]) & (named["id"] > 0)
    ties = named.loc[known, ["source", "target"]].drop_duplicates()
    friends = ties.groupby("target")["source"].apply(list).to_dict()

    rows = pd.DataFrame(
        [
            (unit, 1963 + t, int(year[unit] == t), home[unit], float(np.mean([year[x] < t for x in who])))
            for unit in year
            for who in [friends.get(unit, [unit])]  # who names nobody is exposed to nobody: a share of zero
            for t in range(FIRST, min(year[unit], LAST) + 1)
        ],
        columns=["unit", "year", "adopts", "village", "exposure"],
    )
    date = rows["year"].astype(str)
    adopted = rows.loc[rows["adopts"] == 1, ["unit", "year"]].astype(str).rename(columns={"year": "time"})
    begin = ["uses" if year[unit] < FIRST else "none" for unit in year]
    history = tc.History(
        {"unit": list(year), "village": list(home.values()), "method": begin},
        adopted.assign(variable="method", state="uses"),
        ties.assign(layer="talk"),
        rows[["unit"]].assign(covariate="exposure", value=rows["exposure"], start=date, end=date),
        variables=[USE],
        window=(str(1963 + FIRST), str(1963 + LAST)),
        clock="year",
        outside={"exposure": 0.0},
        name="villages",
    )
    return history, rows


def adoption(*causes: Any) -> tc.Model:
    """Return a model of the adoption of a method."""
    return tc.Model([USE], [tc.Transition("method", "none", "uses", *causes)])


def regression(rows: pd.DataFrame, terms: Sequence[str]) -> tuple[Any, Any, float]:
    """Return coefficients, standard errors and log-likelihood of a complementary log-log regression."""
    import statsmodels.api as sm

    columns = [pd.get_dummies(rows[term], drop_first=True, dtype=float) for term in terms]
    design = pd.concat([*columns, rows["exposure"]], axis=1)
    design.insert(0, "1", 1.0)
    model = sm.GLM(rows["adopts"], design.to_numpy(), sm.families.Binomial(link=sm.families.links.CLogLog()))
    found = model.fit(tol=1e-14, maxiter=200)
    information = -model.hessian(found.params, observed=True)
    return found.params.to_numpy(), np.sqrt(np.diag(np.linalg.inv(information))), float(found.llf)


def summed(rows: pd.DataFrame) -> tuple[Any, Any, float]:
    """Return the fit by SciPy of the hazard e^a + e^b exposure, of which a year sees 1 - exp(-hazard)."""
    from scipy.optimize import minimize

    adopts, exposure = rows["adopts"].to_numpy() == 1, rows["exposure"].to_numpy()

    def parts(at: Any) -> tuple[Any, Any]:
        each = np.exp(at)[:, None] * np.stack([np.ones_like(exposure), exposure])
        return each, each.sum(axis=0)

    def fall(at: Any) -> float:
        rate = parts(at)[1]
        return -float(np.where(adopts, np.log(-np.expm1(-rate)), -rate).sum())

    def slope(at: Any) -> Any:
        each, rate = parts(at)
        return -each @ np.where(adopts, 1 / np.expm1(rate), -1.0)

    def curvature(at: Any) -> Any:
        each, rate = parts(at)
        bend = np.where(adopts, np.exp(rate) / np.expm1(rate) ** 2, 0.0)
        return (each * bend) @ each.T + np.diag(slope(at))

    found = minimize(
        fall, [-2.0, -2.0], jac=slope, hess=curvature, method="trust-exact", options={"gtol": 1e-10}
    )
    return found.x, np.sqrt(np.diag(np.linalg.inv(curvature(found.x)))), -float(found.fun)


def villages(path: Path) -> bool:
    """Compare regressions of lagged exposure, and summed causes, with other programs on the same rows."""
    return compare(*women(*read(path, "kfamily")))


def compare(history: tc.History, rows: pd.DataFrame) -> bool:
    """Print what other programs find on the rows beside what Tocsin finds in the history."""
    talk = tc.contagion("talk", when="method=uses", normalise="target")
    good = True
    for title, rival, (theirs, errors, height), fit in (
        (
            "Lagged exposure as a covariate: baseline(1 + exposure)",
            "statsmodels",
            regression(rows, []),
            adoption(tc.baseline("1 + exposure")).fit(history),
        ),
        (
            "With years and villages: baseline(1 + C(year) + C(village) + exposure)",
            "statsmodels",
            regression(rows, ["year", "village"]),
            adoption(tc.baseline("1 + C(year) + C(village) + exposure")).fit(history),
        ),
        (
            "Exposure as a cause of its own: baseline(1), contagion(talk, normalise=target)",
            "SciPy",
            summed(rows),
            adoption(tc.baseline(), talk).fit(history),
        ),
    ):
        table = Table(rival, "Tocsin")
        table.add("woman-years at risk", len(rows), fit.transitions["exposure"].iloc[0], 0.0)
        table.add("adoptions", rows["adopts"].sum(), fit.nobs, 0.0)
        ours = fit.summary()
        if theirs.size != len(ours):
            raise SystemExit(f"{rival} has {theirs.size} coefficients, Tocsin {len(ours)}")
        for name, value, se, (_, row) in zip(ours.index, theirs, errors, ours.iterrows(), strict=True):
            _, cause, _, term = name.split(" | ")
            if "[" in term:  # one of many years or villages: compared, and told as the farthest of all
                continue
            table.add(f"{cause}, {term}", value, row["estimate"], 1e-6)
            table.add(f"{cause}, {term}, se", se, row["se"], 1e-6)
        if len(ours) > 2:
            far = int(np.argmax(np.abs(theirs - ours["estimate"].to_numpy())))
            where = ours.index[far].split(" | ")[3]
            table.add(f"farthest of {len(ours)}: {where}", theirs[far], ours["estimate"].iloc[far], 1e-6)
        table.add("log-likelihood", height, fit.loglik, 1e-6)
        good &= table.show(title)
    return good


def main() -> int:
    """Read the command line, compare, and return 0 where all agrees, else 1."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("which", choices=["hagelloch", "villages"])
    parser.add_argument("--data", type=Path, required=True, help="the data file of the R package")
    chosen = parser.parse_args()
    try:
        good = {"hagelloch": hagelloch, "villages": villages}[chosen.which](chosen.data)
    except ValueError as wrong:
        parser.error(str(wrong))
    sys.stdout.write("All agree.\n" if good else "Not all agree.\n")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
