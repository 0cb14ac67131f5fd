"""Exposures inside the exponent: likelihoods, worlds, attribution, and what is said of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from helpers.drawn import Case, cases
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import expm
from scipy.stats import chisquare
from test_twin_agrees import CHECKS, quick

import tocsin as tc

S = tc.StateVariable("s", ["off", "on"])


@pytest.mark.parametrize("check", CHECKS)
def test_kernels_agree_with_the_twin(check: str) -> None:
    @quick
    @given(cases(inside=True), st.integers(0, 2**32 - 1))
    def compare(case: Case, seed: int) -> None:
        CHECKS[check](case, seed)

    compare()


# --- the same as regressions on rows that are split at every move of a neighbour


def village(seed: int, grouped: bool, size: int = 40) -> tuple[tc.History, pd.DataFrame]:
    """A record in which units turn, and turn back, and its rows: one for every unit and stretch between moves."""
    rng = np.random.default_rng(seed)
    x, m = rng.normal(size=size).round(2), rng.integers(0, 4, size) / 2
    weight = np.where(
        rng.random((size, size)) < 0.2, rng.integers(1, 4, (size, size)) / 2, 0.0
    )  # of row by column
    np.fill_diagonal(weight, 0.0)
    state, time, events, rows = np.zeros(size, bool), 0.0, [], []
    while time < 12.0:
        on = weight @ state
        share = np.divide(on, weight.sum(axis=1), out=np.zeros(size), where=weight.sum(axis=1) > 0)
        marked = weight @ (state * m)
        rate = np.where(state, 0.3, np.exp(-2.0 + 0.4 * x + 0.5 * share - 0.1 * on))
        if grouped:
            now, span = rng.random(size) < -np.expm1(-rate), 1.0
            time += 1.0
        else:
            span = rng.exponential(1 / rate.sum())
            now = np.arange(size) == rng.choice(size, p=rate / rate.sum())
            now, span = (now, span) if time + span < 12.0 else (now & False, 12.0 - time)
            time += span
        rows += zip(range(size), [span] * size, state, now, x, on, share, marked, strict=True)
        events += [(f"u{i}", "s", "off" if state[i] else "on", time) for i in np.flatnonzero(now)]
        state = state ^ now
    target, source = np.nonzero(weight)
    history = tc.History(
        pd.DataFrame({"unit": [f"u{i}" for i in range(size)], "x": x, "m": m}),
        pd.DataFrame(events, columns=["unit", "variable", "state", "time"]),
        pd.DataFrame(
            {
                "layer": "near",
                "source": [f"u{j}" for j in source],
                "target": [f"u{i}" for i in target],
                "weight": weight[target, source],
            }
        ),
        variables=[S],
        window=(1, 12) if grouped else (0.0, 12.0),
        clock="step" if grouped else "continuous",
    )
    return history, pd.DataFrame(
        rows, columns=["unit", "span", "state", "y", "x", "on", "share", "marked"]
    ).query("not state")


def turning(formula: str) -> tc.Model:
    return tc.Model(
        [S],
        [
            tc.Transition("s", "off", "on", tc.baseline(formula)),
            tc.Transition("s", "on", "off", tc.baseline()),
        ],
    )


ON = "exposure(near, s=on)"
FORMS = {
    f"1 + x + {ON}": ["x", "on"],
    f"1 + x * {ON}": ["x", "on", "x:on"],
    "1 + exposure(near, s=on, normalise=target)": ["share"],
    f"1 + x + log1p({ON})": ["x", "np.log1p(on)"],
    f"1 + above({ON}, 2.5)": ["I((on > 2.5).astype(float))"],
    f"1 + x + pieces({ON}, 1.5, 4)": ["x", "C(1 * (on > 1.5) + 1 * (on > 4))"],
    "1 + exposure(near, s=on, mark=m) + log1p(exposure(near, s=on))": ["marked", "np.log1p(on)"],
}


@pytest.mark.parametrize("grouped", [False, True], ids=["moments", "steps"])
@pytest.mark.parametrize("formula", FORMS)
def test_a_regression_on_rows_split_at_every_move_of_a_neighbour(formula: str, grouped: bool) -> None:
    history, rows = village(3, grouped)
    fit = turning(formula).fit(history)
    right = " + ".join(["1", *FORMS[formula]])
    rows = rows.assign(y=rows["y"].astype(float))
    if grouped:
        family, offset = sm.families.Binomial(link=sm.families.links.CLogLog()), None
    else:
        family, offset = sm.families.Poisson(), np.log(rows["span"])
    rival = smf.glm(f"y ~ {right}", rows, family=family, offset=offset).fit(tol=1e-14, maxiter=200)
    names = [name for name in fit.params.index if name.startswith("s: off > on")]
    order = [name for name in rival.params.index if name.startswith("C(")]
    order = [*(name for name in rival.params.index if name not in order), *order]
    found = fit.params[names].to_numpy()
    ours = [name.split(" | ")[-1] for name in names]
    ours_order = [k for k, n in enumerate(ours) if "[" not in n] + [k for k, n in enumerate(ours) if "[" in n]
    assert found[ours_order] == pytest.approx(rival.params[order].to_numpy(), abs=1e-6)
    if not grouped:
        se = fit.summary()["se"][names].to_numpy()
        assert se[ours_order] == pytest.approx(rival.bse[order].to_numpy(), abs=1e-6)


# --- worlds


def ring(
    formula: str, *, mark: tuple[float, ...] = (1.0, 1.0, 1.0), window: float = 3.0, **more: Any
) -> tc.Program:
    """Three units in a ring that turn by a formula and turn back at a rate of 0.4; the first is on at first."""
    history = tc.History(
        pd.DataFrame({"unit": ["a", "b", "c"], "m": mark, "s": ["on", "off", "off"]}),
        ties=pd.DataFrame(
            {
                "layer": "near",
                "source": ["a", "b", "c", "a"],
                "target": ["b", "c", "a", "c"],
                "weight": [1.0, 1.0, 2.0, 0.5],
            }
        ),
        variables=[S],
        window=(0.0, window),
        clock="continuous",
        **more,
    )
    return turning(formula).compile(history)


def law(program: tc.Program, rate: Any, window: float = 3.0, begin: int = 1) -> np.ndarray:
    """The probabilities of the eight joint states at the end, by the matrix exponential of the generator.

    Parameters:
        rate: of a unit that turns, by its number and who is on (three flags).
        begin: who is on at first, a as 1, b as 2 and c as 4.
    """
    generator = np.zeros((8, 8))
    for state in range(8):
        on = np.array([state >> k & 1 for k in range(3)])
        for k in range(3):
            speed = 0.4 if on[k] else rate(k, on)
            generator[state, state ^ (1 << k)] += speed
            generator[state, state] -= speed
    return expm(generator * window)[begin]


WEIGHT = np.array([[0, 0, 2.0], [1.0, 0, 0], [0.5, 1.0, 0]])  # of row's by column

LAWS = {
    "1 + exposure(near, s=on)": ((-1.0, 0.6), lambda e: -1.0 + 0.6 * e),
    "1 + log1p(exposure(near, s=on))": ((-1.0, -2.0), lambda e: -1.0 - 2.0 * np.log1p(e)),
    "1 + pieces(exposure(near, s=on), 0, 1)": ((-1.5, 1.0, 2.0), lambda e: -1.5 + (e > 0) + (e > 1)),
    "1 + above(exposure(near, s=on), 1)": ((-1.0, 1.5), lambda e: -1.0 + 1.5 * (e > 1)),
}


def end_states(ensemble: tc.Ensemble, worlds: int) -> np.ndarray:
    """How often each of the eight joint states stands at the end."""
    found = np.tile([True, False, False], (worlds, 1))
    for row in ensemble.events.to_pylist():
        found[row["world"], "abc".index(row["unit"])] = row["to"] == "on"
    return np.bincount(found @ [1, 2, 4], minlength=8)


@pytest.mark.parametrize("formula", LAWS)
def test_worlds_have_the_law_of_the_generator(formula: str) -> None:
    values, effect = LAWS[formula]
    program = ring(formula)
    ensemble = program.simulate([*values, np.log(0.4)], 20_000, 5)
    expected = law(program, lambda k, on: np.exp(effect(WEIGHT[k] @ on)))
    assert chisquare(end_states(ensemble, 20_000), 20_000 * expected).pvalue > 1e-3


def test_marked_and_normalised_worlds_have_the_law_of_the_generator() -> None:
    mark = np.array([1.0, -0.5, 3.0])
    program = ring("1 + exposure(near, s=on, normalise=target, mark=m)", mark=tuple(mark))
    ensemble = program.simulate([-1.0, 0.5, np.log(0.4)], 20_000, 6)
    total = WEIGHT.sum(axis=1)
    expected = law(program, lambda k, on: np.exp(-1.0 + 0.5 * WEIGHT[k] @ (on * mark) / total[k]))
    assert chisquare(end_states(ensemble, 20_000), 20_000 * expected).pvalue > 1e-3


@pytest.mark.parametrize(
    ("do", "weight", "mark"),
    [
        ("remove layer near", 0.0 * WEIGHT, np.ones(3)),
        ("scale layer near by 3", 3.0 * WEIGHT, np.ones(3)),
        ("remove tie near a > b", WEIGHT * (np.arange(3)[:, None] != 1), np.ones(3)),
        ("set m to 2", WEIGHT, 2.0 * np.ones(3)),
        ("scale m by 0.5 for a", WEIGHT, np.array([0.5, 1.0, 1.0])),
    ],
)
def test_interventions_change_the_exposure_in_worlds(do: str, weight: np.ndarray, mark: np.ndarray) -> None:
    program = ring("1 + exposure(near, s=on, mark=m)")
    ensemble = program.simulate([-1.0, 0.6, np.log(0.4)], 20_000, 7, [do])
    expected = law(program, lambda k, on: np.exp(-1.0 + 0.6 * weight[k] @ (on * mark)))
    assert chisquare(end_states(ensemble, 20_000), 20_000 * expected).pvalue > 1e-3


@pytest.mark.parametrize("formula", LAWS)
def test_worlds_given_all_until_a_date_have_the_law_of_the_generator_from_there(formula: str) -> None:
    values, effect = LAWS[formula]
    seen = pd.DataFrame({"unit": ["b", "a"], "variable": "s", "state": ["on", "off"], "time": [0.5, 1.0]})
    program = ring(formula, events=seen)
    ensemble = program.simulate([*values, np.log(0.4)], 20_000, 8, given="until 1.4")
    expected = law(program, lambda k, on: np.exp(effect(WEIGHT[k] @ on)), window=1.6, begin=2)  # b is on
    assert chisquare(end_states(ensemble, 20_000), 20_000 * expected).pvalue > 1e-3


@pytest.mark.parametrize("clocks", ["cause", "source", "fresh"])
def test_worlds_given_what_happened_spend_what_a_changed_exposure_leaves(clocks: str) -> None:
    # Nobody moved: every clock has an exponential beyond what it spent, and fires where the change adds as much.
    program = ring("1 + exposure(near, s=on)")
    vector = [-1.0, 0.6, np.log(0.4)]
    asked = {"given": "history", "clocks": clocks}
    for do in ([], ["remove layer near"]):
        assert len(program.simulate(vector, 500, 4, do, **asked).events) == 0
    changed = program.simulate(vector, 20_000, 9, ["scale layer near by 3"], **asked)
    still = 20_000 - len(set(changed.events["world"].to_pylist()))
    more = sum(np.exp(-1.0 + 0.6 * 3.0 * w) - np.exp(-1.0 + 0.6 * w) for w in WEIGHT[1:, 0])
    share = np.exp(-3.0 * more)
    assert abs(still - 20_000 * share) < 4.0 * np.sqrt(20_000 * share * (1.0 - share))


def test_what_is_forced_or_prevented_changes_the_exposure_of_others() -> None:
    program = ring("1 + exposure(near, s=on)", window=8.0)
    vector = [-3.0, 2.0, -9.0]
    turned = {
        do: program.simulate(vector, 4000, 3, [do]).probability("s", "on").sel(unit="c").to_numpy()[-1]
        for do in ("force b s=on at 1", "prevent b s=on", "remove unit a")
    }
    assert turned["force b s=on at 1"] > turned["prevent b s=on"] + 0.05 > turned["remove unit a"] + 0.1


def test_a_process_that_explodes_is_stopped_in_words() -> None:
    crowd = tc.StateVariable("crowd", ["calm", "riot"], recurrent=True)
    model = tc.Model(
        [crowd],
        [
            tc.Transition("crowd", "calm", "riot", tc.baseline("1")),
            tc.Transition("crowd", "riot", "riot", tc.baseline("1 + exposure(near, crowd=riot)")),
        ],
    )
    units = [f"u{i}" for i in range(20)]
    ties = [("near", a, b) for a in units for b in units if a != b]
    history = tc.History(
        pd.DataFrame({"unit": units}),
        ties=pd.DataFrame(ties, columns=["layer", "source", "target"]),
        variables=[crowd],
        window=(0.0, 50.0),
        clock="continuous",
    )
    with pytest.raises(tc.TocsinError, match="events"):
        model.compile(history).simulate([0.0, 0.0, 1.5], 3, 1)


# --- what is said of it


def test_attribution_tells_the_ratio_and_that_there_is_no_split_by_source() -> None:
    history, rows = village(3, False)
    fit = turning("1 + x + exposure(near, s=on) + above(exposure(near, s=on, normalise=target), 0.5)").fit(
        history
    )
    attribution = fit.attribute(history)
    told = attribution.exposures
    assert set(told["term"]) == {"exposure(near, s=on)", "exposure(near, s=on, normalise=target)"}
    seen = rows[rows["y"]].reset_index()
    plain = told[told["term"] == "exposure(near, s=on)"]
    assert plain["exposure"].to_numpy() == pytest.approx(seen["on"].to_numpy())
    slope = fit.params["s: off > on | baseline | propensity | exposure(near, s=on)"]
    assert plain["ratio"].to_numpy() == pytest.approx(np.exp(slope * seen["on"].to_numpy()))
    assert (plain["lower"] <= plain["ratio"]).all() and (plain["ratio"] <= plain["upper"]).all()
    step = fit.params[
        "s: off > on | baseline | propensity | above(exposure(near, s=on, normalise=target), 0.5)"
    ]
    shared = told[told["term"] != "exposure(near, s=on)"]
    assert shared["ratio"].to_numpy() == pytest.approx(np.exp(step * (seen["share"].to_numpy() > 0.5)))
    assert "no split by source" in str(attribution) and not len(attribution.sources)
    few = attribution.select(unit=str(plain["unit"].iloc[0]))
    assert set(few.exposures["unit"]) == {plain["unit"].iloc[0]}


def test_a_model_file_keeps_the_exposure(tmp_path: Path) -> None:
    model = turning(
        "1 + x:log1p(exposure(near, s=on, normalise=target, mark=m)) + above(exposure(near, s=on), 2)"
    )
    (tmp_path / "model.toml").write_text(model.to_toml())
    assert tc.Model.from_toml(tmp_path / "model.toml") == model


@pytest.mark.parametrize(
    ("formula", "words"),
    [
        ("1 + exposure(neer, s=on)", "did you mean 'near'"),
        ("1 + exposure(near, s=onn)", "did you mean 'on'"),
        ("1 + exposure(near, z=on)", "'z'"),
        ("1 + exposure(near, s=on, half_life=3)", "half_life"),
        ("1 + exposure(near, s=on, mark=w)", "mark=w"),
        ("1 + exposure(near, s=on, mark=s)", "state variable"),
        ("1 + bs(exposure(near, s=on), df=4)", "exposure"),
        ("1 + poly(exposure(near, s=on), 2)", "exposure"),
    ],
)
def test_what_an_exposure_may_not_be_is_said(formula: str, words: str) -> None:
    with pytest.raises(tc.ModelError, match="exposure") as caught:
        ring(formula)
    assert words in str(caught.value)


def test_sources_have_no_exposure_of_their_own() -> None:
    with pytest.raises(tc.ModelError, match="exposure"):
        tc.contagion("near", "s=on", infectiousness="exposure(near, s=on)")


def test_a_mark_that_is_missing_is_named() -> None:
    with pytest.raises(tc.FitError, match=r"'m'.*'a'"):
        program = ring("1 + exposure(near, s=on, mark=m)", mark=(np.nan, 1.0, 1.0))
        program.loglik([-1.0, 0.5, -1.0])
    with pytest.raises(tc.FitError, match=r"'m'.*'a'"):
        program.simulate([-1.0, 0.5, -1.0], 1, 1)
