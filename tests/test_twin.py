"""The kernels against the readable twin, on models and histories drawn at random with every option."""

from __future__ import annotations

import math

import numpy as np
import pytest
from drawn import Case, cases
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tocsin.errors import FitError
from tocsin.program import Program
from tocsin.reference import attribute, log_likelihood, residuals, simulate

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
    found = case.model.with_params(params).attribute(case.history)
    mine_causes, mine_sources = {}, {}
    seen: dict[tuple[str, str, str, str, str], int] = {}
    for event, shares, parts in attribute(case.model, case.history, params):
        key = (event.unit, event.variable, event.origin, event.state, f"{event.time:.6f}")
        again = seen[key] = seen.get(key, -1) + 1
        mine_causes.update({(*key, again, cause): share for cause, share in shares.items()})
        mine_sources.update({(*key, again, *pair): share for pair, share in parts.items()})
    for table, mine, columns in (
        (found.causes, mine_causes, ["cause"]),
        (found.sources, mine_sources, ["cause", "source"]),
    ):
        theirs = {}
        counts: dict[tuple[object, ...], int] = {}
        for row in table.to_dict("records"):
            time = case.history.to_number(row["time"])
            key = (row["unit"], row["variable"], row["from"], row["to"], f"{time:.6f}")
            rest = tuple(str(row[column]) for column in columns)
            again = counts[key + rest] = counts.get(key + rest, -1) + 1
            if row["share"] > 0:
                theirs[(*key, again, *rest)] = row["share"]
        assert theirs == pytest.approx({key: share for key, share in mine.items() if share > 0}, rel=1e-9)


def same_worlds(case: Case, seed: int, worlds: int = 3) -> None:
    program, params = compiled(case, seed)
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


def test_infinite_likelihood_is_refused_by_both() -> None:
    from tocsin.history import History
    from tocsin.model import Model, Transition, contagion
    from tocsin.words import StateVariable

    variable = StateVariable("s", ["old", "new"])
    model = Model([variable], [Transition("s", "old", "new", contagion("l", "s=new"))])
    events = {"unit": ["a"], "variable": ["s"], "state": ["new"], "time": [1.0]}
    history = History({"unit": ["a", "b"]}, events, variables=[variable], window=(0, 2), layers=["l"])
    params = {"s: old > new | l | susceptibility | 1": 0.0}
    assert log_likelihood(model, history, params) == -math.inf
    with pytest.raises(FitError, match="cannot be explained"):
        model.compile(history).loglik(params)
