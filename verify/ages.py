"""How much the age of a state explains of the ends of 1917, with ages as days and as spans.

    uv run python verify/ages.py [--write]

The four states of 1917 that end (risings, strikes, soviet republics, mutinies), without covariates. Each is fitted with
a constant hazard and with `log(time_in_state)` (Weibull), and the gain of that one parameter is told twice: with every
date as an instant at its beginning, as `model.fit` has it, and with both ends of a spell known to the day only. For the
latter the probability that a spell ends on its day is the mean, over beginnings spread evenly over theirs, of
S(a) - S(a + 1), worked out here on its own. `--write` puts the table into docs/age.md.
"""

# ruff: noqa: T201  (a command prints)

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.polynomial.legendre import leggauss
from scipy.optimize import minimize, minimize_scalar

import tocsin as tc

PAGE = Path(__file__).parents[1] / "docs" / "age.md"

ENDS = (
    ("risings", "order", "rising", "calm"),
    ("strikes", "labour", "strike", "quiet"),
    ("soviet republics", "regime", "soviet", "old"),
    ("mutinies", "army", "mutinous", "loyal"),
)


def fitted(history: tc.History, variable: str, state: str, after: str, formula: str) -> tc.Fit:
    """Return a fit of the ends of a state."""
    states = next(each.states for each in history.variables if each.name == variable)
    move = tc.Transition(variable, state, after, tc.baseline(formula))
    return tc.Model([tc.StateVariable(variable, states)], [move]).fit(history)


def spells(history: tc.History, variable: str, state: str) -> pd.DataFrame:
    """Return the spells of a state: days from its first to its last, and whether it was seen to end."""
    events = history.table("events").to_pandas()
    events = events[events["variable"] == variable].sort_values(["unit", "time"], kind="stable")
    numbers, rows = history.numbers, []
    for unit, own in events.groupby("unit", observed=True):
        leave = numbers.exit[numbers.unit_index[str(unit)]]
        times = [float(history.to_number(str(time)[:10])) for time in own["time"]]
        for begin, end, held in zip(times, [*times[1:], leave], own["state"], strict=True):
            if held == state and begin < leave:
                rows.append((end - begin, end < leave))
    return pd.DataFrame(rows, columns=["days", "ended"])


def as_spans(found: pd.DataFrame) -> tuple[float, float, float]:
    """Return the log-likelihoods of a constant hazard and of Weibull's, and its coefficient, with ages as spans."""
    node, weight = leggauss(12)
    late, share = (node + 1.0) / 2.0, weight / 2.0
    days, ended = found["days"].to_numpy()[:, None], found["ended"].to_numpy()

    def loglik(level: float, power: float) -> float:
        def survival(age: np.ndarray) -> np.ndarray:
            return np.exp(-np.exp(level) * np.maximum(age, 0.0) ** power / power)

        after = np.where(ended[:, None], survival(days + 1.0 - late), 0.0)
        return float(np.log(np.maximum((survival(days - late) - after) @ share, 1e-300)).sum())

    constant = minimize_scalar(lambda v: -loglik(v, 1.0), bounds=(-12.0, 2.0), method="bounded")
    whole = minimize(
        lambda v: -loglik(v[0], np.exp(v[1])), [constant.x, -0.3], method="Nelder-Mead",
        options={"xatol": 1e-8, "fatol": 1e-10},
    )  # fmt: skip
    return -constant.fun, -whole.fun, float(np.exp(whole.x[1]) - 1.0)


def table(history: tc.History) -> pd.DataFrame:
    """Return the gain of one parameter in the ends of each state, with ages as days and as spans."""
    rows = []
    for name, variable, state, after in ENDS:
        constant, aged, pieces = (
            fitted(history, variable, state, after, formula)
            for formula in ("1", "1 + log(time_in_state)", "1 + pieces(time_in_state, 7, 30, 90)")
        )
        level, shape = aged.params.to_numpy()
        found = spells(history, variable, state)
        flat, whole, coefficient = as_spans(found)
        rows.append(
            {
                "ends of": name,
                "spells": len(found),
                "ended": int(found["ended"].sum()),
                "gain, days": aged.loglik - constant.loglik,
                "coefficient, days": shape,
                "gain, spans": whole - flat,
                "coefficient, spans": coefficient,
                "gain of pieces, days": pieces.loglik - constant.loglik,
                "a day, at 7": 100.0 * np.exp(level) * 7.0**shape,
                "a day, at 30": 100.0 * np.exp(level) * 30.0**shape,
                "a day, at 180": 100.0 * np.exp(level) * 180.0**shape,
            }
        )
    return pd.DataFrame(rows)


def page(found: pd.DataFrame) -> str:
    """Return the page of the documents."""
    head = "| " + " | ".join(found.columns) + " |"
    lines = [head, "|" + "---|" * len(found.columns)]
    for row in found.itertuples(index=False):
        cells = [f"{cell:.2f}" if isinstance(cell, float) else str(cell) for cell in row]
        lines.append("| " + " | ".join(cells) + " |")
    republics = found[found["ends of"] == "soviet republics"].iloc[0]
    return f"""# The age of a state in 1917

Made by `uv run python verify/ages.py --write`: the ends of four states without covariates, with a constant hazard and
with `log(time_in_state)`. *Gain* is in units of log-likelihood, for one parameter (for pieces at 7, 30 and 90 days
three). With *days* every date is an instant; with *spans* beginning and end are known to the day only, which matters
where many spells last a day or two: a spell of one day may have lasted an hour or nearly two days. The last columns are
the hazard in per cent a day at ages of 7, 30 and 180 days, from the fit with days.

{chr(10).join(lines)}

A soviet republic that has stood a month falls at {republics["a day, at 30"]:.2f} per cent a day; one that has stood a
week, at {republics["a day, at 7"]:.2f}; half a year, at {republics["a day, at 180"]:.2f}.
"""


def main() -> None:
    """Print the table, or write the page."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--write", action="store_true", help="write docs/age.md")
    chosen = options.parse_args()
    text = page(table(tc.load_history("1917")))
    print(text)
    if chosen.write:
        PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
