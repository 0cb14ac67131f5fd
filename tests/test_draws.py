"""Worlds of a fit draw their parameters: which draw a world has, what is kept, and what has no end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tocsin as tc
from tocsin.ensemble.cache import KeptValues, kept_of
from tocsin.ensemble.parameter_draws import Draws, draws_of
from tocsin.fit.draws import draw_parameters, stratified

LIVELY = {
    "s: b > b | baseline | propensity | 1": np.log(0.05),
    "s: b > b | l | susceptibility | 1": np.log(0.16 * np.log(2.0)),
}


def lively() -> tc.Model:
    """A process that excites itself: some of its draws have no end."""
    return tc.Model(
        variables=[tc.StateVariable("s", ["a", "b"], recurrent=True)],
        transitions=[
            tc.Transition("s", "b", "b", tc.baseline("1"), tc.contagion("l", when="s=b", half_life=1.0))
        ],
    )


def six(events: pd.DataFrame | None = None) -> tc.History:
    units = [f"u{i}" for i in range(6)]
    ties = [{"layer": "l", "source": i, "target": j} for i in units for j in units if i != j]
    return tc.History(
        units=pd.DataFrame({"unit": units, "s": "b"}),
        events=events,
        ties=pd.DataFrame(ties),
        variables=lively().variables,
        window=(0.0, 40.0),
    )


@pytest.fixture(scope="module")
def fit() -> Any:
    history = lively().with_params(LIVELY).simulate(six(), 3, seed=4).history(2)
    return lively().fit(history)


@pytest.mark.parametrize("given", ["nothing", "until 20", "history"])
def test_a_fit_draws_by_default_and_world_k_has_draw_k(fit: Any, given: str) -> None:
    ensemble = fit.simulate(fit.history, 210, seed=2, given=given)
    assert ensemble.draws is not None and len(ensemble.draws) == 200
    pd.testing.assert_frame_equal(ensemble.draws.frame(), fit.draws(200))
    np.testing.assert_array_equal(ensemble.draw, np.arange(210) % 200)
    for world in (0, 7, 203):
        alone = fit.fitted_program.simulate(fit.draws(200).iloc[world % 200], world + 1, 2, given=given)
        assert ensemble.world(world).equals(alone.world(world))
    assert "200 draws of the parameters from their likelihood" in ensemble.doubt[0]


def test_the_estimates_are_taken_where_they_are_asked_for(fit: Any) -> None:
    best = fit.simulate(fit.history, 5, seed=2, draws="best")
    program = fit.fitted_program.simulate(fit.params, 5, 2)
    given = fit.model.with_params(dict(fit.params)).simulate(fit.history, 5, seed=2)
    assert best.events.equals(program.events) and best.events.equals(given.events)
    assert best.draws is None and (best.draw == -1).all()
    assert len(fit.simulate(fit.history, 5, draws=3).draws) == 3
    answer = fit.what_if(fit.history, "scale layer l by 0.5", worlds=20)
    assert answer.drawn and len(answer.pairs["cause"].unchanged.draws) == 200
    assert not fit.what_if(fit.history, "scale layer l by 0.5", worlds=20, draws="best").drawn


@pytest.mark.parametrize(
    ("draws", "said"),
    [
        ("bests", "did you mean 'best'"),
        (0, "at least 1"),
        (True, "not True"),
        (2.5, "not 2.5"),
        (np.inf, "not inf"),
    ],
)
def test_wrong_draws_are_refused(fit: Any, draws: Any, said: str) -> None:
    with pytest.raises(tc.ModelError, match=said):
        fit.simulate(fit.history, 5, draws=draws)
    with pytest.raises(tc.TocsinError, match="no uncertainty"):
        fit.model.with_params(dict(fit.params)).simulate(fit.history, 5, draws=7)


def test_threads_and_parts_change_nothing(fit: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    for threads in ("1", "3"):
        monkeypatch.setenv("NUMBA_NUM_THREADS", threads)
        made.append(fit.simulate(fit.history, 60, seed=8, draws=7, given="until 20").events)
    assert made[0].equals(made[1])
    folder = fit.simulate(fit.history, 60, seed=8, draws=7, given="until 20", folder=tmp_path / "parts")
    assert folder.events.to_pandas().equals(made[0].to_pandas())
    again = tc.Ensemble.read(tmp_path / "parts", history=fit.history)
    pd.testing.assert_frame_equal(again.draws.frame(), fit.draws(7))


def wild(fit: Any, far: float) -> pd.DataFrame:
    """Four draws, of which the second excites itself without end (or, far off, has no finite hazard)."""
    draws = pd.DataFrame([dict(fit.params)] * 4)
    draws.iloc[1, 1] = max(float(draws.iloc[1, 1]), -3.0) + far
    return draws


@pytest.mark.parametrize("given", ["nothing", "until 20", "history"])
@pytest.mark.parametrize(("far", "why"), [(4.0, "no end"), (800.0, "hazard too large")])
def test_a_draw_without_end_is_counted_and_said(
    fit: Any, far: float, why: str, given: str, tmp_path: Path
) -> None:
    asked: dict[str, Any] = {"seed": 1, "given": given, "interventions": ["scale layer l by 1.1"]}
    ensemble = fit.simulate(fit.history, 12, draws=wild(fit, far), **asked)
    assert ensemble.worlds == 12
    assert list(ensemble.stopped["world"]) == [1, 5, 9]
    assert set(ensemble.stopped["draw"]) == {1} and set(ensemble.stopped["why"]) == {why}
    assert any(sentence.startswith("In 1 of 4 draws") for sentence in ensemble.doubt)
    if why == "no end":
        assert (ensemble.counts("s", "b")["entries"].iloc[[1, 5, 9]] >= 20_000).all()
    # The others are what they would be without it.
    alone = fit.simulate(fit.history, 12, draws=wild(fit, 0.0), **asked)
    for world in (0, 2, 11):
        assert ensemble.world(world).equals(alone.world(world))
    ensemble.write(tmp_path / "e.parquet")
    read = tc.Ensemble.read(tmp_path / "e.parquet")
    pd.testing.assert_frame_equal(read.stopped, ensemble.stopped)
    pd.testing.assert_frame_equal(read.draws.frame(), ensemble.draws.frame())


def test_worlds_without_end_lie_in_parts_too(fit: Any, tmp_path: Path) -> None:
    kept = fit.simulate(fit.history, 12, seed=1, draws=wild(fit, 4.0), folder=tmp_path)
    assert list(kept.stopped["world"]) == [1, 5, 9]
    assert list(tc.Ensemble.read(tmp_path).stopped["world"]) == [1, 5, 9]


def test_where_no_world_ends_there_is_nothing_to_show(fit: Any) -> None:
    with pytest.raises(tc.FitError, match="does not end: more than 20000 events"):
        fit.simulate(fit.history, 4, draws=wild(fit, 4.0).iloc[[1]])
    with pytest.raises(tc.FitError, match="too large"):
        fit.simulate(fit.history, 4, draws=wild(fit, 800.0).iloc[[1]])


def test_a_fit_from_a_file_has_the_same_draws(fit: Any, tmp_path: Path) -> None:
    fit.save(tmp_path / "fit.json")
    for read in (tc.load_fit(tmp_path / "fit.json"), tc.load_fit(tmp_path / "fit.json", fit.history)):
        ensemble = read.simulate(fit.history, 20, seed=3)
        pd.testing.assert_frame_equal(ensemble.draws.frame(), fit.draws(200))
        assert ensemble.events.equals(fit.simulate(fit.history, 20, seed=3).events)
    # Worlds of another history have the draws of the one that was fitted.
    other = six()
    assert tc.load_fit(tmp_path / "fit.json").simulate(other, 5).events.equals(fit.simulate(other, 5).events)


def test_what_the_past_says_is_made_once(fit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import tocsin.ensemble.given_history as module

    calls = []
    plain = module.recorded
    monkeypatch.setattr(module, "recorded", lambda *a, **k: calls.append(1) or plain(*a, **k))
    program = fit.model.compile(fit.history)
    draws = fit.draws(6)
    for factor in (0.5, 0.7):
        for clocks in ("cause", "source", "fresh"):
            program.simulate(
                fit.params, 12, 1, [f"scale layer l by {factor}"], given="history", clocks=clocks, draws=draws
            )
    assert len(calls) == 6
    assert len(kept_of(program)) > 6


def test_what_is_kept_has_a_bound() -> None:
    kept = KeptValues(100)
    for key in range(10):
        assert kept.get(key, lambda key=key: key, lambda _: 30) == key
    assert len(kept) == 3 and kept.held == 90
    made: list[int] = []
    kept.get(9, lambda: made.append(1), lambda _: 30)
    kept.get("large", lambda: made.append(1), lambda _: 300)
    assert made == [1] and kept.held == 90


def test_draws_are_written_exactly() -> None:
    draws = Draws(("a", "b"), np.array([[0.1, -np.inf], [1e-300, 3.0]]), "2 draws")
    read = Draws.read(draws.content())
    assert read is not None
    np.testing.assert_array_equal(read.vectors, draws.vectors)
    assert draws_of(read, ["b", "a"]).vectors[0, 1] == 0.1
    with pytest.raises(ValueError, match="cannot be read"):
        Draws.read({"names": ["a"], "said": "", "count": 3, "float64": "AAAA"})


def test_few_points_stand_for_many() -> None:
    rng = np.random.default_rng(4)
    points = rng.standard_normal((2000, 2)) ** 2
    chosen = [stratified(points, 200, rng) for _ in range(100)]
    assert all(len(set(each)) == 200 for each in chosen)
    drawn = np.array([points[each].mean(axis=0) for each in chosen])
    plain = np.array([points[rng.choice(2000, 200, replace=False)].mean(axis=0) for _ in range(100)])
    assert (drawn.std(axis=0) < 0.4 * plain.std(axis=0)).all()
    # No point is preferred.
    assert drawn.mean(axis=0) == pytest.approx(points.mean(axis=0), rel=0.01)
    assert set(stratified(points[:20], 20, rng)) == set(range(20))


def test_two_hundred_draws_spread_as_their_law(fit: Any) -> None:
    law = np.exp(draw_parameters(fit, fit.fitted_program, 20_000, 3).vectors / 2)
    drawn = np.array(
        [
            np.exp(draw_parameters(fit, fit.fitted_program, 200, seed).vectors / 2).std(axis=0)
            for seed in range(30)
        ]
    )
    assert (drawn / law.std(axis=0)).mean(axis=0) == pytest.approx([1.0, 1.0], abs=0.02)
    assert (
        (drawn / law.std(axis=0)).std(axis=0) < 0.045
    ).all()  # 1 / sqrt(2 x 200) = 0.05 of draws drawn apart
