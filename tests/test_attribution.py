"""Attribution: source events, sums with intervals, reproduction numbers, trees, and whether shares come true."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import networkx
import numpy as np
import pandas as pd
import pytest
from helpers.drawn import Case, cases
from helpers.recorded import AGAIN, MOVE, RIOT, TURN, drawn, ring, rioting, turning, units
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import stats

import tocsin as tc
from tocsin.attribution.calibration import calibration, outcomes, reliability
from tocsin.ensemble.spells import wilson
from tocsin.fit.draws import Roots, draw_parameters, tempered
from tocsin.twin.hazard import PlainSetting, hazards, walk

HOME, AWAY = f"{MOVE} | baseline | propensity | 1", f"{MOVE} | l | susceptibility | 1"
SPREAD = turning(tc.baseline(), tc.contagion("l", "s=new"))
TRUE = {HOME: -3.0, AWAY: -1.5}


@pytest.fixture(scope="module")
def history() -> tc.History:
    return drawn(SPREAD, TRUE, count=40, seed=4)


@pytest.fixture(scope="module")
def fit(history: tc.History) -> tc.Fit:
    return SPREAD.fit(history)


@pytest.fixture(scope="module")
def attribution(fit: tc.Fit) -> tc.Attribution:
    return fit.attribute(draws=100)


def small(
    events: list[tuple[Any, ...]], ties: list[tuple[str, str]], variable: Any = TURN, **more: Any
) -> tc.History:
    """A few units that are tied in one layer."""
    names = sorted({name for pair in ties for name in pair} | {event[0] for event in events})
    return tc.History(
        {"unit": names, **more},
        pd.DataFrame(events, columns=["unit", "variable", "state", "time"]),
        pd.DataFrame([("l", *pair) for pair in ties], columns=["layer", "source", "target"]),
        variables=[variable],
        window=(0.0, 10.0),
        layers=["l"],
    )


# --- source events --------------------------------------------------------------------------------------


def test_entries_share_what_a_source_sends_by_their_age() -> None:
    # The Hawkes process of VERIFY 1: baseline 0.6, kernel 0.75 exp(-1.5 age).
    times = [0.5, 1.2, 1.5, 3.0]
    history = small([("u", "riot", "yes", t) for t in times], [("u", "u")], RIOT)
    model = rioting(tc.baseline(), tc.contagion("l", "riot=yes", half_life=math.log(2) / 1.5))
    names = {
        f"{AGAIN} | baseline | propensity | 1": math.log(0.6),
        f"{AGAIN} | l | susceptibility | 1": math.log(0.75),
    }
    found = model.with_params(names).attribute(history)
    expected, offspring = {}, [0.0] * 4
    for i, now in enumerate(times):
        parts = [0.75 * math.exp(-1.5 * (now - t)) for t in times[:i]]
        for j, part in enumerate(parts):
            expected[i, j] = part / (0.6 + sum(parts))
            offspring[j] += expected[i, j]
    assert found.parents.set_index(["event", "source_event"])["share"].to_dict() == pytest.approx(expected)
    assert found.offspring()["offspring"].to_list() == pytest.approx(offspring)
    assert found.offspring()["event"].to_list() == [0, 1, 2, 3]


def test_a_state_belongs_to_the_event_by_which_it_was_entered() -> None:
    events = [("a", "s", "new", 1.0), ("a", "s", "old", 2.0), ("a", "s", "new", 3.0), ("b", "s", "new", 4.0)]
    history = small(
        [*events, ("d", "s", "new", -2.0)],
        [("a", "b"), ("c", "b"), ("d", "b")],
        s=["old", "old", "new", "old"],
    )
    model = tc.Model(
        [TURN],
        [
            tc.Transition("s", "old", "new", tc.baseline(), tc.contagion("l", "s=new")),
            tc.Transition("s", "new", "old", tc.baseline()),
        ],
    )
    found = model.with_params({HOME: 0.0, AWAY: 0.0, "s: new > old | baseline | propensity | 1": 0.0})
    last = found.attribute(history).select(unit="b").parents.set_index("source")
    assert last["share"].to_list() == pytest.approx([0.25] * 3)
    assert last["source_event"].isna().to_dict() == {"a": False, "c": True, "d": True}
    assert (last["source_event"]["a"], last["source_time"]["a"]) == (2, 3.0)
    assert math.isnan(last["source_time"]["c"]) and last["source_time"]["d"] == -2.0  # held, and since when
    assert last["source_state"].to_list() == ["s=new"] * 3
    offspring = found.attribute(history).offspring()
    assert offspring["offspring"].to_list() == pytest.approx([0.0, 0.0, 0.25, 0.0, 0.25, 0.25], abs=0.2)
    held = offspring[offspring["event"].isna()]
    assert held["unit"].to_list() == ["c", "d"] and held["to"].to_list() == ["new", "new"]


def test_the_mark_of_an_entry_is_what_held_when_it_happened() -> None:
    history = tc.History(
        {"unit": ["a", "b"]},
        pd.DataFrame(
            [("a", "riot", "yes", 1.0), ("a", "riot", "yes", 3.0), ("b", "riot", "yes", 4.0)],
            columns=["unit", "variable", "state", "time"],
        ),
        {"layer": ["l"], "source": ["a"], "target": ["b"]},
        {
            "unit": ["a", "a"],
            "covariate": ["x"] * 2,
            "value": [1.0, 0.0],
            "start": [0.0, 2.0],
            "end": [2.0, 10.0],
        },
        variables=[RIOT],
        window=(0.0, 10.0),
        layers=["l"],
        outside={"x": 0.0},
    )
    model = rioting(tc.baseline(), tc.contagion("l", "riot=yes", half_life=2.0, infectiousness="x"))
    values = dict.fromkeys(model.compile(history).parameter_names, 0.0)
    values[f"{AGAIN} | l | infectiousness | x"] = 1.5
    parents = model.with_params(values).attribute(history).select(unit="b").parents
    early, late = math.exp(1.5) * 2**-1.5, 2**-0.5
    assert parents["share"].to_list() == pytest.approx([p / (1 + early + late) for p in (early, late)])
    assert parents["source_event"].to_list() == [0, 1]


quick = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)


@quick
@given(cases(), st.integers(0, 2**32 - 1))
def test_source_events_agree_with_the_readable_twin(case: Case, seed: int) -> None:
    params = case.params(case.model.compile(case.history).parameter_names, seed)
    setting = PlainSetting(case.model, case.history, params)
    mine: dict[tuple[Any, ...], float] = {}
    for step in walk(setting):
        if step.event is None or step.transition is None:
            continue
        found = hazards(setting, step.world, step.event.unit, step.transition, step.end)
        whole = sum(hazard.rate for hazard in found.values())
        for cause in step.transition.causes:
            if isinstance(cause, tc.baseline("1").__class__) or cause.half_life is None:
                continue
            half_life = setting.half_life(step.transition.name, cause, step.event.unit)
            sources = found[cause.name].sources
            for source, sent in sources.items():
                entries = [
                    (time, mark * 2 ** (-(step.end - time) / half_life))
                    for unit, time, mark in step.world.entries[step.transition.name, cause.name]
                    if unit == source
                ]
                total = sum(part for _, part in entries)
                for time, part in entries:
                    key = (
                        step.end,
                        step.event.unit,
                        step.transition.name,
                        cause.name,
                        source,
                        round(time, 9),
                    )
                    share = found[cause.name].rate / whole * sent / sum(sources.values()) * part / total
                    mine[key] = mine.get(key, 0.0) + share
    table = (
        case.model.with_params(params, case.model.compile(case.history).learned)
        .attribute(case.history)
        .parents
    )
    fading = {
        (move.name, cause.name)
        for move in case.model.transitions
        for cause in move.causes
        if getattr(cause, "half_life", None) is not None
    }
    theirs: dict[tuple[Any, ...], float] = {}
    for row in table.to_dict("records"):
        if (row["transition"], row["cause"]) in fading and row["share"] > 0:
            names = (row["time"], row["unit"], row["transition"], row["cause"], row["source"])
            key = (*names, round(row["source_time"], 9))
            theirs[key] = theirs.get(key, 0.0) + row["share"]
    assert theirs == pytest.approx(
        {key: share for key, share in mine.items() if share > 0}, rel=1e-8, abs=1e-12
    )


@quick
@given(cases(), st.integers(0, 2**32 - 1))
def test_parts_add_up(case: Case, seed: int) -> None:
    params = case.params(case.model.compile(case.history).parameter_names, seed)
    found = case.model.with_params(params, case.model.compile(case.history).learned).attribute(case.history)
    keys = ["event", "cause"]
    assert found.causes.groupby("event")["share"].sum().to_list() == pytest.approx(
        [1.0] * found.causes["event"].nunique()
    )
    abroad = found.causes[found.causes["layer"].notna() & (found.causes["share"] > 0)]
    whole = abroad.set_index(keys)["share"].to_dict()
    for table in (found.sources, found.parents):
        summed = table.groupby(keys)["share"].sum()
        assert summed[summed > 0].to_dict() == pytest.approx(whole)
    late = found.parents["source_event"].notna()
    assert (found.parents["source_event"][late].astype(int) < found.parents["event"][late]).all()
    assert found.offspring()["offspring"].sum() == pytest.approx(sum(whole.values()))


def test_months_are_shown_as_they_were_recorded() -> None:
    model = turning(tc.baseline(), tc.contagion("l", "s=new", half_life=2.0))
    history = tc.History(
        {"unit": ["a", "b"]},
        {"unit": ["a", "b"], "variable": ["s"] * 2, "state": ["new"] * 2, "time": ["1919-03", "1919-05"]},
        {"layer": ["l"], "source": ["a"], "target": ["b"]},
        variables=[TURN],
        window=("1919-01", "1919-12"),
        clock="month",
        layers=["l"],
    )
    found = model.with_params({HOME: -2.0, AWAY: -1.0}).attribute(history)
    (row,) = found.parents.to_dict("records")
    assert (str(row["date"].date()), str(row["source_date"].date())) == ("1919-05-01", "1919-03-01")
    assert (row["time"], row["source_time"]) == (4.0, 2.0)
    assert [str(day.date()) for day in found.events["date"]] == ["1919-03-01", "1919-05-01"]
    assert found.total("period", "month")["period"].to_list() == ["1919-03", "1919-05"]
    assert len(found.select(start="1919-05").causes) == 2


# --- parameters under uncertainty -----------------------------------------------------------------------


def test_tempered_particles_reach_the_target() -> None:
    rng = np.random.default_rng(5)
    start = rng.standard_normal((2000, 2)) * 3
    found, accepted = tempered(
        start,
        lambda x: -(x**2).sum(axis=1) / 18,
        lambda x: (
            np.where(x[:, 0] > 0, stats.gamma(3).logpdf(np.maximum(x[:, 0], 1e-300)), -np.inf)
            + stats.norm(5, 0.1).logpdf(x[:, 1])
        ),
        10,
        rng,
    )
    assert 0.1 < accepted < 0.6
    assert stats.kstest(found[:, 0], stats.gamma(3).cdf).pvalue > 1e-3
    assert stats.kstest(found[:, 1], stats.norm(5, 0.1).cdf).pvalue > 1e-3


def test_draws_of_one_rate_are_the_gamma_of_theory() -> None:
    history = drawn(turning(tc.baseline()), {HOME: -3.0}, count=12, seed=2)
    fit = turning(tc.baseline()).fit(history)
    exposure = fit.transitions["exposure"][0]
    rates = np.exp(draw_parameters(fit, fit.fitted_program, 2000, 3).vectors[:, 0])
    # Flat in the root of the rate: Gamma(n + 1/2, T).
    theory = stats.gamma(fit.nobs + 0.5, scale=1 / exposure)
    assert stats.kstest(rates, theory.cdf).pvalue > 1e-3


def test_draws_of_two_strengths_agree_with_quadrature() -> None:
    # Few events: the likelihood is far from a bell.
    history = drawn(SPREAD, TRUE, count=8, seed=6)
    fit = SPREAD.fit(history)
    drawn_roots = np.exp(draw_parameters(fit, fit.fitted_program, 3000, 3).vectors / 2)
    axis = np.linspace(1e-4, 1.5, 300)
    value = np.array(
        [[fit.fitted_program.loglik([2 * math.log(a), 2 * math.log(b)]) for b in axis[::3]] for a in axis]
    )
    # Flat in the root of the rate, and in the strength: one power of its root.
    density = np.exp(value - value.max()) * axis[None, ::3]
    for side, grid in ((0, axis), (1, axis[::3])):
        marginal = np.cumsum(density.sum(axis=1 - side))
        cdf = marginal / marginal[-1]
        gap = np.abs(np.interp(np.sort(drawn_roots[:, side]), grid, cdf) - np.linspace(0, 1, 3000)).max()
        assert gap < 0.05


def test_a_strength_at_zero_is_drawn_from_its_one_sided_law() -> None:
    history = drawn(turning(tc.baseline()), {HOME: -2.0}, count=40, seed=0)
    fit = SPREAD.fit(history)
    assert fit.status[AWAY] == "zero"
    found = fit.attribute(draws=200)
    row = found.total().set_index("cause").loc["l"]
    assert row["events explained"] == 0.0 == row["lower"] and 0.0 < row["upper"] < row["events"] / 2
    strengths = np.exp(draw_parameters(fit, fit.fitted_program, 1000, 1).vectors[:, 1])
    # Of the profile the fall of log L is 1.35 there; of a law flat in the strength, were it straight, 3.0.
    upper = math.exp(fit.summary().loc[AWAY, "upper"])
    assert 0.8 < np.quantile(strengths, 0.95) / upper < 3.0 / 1.35
    assert found.tree().table["kind"].eq("home").all()


def test_tied_and_fixed_parameters_stay_so(history: tc.History) -> None:
    layers = pd.concat([ring(40), ring(40, "m").assign(target=lambda t: t["target"].to_numpy()[::-1])])
    wider = tc.History(
        units(40), history.events, layers, variables=[TURN], window=(0, 20.0), layers=["l", "m"]
    )
    model = turning(tc.baseline("1 + x"), tc.contagion("l", "s=new"), tc.contagion("m", "s=new"))
    other = f"{MOVE} | m | susceptibility | 1"
    slope = f"{MOVE} | baseline | propensity | x"
    fit = model.fit(wider, fixed={slope: 0.5}, tied=[(AWAY, other)])
    names = fit.fitted_program.parameter_names
    vectors = draw_parameters(fit, fit.fitted_program, 60, 1).vectors
    assert (vectors[:, names.index(slope)] == 0.5).all()
    assert (vectors[:, names.index(AWAY)] == vectors[:, names.index(other)]).all()
    assert vectors[:, names.index(AWAY)].std() > 0


def test_priors_half_lives_and_powers_are_drawn_too() -> None:
    model = turning(tc.baseline(), tc.contagion("l", "s=new", half_life="estimate", response="power"))
    values = {
        HOME: -3.0,
        AWAY: -1.0,
        f"{MOVE} | l | memory | half_life": math.log(4.0),
        f"{MOVE} | l | response | alpha": 0.0,
    }
    history = drawn(model, values, count=40, seed=3)
    fit = model.fit(history, prior=tc.weak_prior())
    found = fit.attribute(draws=40)
    assert found.draws == 40 and found.causes["lower"].notna().all()
    vectors = draw_parameters(fit, fit.fitted_program, 100, 1).vectors
    assert (vectors.std(axis=0) > 0.02).all()
    centre = np.median(vectors, axis=0) - fit.params.to_numpy()
    assert (np.abs(centre) < 1.5 * vectors.std(axis=0)).all()
    assert not found.proportional and "not 1" in str(found)


def test_a_fit_read_from_a_file_gives_the_same_intervals(
    fit: tc.Fit, history: tc.History, attribution: tc.Attribution, tmp_path: Path
) -> None:
    fit.save(tmp_path / "fit.json")
    again = tc.load_fit(tmp_path / "fit.json").attribute(history, draws=100)
    pd.testing.assert_frame_equal(again.parents, attribution.parents, rtol=1e-6)
    pd.testing.assert_frame_equal(fit.attribute(draws=100).causes, attribution.causes)
    assert not fit.attribute(draws=100, seed=2).causes["lower"].equals(attribution.causes["lower"])


def test_another_history_has_the_normal_approximation(fit: tc.Fit) -> None:
    other = drawn(SPREAD, TRUE, count=40, seed=9)
    found = fit.attribute(other, draws=50)
    assert "another history" in found.notes[0] and found.causes["upper"].notna().all()


def test_bootstrap_and_likelihood_agree(fit: tc.Fit, attribution: tc.Attribution) -> None:
    found = fit.attribute(draws=60, method="bootstrap")
    assert "fitted anew" in found.notes[0]
    ours, theirs = (each.total().set_index("cause").loc["l"] for each in (attribution, found))
    assert ours["events explained"] == theirs["events explained"]
    for end in ("lower", "upper"):
        assert ours[end] == pytest.approx(theirs[end], abs=0.2 * ours["events"])


def test_roots_and_parameters_are_one_to_one(fit: tc.Fit) -> None:
    roots = Roots.make(fit, fit.fitted_program, True)
    assert roots.expand(roots.centre[None])[0] == pytest.approx(fit.params.to_numpy())


# --- sums -----------------------------------------------------------------------------------------------


def test_sums_enclose_what_they_sum(attribution: tc.Attribution) -> None:
    count = attribution.causes["event"].nunique()
    for by in ("cause", "layer", "source", ["transition", "layer"], "period", "unit", ["period", "source"]):
        table = attribution.total(by)
        assert table["events explained"].sum() == pytest.approx(count)
        assert (table["lower"] <= table["events explained"] + 1e-9).all()
        assert (table["upper"] >= table["events explained"] - 1e-9).all()
        assert (table["share"] <= 1 + 1e-9).all()
    everything = attribution.total("transition").iloc[0]
    assert (everything["lower"], everything["upper"]) == pytest.approx((count, count))
    one = attribution.total().set_index("cause")["share"]
    assert one.sum() == pytest.approx(1)
    assert attribution.total("period", 5.0)["period"].to_list() == [0.0, 5.0, 10.0, 15.0]
    wider = SPREAD.fit(attribution.history).attribute(draws=100, level=0.99).total().set_index("cause")
    narrow = attribution.total().set_index("cause")
    assert (wider["upper"] - wider["lower"] > narrow["upper"] - narrow["lower"]).all()


def test_events_caused_are_whole_and_as_poissons_binomial_has_them(attribution: tc.Attribution) -> None:
    """By theory: the number of a cause's events is a sum of coins, each with the share of its event."""
    for by in ("cause", "source", ["transition", "layer"], "period", ["period", "source"]):
        table = attribution.total(by)
        caused = table[["events caused", "caused lower", "caused upper"]].to_numpy()
        assert (caused == np.round(caused)).all() and (np.diff(caused[:, [1, 0, 2]]) >= 0).all()
        assert (caused[:, 2] <= table["events"]).all()
    whole = attribution.total("transition").iloc[0]  # whatever caused them, they are as many
    assert whole["caused lower"] == whole["caused upper"] == whole["events"]
    table = attribution.total("cause").set_index("cause")
    drawn = attribution.drawn.causes.astype(float)
    for cause in table.index:
        share = drawn[(attribution.causes["cause"] == cause).to_numpy()]
        law = np.zeros(len(share) + 1)
        for column in share.T:  # by convolution
            one = np.ones(1)
            for p in column:
                one = np.convolve(one, [1 - p, p])
            law += one / share.shape[1]
        for name, level in (("events caused", 0.5), ("caused lower", 0.025), ("caused upper", 0.975)):
            count = int(table.loc[cause, name])
            # The ends are drawn: their law is left by no more than its level, give or take what 500 draws do.
            assert law[:count].sum() <= level + 0.05 and law[: count + 1].sum() >= level - 0.05
    again = attribution.total("cause").set_index("cause")
    pd.testing.assert_frame_equal(table, again)
    wider = table["caused upper"] - table["caused lower"] > table["upper"] - table["lower"]
    assert wider.all()
    assert "events caused" in str(attribution) and "which cause came first" in str(attribution)


def test_the_intervals_cover_the_shares_of_the_truth() -> None:
    model = SPREAD.with_params(TRUE)
    covered, worlds = 0, 40
    for seed in range(worlds):
        history = drawn(SPREAD, TRUE, count=40, seed=100 + seed)
        row = SPREAD.fit(history).attribute(draws=100, level=0.8).total("layer").set_index("layer").loc["l"]
        truth = model.attribute(history).total("layer").set_index("layer").loc["l", "events explained"]
        covered += row["lower"] <= truth <= row["upper"]
    assert stats.binomtest(covered, worlds, 0.8).pvalue > 1e-3


def test_selection_and_what_it_refuses(attribution: tc.Attribution) -> None:
    some = attribution.select(unit=["u001", "u002"], start=0, end=15)
    assert set(some.causes["unit"]) <= {"u001", "u002"} and (some.causes["time"] <= 15).all()
    assert some.draws == attribution.draws and len(some.events) == len(attribution.events)
    assert len(some.drawn.parents) == len(some.parents)
    for options, words in (
        ({"unit": "u0001"}, "there is no unit 'u0001'; did you mean 'u001'"),
        ({"transition": "s: old > now"}, "did you mean 's: old > new'"),
        ({"start": "soon"}, "is no time of"),
        ({"start": 5, "end": 2}, "is after"),
    ):
        with pytest.raises(tc.TocsinError, match=words):
            attribution.select(**options)
    for arguments, words in (
        (("caus",), "did you mean 'cause'"),
        (([],), "one or several"),
        ((["cause", "cause"],), "each once"),
        (("cause", "year"), "goes with by='period'"),
        (("period", "year"), "plain numbers"),
        (("period", -1.0), "above 0"),
    ):
        with pytest.raises(tc.TocsinError, match=words):
            attribution.total(*arguments)


def test_periods_of_dates() -> None:
    history = tc.load_history("1917").select(window=("1918-10-01", "1919-06-30"))
    regime = next(each for each in history.variables if each.name == "regime")
    model = tc.Model([regime], [tc.Transition("regime", "old", "soviet", tc.baseline())])
    found = model.with_params({"regime: old > soviet | baseline | propensity | 1": -8.0}).attribute(history)
    assert set(found.total("period")["period"]) <= {f"1918-{m}" for m in (10, 11, 12)} | {
        f"1919-0{m}" for m in range(1, 7)
    }
    assert set(found.total("period", "quarter")["period"]) == {"1918 Q4", "1919 Q1", "1919 Q2"}
    assert found.total("period", "year")["events"].sum() == found.causes["event"].nunique()
    with pytest.raises(tc.TocsinError, match="did you mean 'year'"):
        found.total("period", "yaer")
    hungary = found.select(start="1919-03-21", end="1919-03-21")
    assert hungary.causes["unit"].to_list() == ["hungary"]


def test_nothing_to_attribute(fit: tc.Fit) -> None:
    empty = tc.History(units(3), ties=ring(3), variables=[TURN], window=(0, 20.0), layers=["l"])
    found = SPREAD.with_params(TRUE).attribute(empty)
    assert len(found.causes) == len(found.sources) == len(found.parents) == 0
    assert len(found.total()) == len(found.offspring()) == len(found.arcs()) == len(found.reproduction()) == 0
    assert len(found.tree().table) == 0 and found.trees().parents.shape == (200, 0)
    assert "No events" in str(found) and "No events" in found._repr_html_()
    assert list(found.total("source").columns) == list(fit.attribute(draws=0).total("source").columns)
    alone = turning(tc.baseline()).with_params({HOME: -3.0}).attribute(fit.history)
    assert len(alone.sources) == 0 and (alone.causes["share"] == 1).all()
    assert alone.tree().table["kind"].eq("home").all()
    assert not alone.events["sends"].any() and len(alone.reproduction()) == 0


def test_what_attribute_refuses(fit: tc.Fit, history: tc.History) -> None:
    model = SPREAD.with_params(TRUE)
    with pytest.raises(tc.TocsinError, match="have no uncertainty"):
        model.attribute(history, draws=10)
    assert "no intervals" in model.attribute(history).notes[0]
    assert model.attribute(history).causes["lower"].isna().all()
    with pytest.raises(tc.TocsinError, match="name the history"):
        model.attribute()
    for options, words in (
        ({"draws": -1}, "draws= is a whole number"),
        ({"draws": True}, "draws= is a whole number"),
        ({"level": 1.0}, "between 0 and 1"),
        ({"seed": 0.5}, "a seed must be a whole number"),
        ({"method": "bootstap"}, "did you mean 'bootstrap'"),
    ):
        with pytest.raises(tc.TocsinError, match=words):
            fit.attribute(**options)


# --- reproduction numbers and trees ---------------------------------------------------------------------


def test_reproduction_over_time_is_the_mean_offspring(attribution: tc.Attribution) -> None:
    offspring = attribution.offspring()
    abroad = attribution.causes.loc[attribution.causes["layer"].notna(), "share"].sum()
    assert offspring["offspring"].sum() == pytest.approx(abroad)
    table = attribution.reproduction(5.0)
    assert table["events"].sum() == offspring["sends"].sum() == len(offspring)
    assert (table["events"] * table["offspring"]).sum() == pytest.approx(abroad)
    first = offspring[offspring["time"] <= 5]["offspring"].mean()
    assert table["offspring"][0] == pytest.approx(first)
    assert ((table["lower"] <= table["offspring"]) & (table["offspring"] <= table["upper"])).all()
    assert table["offspring"].iloc[0] > table["offspring"].iloc[-1]  # the last have had no time


def test_support_is_how_often_an_arc_is_drawn(attribution: tc.Attribution) -> None:
    arcs, trees = attribution.arcs(), attribution.trees(4000, seed=3)
    assert arcs.groupby("event")["support"].sum().to_list() == pytest.approx(
        [1.0] * trees.events.size, abs=1e-6
    )
    place = {event: number for number, event in enumerate(trees.events)}
    for row in arcs.to_dict("records"):
        parent = -1 if row["kind"] == "home" else row["parent_event"]
        share = (trees.parents[:, place[row["event"]]] == parent).mean()
        assert share == pytest.approx(row["support"], abs=4.5 * 0.5 / math.sqrt(4000))
    assert (trees.parents < trees.events).all()
    assert np.array_equal(trees.parents, attribution.trees(4000, seed=3).parents)
    summary = trees.summary()
    home = arcs[arcs["kind"] == "home"]["support"].sum()
    assert summary.loc["from home", "mean"] == pytest.approx(home, abs=0.5)
    assert (summary["lower"] <= summary["mean"]).all() and summary.loc["longest chain", "lower"] >= 1
    for options in ({"count": 0}, {"count": 2.5}, {"seed": -1}):
        with pytest.raises(tc.TocsinError, match="whole number"):
            attribution.trees(**options)


def test_the_consensus_tree_keeps_the_likeliest_parents(attribution: tc.Attribution) -> None:
    arcs, table = attribution.arcs(), attribution.tree().table
    best = arcs.groupby("event")["support"].max()
    assert table.set_index("event")["support"].to_dict() == pytest.approx(best.to_dict())
    assert len(table) == attribution.causes["event"].nunique()
    assert ((table["lower"] <= table["support"]) & (table["support"] <= table["upper"])).all()
    assert (table["support"] < 0.5).any()  # times alone tell little, and it shows


def test_a_tree_is_a_graph_and_a_file(attribution: tc.Attribution, tmp_path: Path) -> None:
    tree = attribution.tree()
    graph = tree.to_networkx()
    assert networkx.is_directed_acyclic_graph(graph) and networkx.is_forest(graph.to_undirected())
    path = tree.write_graphml(tmp_path / "tree.graphml")
    again = networkx.read_graphml(path)
    assert dict(again.nodes(data=True)) == dict(graph.nodes(data=True))
    assert {pair: again.edges[pair] for pair in again.edges} == {
        pair: graph.edges[pair] for pair in graph.edges
    }
    abroad = tree.table[tree.table["kind"] != "home"].iloc[0]
    arc = again.edges[str(abroad["parent_event"]), str(abroad["event"])]
    assert arc["support"] == pytest.approx(abroad["support"]) and arc["layer"] == "l"
    node = again.nodes[str(abroad["event"])]
    assert (node["unit"], node["state"], node["time"]) == (abroad["unit"], "new", abroad["time"])
    assert node["support"] == pytest.approx(abroad["support"]) and 0 <= node["home"] <= 1
    with pytest.raises(tc.TocsinError, match="cannot be written"):
        tree.write_graphml("/dev/null/tree.graphml")


def test_graphs_say_which_extra_they_need(
    attribution: tc.Attribution, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "networkx", None)
    with pytest.raises(tc.TocsinError, match=r"pip install 'tocsin\[graph\]'"):
        attribution.tree().to_networkx()
    assert "left out" in attribution.write(tmp_path)[0]
    assert (tmp_path / "tree.csv").exists() and not (tmp_path / "tree.graphml").exists()


def test_files_hold_the_tables(attribution: tc.Attribution, tmp_path: Path) -> None:
    assert attribution.write(tmp_path / "shares") == []
    for name, table in (
        ("causes", attribution.causes),
        ("sources", attribution.sources),
        ("totals", attribution.total()),
        ("offspring", attribution.offspring()),
        ("tree", attribution.tree().table),
    ):
        read = pd.read_csv(tmp_path / "shares" / f"{name}.csv")
        assert list(read.columns) == list(table.columns) and len(read) == len(table)


def test_it_reads_well(attribution: tc.Attribution) -> None:
    text, page = str(attribution), attribution._repr_html_()
    for words in ("baseline", "95% interval", "no but-for probability", "100 draws"):
        assert words in text and words in page
    assert repr(attribution).startswith("<Attribution of")
    assert "<table" in attribution.tree()._repr_html_() and "parent abroad" in repr(attribution.tree())


# --- calibration ----------------------------------------------------------------------------------------


def empty(count: int = 40) -> tc.History:
    return tc.History(units(count), ties=ring(count), variables=[TURN], window=(0, 20.0), layers=["l"])


def test_attributed_shares_come_true() -> None:
    model = turning(tc.baseline(), tc.contagion("l", "s=new", half_life=3.0))
    for kind in ("sources", "causes"):
        table = calibration(model.with_params(TRUE), empty(), worlds=60, of=kind)
        error = np.sqrt(table["expected"] * (1 - table["expected"]) / table["count"]) + 1e-12
        assert (np.abs(table["observed"] - table["expected"]) < 4 * error + 1e-9).all()
        assert (table["low"] <= table["observed"]).all() and (table["observed"] <= table["high"]).all()
    fitted = calibration(model.with_params(TRUE), empty(), worlds=20, refit=True)
    assert np.average(np.abs(fitted["observed"] - fitted["expected"]), weights=fitted["count"]) < 0.08


def test_calibration_tells_a_wrong_attribution() -> None:
    given = SPREAD.with_params(TRUE)
    rows = outcomes(given, empty(), 60, 1)
    right = reliability(rows)
    # Half the strength: shares that are too small.
    wrong = reliability(rows.assign(share=rows["share"] / (2 - rows["share"])))

    def distance(table: pd.DataFrame) -> float:
        error = table["expected"] * (1 - table["expected"]) / table["count"]
        return float(((table["observed"] - table["expected"]) ** 2 / error).sum())

    assert distance(right) < stats.chi2(len(right)).ppf(0.999)
    assert distance(wrong) > 10 * stats.chi2(len(wrong)).ppf(0.999)


def test_what_calibration_refuses() -> None:
    given = SPREAD.with_params(TRUE)
    for options, words in (
        ({"worlds": 0}, "worlds= is a whole number"),
        ({"of": "source"}, "did you mean 'sources'"),
        ({"bins": 0}, "bins= is a whole number"),
    ):
        with pytest.raises(tc.TocsinError, match=words):
            calibration(given, empty(5), **options)
    low, high = wilson(np.array([0.0, 0.5]), 10)
    assert (low, high) == (pytest.approx([0.0, 0.2366], abs=1e-4), pytest.approx([0.2775, 0.7634], abs=1e-4))
