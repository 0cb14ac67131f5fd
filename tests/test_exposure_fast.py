"""The quick ways of the estimation against the plain ones: sweeps, gathered events, the summit found at once."""

from __future__ import annotations

import copy
import dataclasses
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from helpers.drawn import Case, cases
from helpers.recorded import AGAIN, drawn, rioting
from hypothesis import given, settings

import tocsin as tc
from tocsin.fit.maximum.constraint import Constraint, half_life_bounds
from tocsin.fit.maximum.newton import factors_at_summit
from tocsin.fit.maximum.search import Task
from tocsin.kernels.layout import LAYER
from tocsin.program.cause import CauseData
from tocsin.program.exposure import steady, swept_home
from tocsin.program.likelihood import Likelihood


def plainly(program: tc.Program, number: int, decay: float) -> CauseData:
    """Return a cause that was swept by the walk through every change."""
    cause = CauseData(program, number)
    cause.swept(decay, keep=True)
    cause.cached[decay, False] = cause.cached[decay, True]
    return cause


@settings(max_examples=60, deadline=None, derandomize=True)
@given(cases())
def test_causes_at_home_are_swept_as_by_the_walk(case: Case) -> None:
    program = case.model.compile(case.history)
    for number in range(len(program.causes)):
        if program.layout.cause[number, LAYER] >= 0:
            continue
        try:
            slow = plainly(program, number, 0.0).swept(0.0)
        except tc.FitError:  # a covariate is missing at risk, which the quick way must see as well
            assert swept_home(CauseData(program, number)) is None
            continue
        quick = swept_home(CauseData(program, number))
        if len(case.history.units) > case.history.units["unit"].nunique():  # absences take the walk
            assert quick is None
            continue
        assert quick is not None
        assert quick.summed == pytest.approx(slow.summed, abs=1e-12)
        assert quick.event.tolist() == slow.event.tolist()
        assert quick.event_row.tolist() == slow.event_row.tolist()


def hawkes(count: int = 5, end: float = 60.0, ties: int = 2) -> tuple[tc.Model, tc.History]:
    """A Hawkes process: every unit has a layer of its own, with a strength for each target."""
    names = [f"u{k}" for k in range(count)]
    rng = np.random.default_rng(3)
    pairs = [(a, names[(k + step) % count]) for k, a in enumerate(names) for step in range(ties)]
    empty = tc.History(
        {"unit": names, "d": names},
        ties={
            "layer": [f"from_{a}" for a, _ in pairs],
            "source": [a for a, _ in pairs],
            "target": [b for _, b in pairs],
            "weight": rng.uniform(0.5, 2.0, len(pairs)) * 2 / ties,
        },
        variables=[tc.StateVariable("riot", ["yes"], recurrent=True)],
        window=(0.0, end),
        layers=[f"from_{name}" for name in names],
    )
    causes = [
        tc.contagion(f"from_{name}", when="riot=yes", susceptibility="1 + C(d)", half_life=1.0)
        for name in names
    ]
    model = rioting(tc.baseline("1 + C(d)"), *causes)
    program = model.compile(empty)
    params = {
        name: (-1.5 if name.endswith("| 1") else 0.2 * rng.normal()) for name in program.parameter_names
    }
    learned = model.compile(empty).learned
    return model, model.with_params(params, learned).simulate(empty, worlds=1, seed=2).history(0)


def together(history: tc.History) -> tc.History:
    """The same with times rounded, so that events of several units fall on one instant."""
    events = history.events.copy()
    events["time"] = events["time"].round(1).clip(lower=0.1)
    events = events.drop_duplicates(["unit", "time"])
    return tc.History(
        history.units, events, history.ties, variables=history.variables, window=history.window,
        layers=history.layers,
    )  # fmt: skip


@pytest.mark.parametrize("rounded", [False, True])
def test_memory_swept_together_is_memory_swept_alone(rounded: bool) -> None:
    model, history = hawkes()
    program = model.compile(together(history) if rounded else history)
    assert steady(program) and program.trace.time.size > 100
    quick = Likelihood(program)
    for number in range(1, len(program.causes)):
        decay = program.decay(number, np.zeros(len(program.parameter_names)))
        slow = plainly(program, number, decay).swept(decay)
        fast = quick.causes[number].cached[decay, False]
        assert fast.summed == pytest.approx(slow.summed, rel=1e-11, abs=1e-11)
        assert fast.event_exposure == pytest.approx(slow.event_exposure, rel=1e-11, abs=1e-11)
        assert (
            fast.event.tolist() == slow.event.tolist() and fast.event_row.tolist() == slow.event_row.tolist()
        )


def test_gathered_events_have_the_same_likelihood_and_derivatives() -> None:
    model, history = hawkes(ties=5)
    program = model.compile(history)
    vector = np.random.default_rng(1).normal(-1.0, 0.5, len(program.parameter_names))
    gathered, alone = Likelihood(program), Likelihood(program)
    assert gathered.stack(gathered.groups[0], vector) is not None
    alone._stacks = {0: ([alone.causes[c].shape(vector)[0] for c in alone.groups[0]], None)}
    for one, other in zip(gathered.all(vector), alone.all(vector), strict=True):
        assert one == pytest.approx(other, rel=1e-10, abs=1e-8)
    shares = (each.given_to(each.groups[0], vector)[0] for each in (gathered, alone))
    assert next(shares) == pytest.approx(next(shares))


def test_a_hawkes_process_is_at_its_summit_at_once_and_there_is_none_higher() -> None:
    model, history = hawkes(ties=5)
    program = model.compile(history)
    task = Task.make(program)
    summit, whole = factors_at_summit(task.program, task.constraint, np.zeros(len(program.parameter_names)))
    assert whole
    value, gradient, _ = task.penalised(summit)
    assert np.abs(gradient).max() < 1e-8
    fit = model.fit(history)
    assert fit.loglik == pytest.approx(value, abs=1e-8)
    rng = np.random.default_rng(5)
    for _ in range(3):
        other = task.climb(np.where(np.isfinite(summit), rng.normal(-1.5, 0.5, summit.size), 0.0))
        assert other.value <= value + 1e-6
    assert sum("minus infinity" in text for text in fit.warnings) <= 1  # many of one kind are told as one


def test_strengths_alone_are_found_at_once_too() -> None:
    model = rioting(tc.baseline(), tc.contagion("l", when="riot=yes", half_life=2.0))
    params = {f"{AGAIN} | baseline | propensity | 1": -2.0, f"{AGAIN} | l | susceptibility | 1": -2.5}
    history = drawn(model, params, end=30.0)
    program = model.compile(history)
    summit, whole = factors_at_summit(program, Constraint.make(program.parameter_names), np.zeros(2))
    assert whole and np.abs(program.gradient(summit)).max() < 1e-7
    fixed = {f"{AGAIN} | l | susceptibility | 1": math.log(0.05)}
    assert not factors_at_summit(program, Constraint.make(program.parameter_names, fixed), np.zeros(2))[1]
    assert model.fit(history).params.to_numpy() == pytest.approx(summit, abs=1e-7)


@pytest.mark.parametrize("formula", ["1 + a + b", "1 + a * b", "1 + a + mood"])
def test_a_long_panel_of_numbers_is_a_sum_over_its_rows(formula: str) -> None:
    """More than 20,000 stretches, all different: no rows are joined, and the search begins with some of them."""
    units, intervals, mood = 40, 600, tc.StateVariable("mood", ["low", "high"])
    rng = np.random.default_rng(9)
    a, b = rng.normal(size=(2, units, intervals))
    names = np.array([f"u{k:02d}" for k in range(units)])
    high = np.where(np.arange(units) % 2 == 1, 300.0, np.inf)  # every other unit is high from there on
    riots = rng.random((units, intervals)) < np.exp(-3.5 + 0.5 * a)
    unit, interval = np.nonzero(riots)
    moved = np.flatnonzero(np.isfinite(high))
    time = interval + rng.uniform(0.05, 0.95, unit.size)
    cover = {
        "unit": np.tile(np.repeat(names, intervals), 2),
        "covariate": np.repeat(["a", "b"], a.size),
        "value": np.concatenate([a.ravel(), b.ravel()]),
        "start": np.tile(np.arange(intervals, dtype=float), 2 * units),
    }
    riot = tc.StateVariable("riot", ["yes"], recurrent=True)
    history = tc.History(
        {"unit": names},
        {
            "unit": np.concatenate([names[unit], names[moved]]),
            "variable": ["riot"] * unit.size + ["mood"] * moved.size,
            "state": ["yes"] * unit.size + ["high"] * moved.size,
            "time": np.concatenate([time, high[moved]]),
        },
        covariates={**cover, "end": cover["start"] + 1.0},
        variables=[riot, mood],
        window=(0.0, float(intervals)),
    )
    model = tc.Model([riot, mood], [tc.Transition("riot", "yes", "yes", tc.baseline(formula))])
    program = model.compile(history)
    late = (np.arange(intervals)[None, :] >= high[:, None]).astype(float)
    terms = {
        "1 + a + b": [np.ones_like(a), a, b],
        "1 + a * b": [np.ones_like(a), a, b, a * b],
        "1 + a + mood": [np.ones_like(a), a, late],
    }[formula]
    order = [name.split(" | ")[3] for name in program.parameter_names]
    assert order == {"1 + a + b": ["1", "a", "b"], "1 + a * b": ["1", "a", "b", "a:b"]}.get(
        formula, ["1", "a", "mood[high]"]
    )
    vector = np.array([-3.0, 0.3, -0.2, 0.1])[: len(order)]
    score = np.tensordot(vector, np.array(terms), axes=1)
    assert program.loglik(vector) == pytest.approx(
        score[unit, interval].sum() - np.exp(score).sum(), rel=1e-11
    )
    assert program.likelihood.thinned() is not None
    fit = model.fit(history)
    assert np.abs(fit.score).max() < 1e-7
    assert program.loglik(fit.params) == pytest.approx(fit.loglik)
    assert program.gradient(fit.params) == pytest.approx(np.zeros(len(order)), abs=1e-6)


def test_a_term_fixed_at_minus_infinity_that_no_event_met_is_no_obstacle() -> None:
    history = drawn(
        rioting(tc.baseline()), {f"{AGAIN} | baseline | propensity | 1": -2.0}, count=12, end=20.0
    )
    calm = {"unit": history.units["unit"], "calm": [0.0] * 12}
    quiet = set(history.units["unit"]) - set(history.events["unit"][history.events["time"] < 20.0])
    units = pd.DataFrame(calm).assign(calm=[1.0 if name in quiet else 0.0 for name in calm["unit"]])
    if not quiet:
        units = pd.concat([units, pd.DataFrame({"unit": ["nobody"], "calm": [1.0]})])
    record = tc.History(units, history.events, variables=history.variables, window=history.window)
    model = rioting(tc.baseline("1 + calm"))
    fixed = {f"{AGAIN} | baseline | propensity | calm": -math.inf}
    fit = model.fit(record, fixed=fixed)
    busy = (units["calm"] == 0).sum()
    assert fit.params.iloc[0] == pytest.approx(math.log(len(record.events) / (20.0 * busy)), abs=1e-9)


@pytest.mark.parametrize("ties", [1, 2, 5])
def test_estimated_half_lives_are_summed_up_as_one_cause_after_the_other(ties: int) -> None:
    model, history = hawkes(ties=ties, end=30.0)
    (move,) = model.transitions
    lives: list[Any] = ["estimate", 0.7, "estimate", "estimate", 2.0]
    causes = [
        dataclasses.replace(cause, half_life=life) for cause, life in zip(move.causes[1:], lives, strict=True)
    ]
    program = rioting(move.causes[0], *causes).compile(history)
    quick = program.likelihood
    slow = copy.copy(quick)
    slow.hawkes, slow.causes = {}, [CauseData(program, number) for number in range(len(program.causes))]
    assert quick.hawkes
    rng = np.random.default_rng(5)
    for away in (0.1, 0.5, 1.0):
        vector = rng.normal(0.0, away, len(program.parameter_names))
        vector[program.slots[1].target.start] = -np.inf if away == 0.5 else 0.0
        for one, other in zip(quick.all(vector), slow.all(vector), strict=True):
            assert one == pytest.approx(other, rel=1e-10, abs=1e-9)
        mine, other = (each.given_to(each.groups[0], vector)[0] for each in (quick, slow))
        assert mine == pytest.approx(other, abs=1e-10)
        assert quick.expected(3, vector) == pytest.approx(slow.expected(3, vector), rel=1e-12)
    place = program.slots[2].target.start
    at = vector.copy()
    at[place] = 0.0
    rest = sum(cause.events(vector, 0)[1].value for cause in slow.causes if cause.number != 2)
    seen = slow.causes[2].events(at, 0)[1].value / rest
    own = quick.hawkes_of(2)
    assert own is not None
    assert own.rise(2, place, vector) == pytest.approx(
        (slow.causes[2].expected(at), seen.sum(), seen @ seen), rel=1e-8
    )


def test_the_least_half_life_is_the_smallest_gap_where_times_are_plain_numbers() -> None:
    units = {"unit": ["a", "b"]}
    riot = tc.StateVariable("riot", ["yes"], recurrent=True)
    time = np.array([1.0, 1.0, 1.25, 4.0, 9.0])

    def bounds(by: float) -> list[float]:
        history = tc.History(
            units,
            events={
                "unit": ["a", "b", "a", "b", "a"],
                "variable": ["riot"] * 5,
                "state": ["yes"] * 5,
                "time": time * by,
            },
            ties={"layer": ["near"], "source": ["a"], "target": ["b"]},
            variables=[riot],
            window=(0.0, 10.0 * by),
            clock="continuous",
        )
        program = rioting(
            tc.baseline("1"), tc.contagion("near", when="riot=yes", half_life="estimate")
        ).compile(history)
        return [math.exp(each) for each in half_life_bounds(program)]

    assert bounds(1.0) == pytest.approx([0.25, 10.0])
    assert bounds(1000.0) == pytest.approx([250.0, 10_000.0])
