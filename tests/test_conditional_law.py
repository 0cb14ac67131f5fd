"""Worlds given what happened have the law of worlds that are given nothing, on average over histories.

A history drawn from the model, its clocks read off, and the world lived through again with a change: over
histories this is a world of the changed model, however worlds are coupled.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import chi2_contingency

import tocsin as tc
from tocsin.ensemble.given_history import Setting
from tocsin.ensemble.simulate import recipe_of
from tocsin.fit.predict import Worlds
from tocsin.program.condition import Condition

WORLDS = 2000
UNITS = ["a", "b", "c"]
DO = {
    "less": ["scale layer near by 0.3"],
    "more": ["scale layer near by 3"],
    "both": ["scale layer near by 0.4", "scale layer far by 2.5", "force a s=new at 2.5"],
    "none": ["remove layer far", "prevent c s=new"],
}


def programme() -> tuple[tc.Program, dict[str, float]]:
    pairs = [(layer, j, i) for layer in ("near", "far") for j in UNITS for i in UNITS if i != j]
    history = tc.History(
        {"unit": UNITS},
        ties={
            "layer": [layer for layer, _, _ in pairs],
            "source": [j for _, j, _ in pairs],
            "target": [i for _, _, i in pairs],
            "weight": [1.0 + (n % 3) for n in range(len(pairs))],
        },
        variables=[tc.StateVariable("s", ["old", "new"])],
        window=(0, 6),
        layers=["near", "far"],
    )
    there = [
        tc.baseline(),
        tc.contagion("near", "s=new", half_life=1.0),
        tc.contagion("far", "s=new", response="power"),
    ]
    model = tc.Model(
        history.variables,
        [
            tc.Transition("s", "old", "new", *there),
            tc.Transition("s", "new", "old", tc.baseline(), tc.contagion("far", "s=old")),
        ],
    )
    program = model.compile(history)
    values = {"baseline": -1.8, "near": -1.2, "far": -2.2}
    params = {name: values[name.split(" | ")[1]] for name in program.parameter_names}
    params["s: old > new | far | response | alpha"] = float(np.log(1.4))
    return program, params


def told(unit: Any, world: Any, time: Any, worlds: int) -> np.ndarray:
    """What is compared: how many events a world has, and of which unit and third of the window they are."""
    found = np.zeros((worlds, 4), dtype=int)
    found[:, 0] = np.minimum(np.bincount(world, minlength=worlds), 9)
    found[:, 1] = np.bincount(world[time < 2], minlength=worlds).clip(max=4)
    found[:, 2] = np.bincount(world[(unit == 0) & (time > 3)], minlength=worlds).clip(max=4)
    found[:, 3] = np.bincount(world[unit == 2], minlength=worlds).clip(max=5)
    return found


def same_law(mine: np.ndarray, theirs: np.ndarray) -> float:
    """The smallest p-value of chi-square tests of homogeneity, of every column."""
    found = []
    for a, b in zip(mine.T, theirs.T, strict=True):
        counts = np.array([np.bincount(each, minlength=10) for each in (a, b)])
        found.append(float(chi2_contingency(counts[:, counts.sum(axis=0) > 20]).pvalue))
    return min(found)


def averaged(condition: Condition, do: list[str]) -> float:
    """Compare worlds of as many histories with worlds that are given nothing; return the smallest p-value."""
    program, params = programme()
    vector = program.pack(params)
    happened = Worlds(program, program.simulate(params, WORLDS, seed=1))
    plain, changed = recipe_of(program, vector, 2, do)
    parts = []
    for number in range(WORLDS):
        setting = Setting(happened[number], changed, plain, condition)
        drawn = setting.recipe(vector).draw(number, number + 1)
        assert drawn.failure is None
        parts.append((drawn.events[:, 0], np.full(drawn.times.size, number), drawn.times))
    mine = told(*(np.concatenate(column) for column in zip(*parts, strict=True)), WORLDS)
    drawn = replace(plain, seed=3).draw(0, WORLDS)
    world = np.repeat(np.arange(WORLDS), drawn.counts)
    theirs = told(drawn.events[:, 0], world, drawn.times, WORLDS)
    return same_law(mine, theirs)


@pytest.mark.parametrize("clocks", ["cause", "source", "fresh"])
@pytest.mark.parametrize("do", DO)
def test_counterfactual_worlds_have_the_law_of_the_changed_model(clocks: str, do: str) -> None:
    assert averaged(Condition("history", clocks), DO[do]) > 1e-4


def test_worlds_that_go_on_from_a_date_have_the_law_of_the_model() -> None:
    assert averaged(Condition("until", until=2.5), []) > 1e-4
