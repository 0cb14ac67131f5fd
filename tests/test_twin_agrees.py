"""The kernels against the readable twin, on models and histories drawn at random with every option."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import pytest
from helpers.drawn import Case, cases
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tocsin.errors import FitError
from tocsin.history.history import History
from tocsin.model.declaration import Transition, baseline, contagion
from tocsin.model.model import Model
from tocsin.program.program import Program
from tocsin.states import StateVariable
from tocsin.twin.hazard import attribute, log_likelihood, residuals, simulate

MOST = 150  # events of a world, so that the plain loops end soon
quick = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)


def compiled(case: Case, seed: int) -> tuple[Program, dict[str, float]]:
    program = case.model.compile(case.history)
    return program, case.params(program.parameter_names, seed)


def same_likelihood(case: Case, seed: int) -> None:
    program, params = compiled(case, seed)
    assert program.loglik(params) == pytest.approx(
        log_likelihood(case.model, case.history, params), rel=1e-9, abs=1e-9
    )


def same_gradient(case: Case, seed: int) -> None:
    program, params = compiled(case, seed)
    vector = np.array([params[name] for name in program.parameter_names])
    step = 1e-6
    slopes, curves = [], []
    for k in range(len(vector)):
        ahead, behind = vector.copy(), vector.copy()
        ahead[k] += step
        behind[k] -= step
        slopes.append((program.loglik(ahead) - program.loglik(behind)) / (2 * step))
        curves.append((program.gradient(ahead) - program.gradient(behind)) / (2 * step))
    gradient, hessian = program.gradient(params), program.hessian(params)
    scale = 1 + np.abs(gradient).max() + abs(program.loglik(params))
    np.testing.assert_allclose(gradient, slopes, rtol=1e-5, atol=1e-7 * scale)
    np.testing.assert_allclose(
        hessian, np.array(curves), rtol=1e-5, atol=1e-7 * (scale + np.abs(hessian).max())
    )


def same_residuals(case: Case, seed: int) -> None:
    program, params = compiled(case, seed)
    mine: dict[tuple[str, str], list[float]] = {}
    for unit, transition, amount, _ in residuals(case.model, case.history, params):
        mine.setdefault((unit, transition), []).append(amount)
    theirs: dict[tuple[str, str], list[float]] = {}
    for row in program.residuals(params).itertuples():
        theirs.setdefault((row.unit, row.transition), []).append(row.integral)
    for key, amounts in mine.items():
        assert theirs.get(key, [0.0] * len(amounts)) == pytest.approx(amounts, rel=1e-8, abs=1e-9)


def same_shares(case: Case, seed: int) -> None:
    _, params = compiled(case, seed)
    found = case.model.with_params(params, case.model.compile(case.history).learned).attribute(case.history)

    def numbered(events: Iterable[tuple[object, ...]]) -> list[tuple[object, ...]]:
        """Events as keys: with their rank among those that look the same."""
        seen: list[tuple[object, ...]] = []
        for event in events:
            seen.append((*event, sum(other[:-1] == event for other in seen)))
        return seen

    mine = attribute(case.model, case.history, params)
    keys = numbered((e.time, e.unit, e.variable, e.origin, e.state) for e, _, _ in mine)
    causes, sources = {}, {}
    for key, (_, shares, parts) in zip(keys, mine, strict=True):
        causes.update({(key, cause): share for cause, share in shares.items()})
        sources.update({(key, *pair): share for pair, share in parts.items()})
    columns = ["time", "unit", "variable", "from", "to"]
    table = found.causes.drop_duplicates("event")
    key_of = dict(
        zip(table["event"], numbered(table[columns].itertuples(index=False, name=None)), strict=True)
    )
    assert set(key_of.values()) == set(keys)
    theirs = {(key_of[row["event"]], row["cause"]): row["share"] for row in found.causes.to_dict("records")}
    assert theirs == pytest.approx(causes, rel=1e-9, abs=1e-12)
    theirs = {
        (key_of[row["event"]], row["cause"], row["source"]): row["share"]
        for row in found.sources.to_dict("records")
        if row["share"] > 0
    }
    assert theirs == pytest.approx(sources, rel=1e-9, abs=1e-12)


def same_worlds(case: Case, seed: int, worlds: int = 3, params: dict[str, float] | None = None) -> None:
    program, drawn = compiled(case, seed)
    params = drawn if params is None else params
    if not case.whole:
        with pytest.raises(FitError):
            simulate(case.model, case.history, params, seed)
        with pytest.raises(FitError):
            program.simulate(params, worlds, seed)
        return
    try:
        mine = [simulate(case.model, case.history, params, seed, world, MOST) for world in range(worlds)]
    except FitError:
        assume(False)
    rows = program.simulate(params, worlds, seed).events.to_pylist()
    for world in range(worlds):
        theirs = [row for row in rows if row["world"] == world]
        keys = ("unit", "variable", "from", "to", "cause", "source")
        assert [tuple(row[key] for key in keys) for row in theirs] == [
            (each.unit, each.variable, each.origin, each.state, each.cause, each.source)
            for each in mine[world]
        ]
        assert [row["time"] for row in theirs] == pytest.approx([each.time for each in mine[world]], abs=1e-7)


CHECKS = {
    "likelihood": same_likelihood,
    "gradient": same_gradient,
    "residuals": same_residuals,
    "shares": same_shares,
    "worlds": same_worlds,
}


@pytest.mark.parametrize("check", CHECKS)
def test_kernels_agree_with_the_twin(check: str) -> None:
    @quick
    @given(cases(), st.integers(0, 2**32 - 1))
    def compare(case: Case, seed: int) -> None:
        CHECKS[check](case, seed)

    compare()


def test_memory_from_before_the_window_in_worlds() -> None:
    # b has only the tie to a, whose entry at -1 still carries e 2^(-(t + 1) / 5) at t.
    variable = StateVariable("s", ["old", "new"])
    model = Model([variable], [Transition("s", "old", "new", contagion("l", "s=new", half_life=5.0))])
    params = {"s: old > new | l | susceptibility | 1": 1.0}
    for begin, enter in ((0.0, 0.0), (0.25, 0.0), (0.0, 1.0)):
        history = History(
            {"unit": ["a", "b"], "enter": [0.0, enter], "exit": [10.0, 10.0]},
            {"unit": ["a"], "variable": ["s"], "state": ["new"], "time": [-1.0]},
            {"layer": ["l"], "source": ["a"], "target": ["b"], "start": [begin], "end": [10.0]},
            variables=[variable],
            window=(0, 10),
        )
        same_worlds(Case(model, history, True), 1, 3, params)


def test_sources_do_not_see_other_events_of_the_instant() -> None:
    # At 2 a riots twice and then c once: c has seen one riot of a and one of b, both at 1.
    riot = StateVariable("riot", ["yes"], recurrent=True)
    history = History(
        {"unit": ["a", "b", "c"]},
        {
            "unit": ["a", "b", "a", "a", "c"],
            "variable": ["riot"] * 5,
            "state": ["yes"] * 5,
            "time": [1.0, 1.0, 2.0, 2.0, 2.0],
            "sequence": [1, 1, 1, 2, 1],
        },
        {"layer": ["l", "l"], "source": ["a", "b"], "target": ["c", "c"]},
        variables=[riot],
        window=(0, 10),
    )
    cause = contagion("l", "riot=yes", half_life=1.0)
    model = Model([riot], [Transition("riot", "yes", "yes", baseline(), cause)])
    params = {
        "riot: yes > yes | l | susceptibility | 1": 0.0,
        "riot: yes > yes | baseline | propensity | 1": 0.0,
    }
    sources = model.with_params(params).attribute(history).sources.query("unit == 'c'")
    assert sources.set_index("source")["share"].to_dict() == pytest.approx({"a": 0.25, "b": 0.25})


def test_infinite_likelihood_is_refused_by_both() -> None:
    variable = StateVariable("s", ["old", "new"])
    model = Model([variable], [Transition("s", "old", "new", contagion("l", "s=new"))])
    events = {"unit": ["a"], "variable": ["s"], "state": ["new"], "time": [1.0]}
    history = History({"unit": ["a", "b"]}, events, variables=[variable], window=(0, 2), layers=["l"])
    params = {"s: old > new | l | susceptibility | 1": 0.0}
    assert log_likelihood(model, history, params) == -math.inf
    with pytest.raises(FitError, match="cannot be explained"):
        model.compile(history).loglik(params)
