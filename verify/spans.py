"""How often the intervals of a fit hold the truth where the times of events are known by spans only.

uv run python verify/spans.py [HISTORIES] [--write]    HISTORIES of each design (150), about 3 s each

Histories are simulated from known parameters; each unit is then seen at visits, two units of time apart and beginning
at a moment of its own, so that a move is known to lie between two of them. The parameters are estimated with those
spans, and, for comparison, with the exact times and with the earliest time of each span. `--write` writes
docs/spans.md.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np

import tocsin as tc

S = tc.StateVariable("s", ["a", "b"])
PAGE = Path(__file__).parent.parent / "docs" / "spans.md"
LEVEL, GAP, END = 0.9, 2.0, 12.0
PLAIN = "apart"
DESIGNS: dict[str, tuple[int, Any, dict[str, float]]] = {
    PLAIN: (
        30,
        [tc.baseline("1 + x")],
        {
            "s: a > b | baseline | propensity | 1": -2.0,
            "s: a > b | baseline | propensity | x": 0.7,
        },
    ),
    "contagion": (
        24,
        [tc.baseline(), tc.contagion("l", when="s=b")],
        {
            "s: a > b | baseline | propensity | 1": -3.2,
            "s: a > b | l | susceptibility | 1": -1.0,
        },
    ),
}
TIMES = ("exact times", "spans", "earliest times")


def simulated(design: str, number: int) -> tuple[tc.Model, dict[str, tc.History]]:
    """Return the model of a design, and one simulated history as each reader of its times has it."""
    count, causes, params = DESIGNS[design]
    model = tc.Model([S], [tc.Transition("s", "a", "b", *causes)])
    rng = np.random.default_rng([1917, list(DESIGNS).index(design), number])
    names = [f"u{k:02d}" for k in range(count)]
    units = {"unit": names, "x": rng.normal(size=count)}
    ties = {
        "layer": "l",
        "source": [a for a in names for _ in range(2)],
        "target": [names[(k + step) % count] for k in range(count) for step in (1, 2)],
    }
    shared: dict[str, Any] = {"variables": [S], "window": (0.0, END), "layers": ["l"]}
    empty = tc.History(units, ties=ties, **shared)
    events = model.with_params(params).simulate(empty, worlds=1, seed=number).events.to_pandas()
    time = events["time"].to_numpy()
    phase = rng.uniform(0.0, GAP, len(events))
    low = np.floor((time - phase) / GAP) * GAP + phase
    table = {"unit": events["unit"].astype(str).tolist(), "variable": "s", "state": "b"}
    low = np.maximum(low, 0.0)
    known = {
        "exact times": {"time": time},
        "spans": {"time": low, "time_latest": np.minimum(low + GAP, END)},
        "earliest times": {"time": np.maximum(low, 1e-6)},
    }
    return model, {name: tc.History(units, {**table, **each}, ties, **shared) for name, each in known.items()}


def study(histories: int) -> list[tuple[str, str, str, int, float, float, float, float]]:
    """Return a row for each design, reading of the times and parameter; see `page`."""
    rows = []
    for design, (_, _, params) in DESIGNS.items():
        held: dict[tuple[str, str], list[tuple[float, float, float]]] = {}
        noise: list[float] = []
        for number in range(histories):
            model, read = simulated(design, number)
            if len(read["spans"].events) < 4:
                continue
            for name in TIMES:
                fit = model.fit(read[name])
                if name == "spans":
                    noise.append(fit.loglik_error)
                table = fit.intervals(LEVEL)
                for parameter, true in params.items():
                    row = table.loc[parameter]
                    error = row["estimate"] - true if np.isfinite(row["estimate"]) else np.nan
                    held.setdefault((name, parameter), []).append(
                        (float(row["lower"] <= true <= row["upper"]), error, row["upper"] - row["lower"])
                    )
            if sys.stderr.isatty():
                sys.stderr.write(f"\r{design}: {number + 1} of {histories}")
        for (name, parameter), found in held.items():
            values = np.array(found)
            error, width = (
                np.nanmedian(np.where(np.isfinite(values[:, k]), values[:, k], np.nan)) for k in (1, 2)
            )
            most = max(noise) if name == "spans" else 0.0
            short = ", ".join(parameter.split(" | ")[1:])
            rows.append(
                (design, short, name, len(values), values[:, 0].mean(), float(error), float(width), most)
            )
    return rows


def page(rows: list[tuple[str, str, str, int, float, float, float, float]], histories: int) -> str:
    """Return docs/spans.md."""
    table = "\n".join(
        f"| {design} | {name} | {times} | {count} | {held:.3f} | {error:+.3f} | {width:.2f} | {noise:.3f} |"
        for design, name, times, count, held, error, width, noise in rows
    )
    doubt = np.sqrt(LEVEL * (1 - LEVEL) / histories)
    return f"""# Events in spans: how often intervals hold the truth

Made by `uv run python verify/spans.py {histories} --write`. In each of {histories} simulated histories of two designs every
move is known to lie between two visits, {GAP:g} units of time apart in a window of {END:g}. *Apart*: 30 units that do not hear
of each other, with a covariate; the likelihood is exact. *Contagion*: 24 units on a ring, each tied to the next two; the
times enter the hazards of others, and the likelihood is a mean over drawn times. Profile intervals of {LEVEL:.0%}; with so
many histories a coverage of {LEVEL:g} is seen with a standard error of {doubt:.3f}.

| design | parameter | fitted on | histories | coverage | median error | median width | largest Monte-Carlo error |
|---|---|---|---|---|---|---|---|
{table}

Histories with fewer than four events are left out. A median width is over the intervals with two ends; the Monte-Carlo
error is that of the log-likelihood.
"""  # noqa: E501


def main() -> None:
    """Print the page, or write it into the documents."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("histories", type=int, nargs="?", default=150, help="of each design")
    parser.add_argument("--write", action="store_true", help=f"into {PAGE.name}")
    asked = parser.parse_args()
    text = page(study(asked.histories), asked.histories)
    if asked.write:
        PAGE.write_text(text, encoding="utf-8")
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
