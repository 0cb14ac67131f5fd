"""Case 15: are known parameters recovered when propensity, susceptibility, infectiousness and proximity
are all there?

The design follows Greve, Strang & Tuma (1995): units with a covariate of their own that may make them ready
(propensity) or open to others (susceptibility), sources that differ in infectiousness, and ties of unequal
weight (proximity). Theirs is the multiplicative form of the heterogeneous diffusion model; here causes
add, so what is recovered is its additive analogue.

Run as a program it prints the tables: `python verify/recovery.py`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

import tocsin as tc
from tocsin.fit.covariance import identify
from tocsin.fit.maximum.search import Task
from tocsin.fit.predict import Worlds

STATE = tc.StateVariable("state", ["without", "with"])
MOVE = "state: without > with"
TRUTH = {
    f"{MOVE} | baseline | propensity | 1": -4.0,
    f"{MOVE} | baseline | propensity | x": 0.6,
    f"{MOVE} | proximity | susceptibility | 1": -2.2,
    f"{MOVE} | proximity | susceptibility | z": 0.5,
    f"{MOVE} | proximity | infectiousness | y": 0.5,
}
CONFUSED = {
    f"{MOVE} | baseline | propensity | 1": -4.0,
    f"{MOVE} | baseline | propensity | x": 0.6,
    f"{MOVE} | proximity | susceptibility | 1": -2.2,
    f"{MOVE} | proximity | susceptibility | x": 0.5,
    f"{MOVE} | proximity | infectiousness | y": 0.5,
}


def population(count: int = 300, neighbours: int = 4, end: float = 20.0, seed: int = 1995) -> tc.History:
    """Units on a plane, each tied to its nearest with a weight that falls with distance."""
    rng = np.random.default_rng(seed)
    place = rng.uniform(size=(count, 2))
    names = [f"u{k:03d}" for k in range(count)]
    table = pd.DataFrame(
        {"unit": names, "x": rng.normal(size=count), "y": rng.normal(size=count), "z": rng.normal(size=count)}
    )
    away = np.linalg.norm(place[:, None] - place[None], axis=2)
    np.fill_diagonal(away, np.inf)
    ties = []
    for target in range(count):
        for source in np.argsort(away[target])[:neighbours]:
            weight = math.exp(-away[target, source] * 10)
            ties.append(("proximity", names[source], names[target], weight))
    return tc.History(
        table,
        ties=pd.DataFrame(ties, columns=["layer", "source", "target", "weight"]),
        variables=[STATE],
        window=(0.0, end),
        layers=["proximity"],
    )


def model(
    propensity: str = "1 + x", susceptibility: str = "1 + z", infectiousness: str | None = "y"
) -> tc.Model:
    """The additive heterogeneous diffusion model of the study."""
    near = tc.contagion(
        "proximity", when="state=with", susceptibility=susceptibility, infectiousness=infectiousness
    )
    return tc.Model([STATE], [tc.Transition("state", "without", "with", tc.baseline(propensity), near)])


@dataclass(frozen=True)
class Study:
    """What a recovery study found.

    Attributes:
        table: one row a parameter: truth, mean of estimates, bias, sd of estimates, mean standard error,
            coverage of 95% Wald intervals, power (how often the interval excludes zero; for intercepts it
            says nothing).
        events: mean number of events a world.
        lost: share of worlds in which a strength ran to zero or a parameter was not identified.
    """

    table: pd.DataFrame
    events: float
    lost: float


def study(
    declared: tc.Model, truth: Mapping[str, float], worlds: int, seed: int, history: tc.History
) -> Study:
    """Simulate worlds at the truth, fit each, and set the estimates beside the truth."""
    program = declared.compile(history)
    drawn = Worlds(program, declared.with_params(truth).simulate(history, worlds, seed))
    target = program.pack(truth)
    task = Task.make(program)
    estimates, errors, events = [], [], []
    for k in range(worlds):
        world = drawn[k]
        mine = task.on(world)
        found = mine.solve()
        known = identify(mine, found)
        events.append(world.trace.time.size)
        if found.gone or known.lost:
            continue
        estimates.append(mine.user(found.vector))
        errors.append(np.sqrt(np.diag(known.vcov)))
    found_, se = np.array(estimates), np.array(errors)
    low, high = found_ - 1.959964 * se, found_ + 1.959964 * se
    table = pd.DataFrame(
        {
            "truth": target,
            "mean": found_.mean(axis=0),
            "bias": found_.mean(axis=0) - target,
            "sd": found_.std(axis=0, ddof=1),
            "se": se.mean(axis=0),
            "coverage": ((low <= target) & (target <= high)).mean(axis=0),
            "power": ((low > 0) | (high < 0)).mean(axis=0),
        },
        index=pd.Index(program.parameter_names, name="parameter"),
    )
    return Study(table, float(np.mean(events)), 1.0 - len(estimates) / worlds)


def left_out(worlds: int, seed: int, history: tc.History) -> pd.DataFrame:
    """Fit worlds whose x makes units open (susceptibility) by models that have it as propensity, and the
    reverse.

    Returns:
        For each truth and fitted model the mean estimate of the effect of x and how often it is called
        different
        from zero: where the model has it in the wrong place, that is how readily the two are confused.
    """
    rows = []
    for place in ("propensity", "susceptibility"):
        full = model(*(("1 + x", "1") if place == "propensity" else ("1", "1 + x")))
        truth = {
            name: value
            for name, value in {**TRUTH, f"{MOVE} | proximity | susceptibility | x": 0.6}.items()
            if name in full.compile(history).parameter_names
        }
        for fitted in ("propensity", "susceptibility"):
            declared = model(*(("1 + x", "1") if fitted == "propensity" else ("1", "1 + x")))
            program = declared.compile(history)
            drawn = Worlds(program, full.with_params(truth).simulate(history, worlds, seed))
            task, found = Task.make(program), []
            position = next(k for k, name in enumerate(program.parameter_names) if name.endswith("| x"))
            for k in range(worlds):
                mine = task.on(drawn[k])
                end = mine.solve()
                se = math.sqrt(identify(mine, end).vcov[position, position])
                if math.isfinite(se):
                    own = mine.user(end.vector)[position]
                    found.append((own, abs(own) > 1.959964 * se))
            effect, sure = np.array(found).T
            rows.append((place, fitted, float(effect.mean()), float(sure.mean())))
    return pd.DataFrame(rows, columns=["true place of x", "place in the model", "mean estimate", "called"])


def main() -> None:
    """Print the tables of the study."""
    from sys import stdout

    history = population()
    whole = study(model(), TRUTH, 1000, 15, history)
    same = study(model("1 + x", "1 + x"), CONFUSED, 1000, 16, history)
    for title, each in (("Effects of different covariates", whole), ("Both effects of one covariate", same)):
        stdout.write(f"{title}; {each.events:.0f} events a world, {each.lost:.1%} lost\n")
        stdout.write(each.table.round(3).to_string() + "\n\n")
    stdout.write(left_out(300, 17, history).round(3).to_string(index=False) + "\n")


if __name__ == "__main__":
    main()
