"""Worlds given what happened: the observed history itself, and what changes in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from helpers.drawn import Case, cases
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import tocsin as tc
from tocsin.interventions.apply import intervene
from tocsin.twin.conditional import Change, go_on, simulate
from tocsin.twin.lookup import Move

CLOCKS = ("cause", "source", "fresh")
MOST = 150  # events of a world, so that the plain loops end soon
quick = settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
KEYS = ("unit", "variable", "from", "to", "cause", "source")


def explained(program: tc.Program) -> list[tuple[Any, ...]]:
    """The observed events that the model explains: time, unit, variable, state entered."""
    units, model, joint = program.history.numbers.units, program.model, program.joint
    found = []
    for time, (unit, variable, _, after, transition) in zip(*program.trace, strict=True):
        if transition >= 0:
            code = (after // joint.strides[variable]) % joint.sizes[variable]
            states = model.variables[variable].states
            found.append((float(time), units[unit], joint.names[variable], states[code]))
    return found


def told(rows: Sequence[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(row["time"], row["unit"], row["variable"], row["to"]) for row in rows]


def of_world(rows: list[dict[str, Any]], world: int) -> list[dict[str, Any]]:
    return [row for row in rows if row["world"] == world]


def changes(case: Case, seed: int) -> list[str]:
    """Between none and three interventions, drawn at random."""
    rng = np.random.default_rng(seed)
    history, found = case.history, []
    for _ in range(rng.integers(0, 4)):
        kind = rng.integers(0, 5)
        layer = str(rng.choice(list(history.layers)))
        variable = case.model.variables[rng.integers(0, len(case.model.variables))]
        unit = str(rng.choice(history.numbers.units))
        state = str(rng.choice(variable.states))
        if kind == 0:
            found.append(f"remove layer {layer}")
        elif kind == 1:
            # No round factor: a clock at half its hazard would fire at the very instant of another event.
            found.append(f"scale layer {layer} by {rng.choice([0.53, 1.87])}")
        elif kind == 2 and "x" in history.numbers.covariates:
            found.append(f"scale x by {rng.choice([0.53, -1.07])}")
        elif kind == 3:
            place = history.numbers.unit_index[unit]
            enter, leave = history.numbers.enter[place], history.numbers.exit[place]
            time = float(np.floor(rng.uniform(enter + 1, leave)))
            away = history.numbers.absences.cover(np.array([place]), np.array([time]))[0]
            if enter < time < leave and not away:
                when = str(np.datetime64("1918-12-25") + int(time)) if history.dated else f"{time}"
                found.append(f"force {unit} {variable.name}={state} at {when}")
        else:
            found.append(f"prevent {unit} {variable.name}={state}")
    return found


def as_change(case: Case, program: tc.Program, sentences: list[str]) -> Change:
    """What the readable twin takes for interventions."""
    changed = intervene(program, np.zeros(len(program.parameter_names)), sentences)
    forced, barred = [], set()
    for sentence in sentences:
        words = sentence.split()
        if words[0] == "force":
            time = float(case.history.to_number(words[4]))
            forced.append(Move(time, words[1], *words[2].split("=")))
        if words[0] == "prevent":
            barred.add((words[1], *words[2].split("=")))
    return Change(changed.program.history, tuple(sorted(forced, key=lambda m: m.time)), frozenset(barred))


def compiled(case: Case, seed: int) -> tuple[tc.Program, dict[str, float]]:
    assume(case.whole)
    program = case.model.compile(case.history)
    params = case.params(program.parameter_names, seed)
    assume(np.isfinite(program.loglik(params)))
    return program, params


# --- VERIFY 12 ----------------------------------------------------------------------------------------------


def from_the_beginning(fact: Any, *_: Any) -> float:
    """Spare no part of a world, though nothing differs in it."""
    return float(fact[0].window[0])


@pytest.mark.parametrize("inside", [False, True], ids=["", "inside"])
@pytest.mark.parametrize("spared", [True, False])
@pytest.mark.parametrize("clocks", CLOCKS)
def test_without_a_change_every_world_is_the_observed_history(
    clocks: str, spared: bool, inside: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not spared:
        monkeypatch.setattr("tocsin.ensemble.given_history.parting", from_the_beginning)

    @quick
    @given(cases(inside), st.integers(0, 2**32 - 1))
    def check(case: Case, seed: int) -> None:
        try:
            program, params = compiled(case, seed)
        except tc.TocsinError:
            assume(False)
        rows = program.simulate(params, 4, seed, given="history", clocks=clocks).events.to_pylist()
        for world in range(4):
            assert told(of_world(rows, world)) == explained(program)

    check()


# --- the readable twin --------------------------------------------------------------------------------------


@pytest.mark.parametrize("inside", [False, True], ids=["", "inside"])
@pytest.mark.parametrize("clocks", [*CLOCKS, "until"])
def test_kernels_agree_with_the_twin(clocks: str, inside: bool) -> None:
    @quick
    @given(cases(inside), st.integers(0, 2**32 - 1))
    def compare(case: Case, seed: int) -> None:
        try:
            program, params = compiled(case, seed)
        except tc.TocsinError:
            assume(False)
        until = float(seed % 11)
        sentences = changes(case, seed)
        if clocks == "until":
            sentences = [each for each in sentences if not each.startswith("force")]
        change = as_change(case, program, sentences)
        text = str(np.datetime64("1918-12-25") + int(until)) if case.history.dated else str(until)
        asked = {"given": f"until {text}"} if clocks == "until" else {"given": "history", "clocks": clocks}
        mine = []
        for world in range(3):
            shared = (case.model, (case.history, change), params, seed, world)
            if clocks == "until":
                mine.append(go_on(*shared, until, MOST))
            else:
                mine.append(simulate(*shared, clocks, MOST))
        assume(all(len(events) <= MOST for events in mine))
        rows = program.simulate(params, 3, seed, sentences, **asked).events.to_pylist()
        for world in range(3):
            theirs = of_world(rows, world)
            assert [tuple(row[key] for key in KEYS) for row in theirs] == [
                (each.unit, each.variable, each.origin, each.state, each.cause, each.source)
                for each in mine[world]
            ], sentences
            assert [row["time"] for row in theirs] == pytest.approx(
                [each.time for each in mine[world]], abs=1e-6
            )

    compare()


# --- 1917 ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wave() -> tuple[tc.Program, dict[str, float]]:
    """The packaged history with moderate parameters: no fit is needed to read clocks off it."""
    history = tc.load_history("1917")
    assert history.model_path is not None
    program = tc.Model.from_toml(history.model_path).compile(history)
    params = {}
    for name in program.parameter_names:
        role, term = name.split(" | ")[-2:]
        strength = {"propensity": -7.0, "susceptibility": -6.0}.get(role, 0.0) if term == "1" else 0.0
        params[name] = strength
    return program, params


@pytest.mark.parametrize("spared", [True, False])
@pytest.mark.parametrize("clocks", CLOCKS)
def test_the_wave_of_1917_is_itself(
    wave: tuple[tc.Program, dict[str, float]], clocks: str, spared: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, params = wave
    if not spared:
        monkeypatch.setattr("tocsin.ensemble.given_history.parting", from_the_beginning)
    events = program.simulate(params, 50, 3, given="history", clocks=clocks).events
    observed = explained(program)
    assert events.num_rows == 50 * len(observed)
    rows = events.to_pylist()
    assert all(told(of_world(rows, world)) == observed for world in (0, 49))
    times = events["time"].to_numpy().reshape(50, -1)
    assert (times == np.array([time for time, *_ in observed])).all()
    # Causes are drawn by their shares, so worlds agree on the events and not on what brought them.
    assert len({tuple(row["cause"] for row in of_world(rows, world)) for world in range(50)}) > 40


@pytest.mark.parametrize("clocks", CLOCKS)
def test_what_a_change_does_not_reach_stays_as_it_was(
    wave: tuple[tc.Program, dict[str, float]], clocks: str
) -> None:
    program, params = wave
    observed = explained(program)
    change = ["force uruguay order=rising at 1923-10-01"]
    rows = program.simulate(params, 20, 3, change, given="history", clocks=clocks).events.to_pylist()
    time = float(program.history.to_number("1923-10-01"))
    forced = (time, "uruguay", "order", "rising")
    for world in range(20):
        mine = told(of_world(rows, world))
        assert [event for event in mine if event[0] <= time] == [
            *(event for event in observed if event[0] <= time), forced
        ]  # fmt: skip


@pytest.mark.parametrize("clocks", CLOCKS)
@pytest.mark.parametrize(
    "do", [["remove layer comintern"], ["scale layer front by 2"], ["scale food_crisis by 0"]]
)
def test_what_is_spared_changes_no_world(
    wave: tuple[tc.Program, dict[str, float]], clocks: str, do: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    program, params = wave
    asked = {"given": "history", "clocks": clocks}
    spared = program.simulate(params, 10, 6, do, **asked).events
    monkeypatch.setattr("tocsin.ensemble.given_history.parting", from_the_beginning)
    whole = program.simulate(params, 10, 6, do, **asked).events
    assert spared.drop_columns(["time"]).equals(whole.drop_columns(["time"]))
    np.testing.assert_allclose(spared["time"], whole["time"], rtol=0, atol=1e-6)


def test_causes_and_sources_are_drawn_by_their_shares(wave: tuple[tc.Program, dict[str, float]]) -> None:
    program, params = wave
    worlds = 400
    events = program.simulate(params, worlds, 5, given="history").events.to_pandas()
    shares = program.model.with_params(params).attribute(program.history).causes
    expected = shares.groupby("cause")["share"].sum()
    found = events.groupby("cause", observed=True).size() / worlds
    for cause, value in expected.items():
        spread = np.sqrt((shares.query("cause == @cause")["share"] * (1 - shares["share"])).sum() / worlds)
        assert found.get(cause, 0.0) == pytest.approx(value, abs=5 * spread + 1e-9)


def test_threads_and_batches_do_not_matter(
    wave: tuple[tc.Program, dict[str, float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    program, params = wave
    asked = {"interventions": ["remove layer comintern"], "given": "history", "clocks": "source"}
    monkeypatch.setenv("NUMBA_NUM_THREADS", "1")
    one = program.simulate(params, 30, 8, **asked).events
    monkeypatch.setenv("NUMBA_NUM_THREADS", "4")
    monkeypatch.setattr("tocsin.ensemble.simulate.BATCH_EVENTS", 2000)
    assert program.simulate(params, 30, 8, **asked).events.equals(one)


# --- until a date -------------------------------------------------------------------------------------------


def test_until_the_start_is_given_nothing_and_until_the_end_is_the_record(
    wave: tuple[tc.Program, dict[str, float]],
) -> None:
    program, params = wave
    plain = program.simulate(params, 20, 4).events
    assert program.simulate(params, 20, 4, given="until 1917-01-01").events.equals(plain)
    late = program.simulate(params, 5, 4, given="until 1923-12-31").events.to_pylist()
    for world in range(5):
        events = [row for row in of_world(late, world) if row["time"] <= program.history.numbers.end - 1]
        assert told(events) == explained(program)


def test_changes_act_from_the_date_on(wave: tuple[tc.Program, dict[str, float]]) -> None:
    program, params = wave
    time = float(program.history.to_number("1919-01-01"))
    change = ["remove layer comintern", "scale food_crisis by 0", "prevent hungary regime=soviet"]
    rows = program.simulate(params, 10, 4, change, given="until 1919-01-01").events.to_pylist()
    for world in range(10):
        before = [row for row in of_world(rows, world) if row["time"] <= time]
        assert told(before) == [event for event in explained(program) if event[0] <= time]
    with pytest.raises(tc.ModelError, match="cannot be forced at 1918-11-09"):
        program.simulate(
            params, 1, 4, ["force germany regime=soviet at 1918-11-09"], given="until 1919-01-01"
        )


# --- parameters of their own --------------------------------------------------------------------------------


@pytest.mark.parametrize("asked", [{}, {"given": "until 1919-06-01"}, {"given": "history"}])
def test_every_world_may_have_parameters_of_its_own(
    wave: tuple[tc.Program, dict[str, float]], asked: dict[str, str]
) -> None:
    program, params = wave
    vector = program.pack(params)
    draws = vector + np.random.default_rng(1).normal(0, 0.3, (4, vector.size))
    change = ["remove layer comintern"]
    ensemble = program.simulate(params, 6, 2, change, draws=draws, **asked)
    for world in range(6):
        alone = program.simulate(draws[world % 4], world + 1, 2, change, **asked)
        assert ensemble.world(world).equals(alone.world(world))
    frame = shuffled(draws, program.parameter_names)
    assert program.simulate(params, 6, 2, change, draws=frame, **asked).events.equals(ensemble.events)


def shuffled(draws: np.ndarray, names: list[str]) -> Any:
    """The draws as a frame, its columns in another order."""
    import pandas as pd

    return pd.DataFrame(draws, columns=names)[names[::-1]]


def test_a_fit_draws_its_parameters(small: tuple[tc.History, Any]) -> None:
    history, fit = small
    draws = fit.draws(30, seed=2)
    assert list(draws.columns) == list(fit.params.index)
    assert draws.equals(fit.draws(30, seed=2))
    ensemble = fit.simulate(history, 20, 1, draws=draws, given="history")
    assert ensemble.events.num_rows == 20 * len(explained(fit.program(history)))
    with pytest.raises(tc.TocsinError, match="no uncertainty"):
        fit.model.with_params(dict(fit.params)).draws(3)


@pytest.fixture(scope="module")
def small() -> tuple[tc.History, Any]:
    from helpers.recorded import drawn, turning

    model = turning(tc.baseline(), tc.contagion("l", "s=new"))
    params = {"s: old > new | baseline | propensity | 1": -3.0, "s: old > new | l | susceptibility | 1": -2.0}
    history = drawn(model, params)
    return history, model.fit(history)


# --- where worlds are kept, and what is refused -------------------------------------------------------------


def test_folders_and_files_keep_what_worlds_were_given(tmp_path: Any) -> None:
    from helpers.small_wave import wave as small_wave

    history, model = small_wave()
    asked: dict[str, Any] = {"given": "history", "interventions": ["scale layer border by 0.2"]}
    memory = model.simulate(history, 40, 1, **asked)  # type: ignore[attr-defined]
    parts = model.simulate(history, 40, 1, folder=tmp_path / "worlds", **asked)  # type: ignore[attr-defined]
    assert parts.given == memory.given == "history, cause clocks"
    assert parts.events.combine_chunks().to_pylist() == memory.events.to_pylist()
    other = {**asked, "clocks": "source"}
    with pytest.raises(tc.TocsinError, match="another run: what worlds are given"):
        model.simulate(history, 40, 1, folder=tmp_path / "worlds", **other)  # type: ignore[attr-defined]
    memory.write(tmp_path / "worlds.parquet")
    assert tc.Ensemble.read(tmp_path / "worlds.parquet").given == memory.given
    assert "given='history, cause clocks'" in repr(memory)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"given": "histry"}, "did you mean 'history'"),
        ({"given": "until"}, "no time of"),
        ({"given": "until 1800-01-01"}, "outside the window"),
        ({"given": "until yesterday"}, "no time of"),
        ({"given": 3}, "not 3"),
        ({"given": "history", "clocks": "sauce"}, "did you mean 'source'"),
        ({"clocks": "source"}, "needs given='history'"),
        ({"draws": [[1.0]]}, "3 parameters"),
        ({"draws": "many"}, "numbers"),
    ],
)
def test_wrong_questions_are_refused(asked: dict[str, Any], said: str) -> None:
    from helpers.small_wave import wave as small_wave

    history, model = small_wave()
    with pytest.raises(tc.ModelError, match=said):
        model.simulate(history, 1, **asked)  # type: ignore[attr-defined]


@pytest.mark.parametrize("asked", [{"given": "until 1919-04-01"}, {"given": "history"}, {"draws": True}])
def test_what_worlds_need_can_travel(asked: dict[str, Any]) -> None:
    import pickle

    from helpers.small_wave import wave as small_wave

    from tocsin.ensemble.given_history import Setting
    from tocsin.ensemble.simulate import recipe_of
    from tocsin.program.condition import Condition

    history, model = small_wave()
    program = model.program(history)  # type: ignore[attr-defined]
    vector = program.pack(model.values)  # type: ignore[attr-defined]
    plain, changed = recipe_of(program, vector, 3, ["scale layer border by 0.3"])
    condition = Condition.parse(asked.get("given", "nothing"), "cause", history)
    setting = Setting(program, changed, plain, condition)
    recipe = setting.drawn([vector, vector + 0.1]) if "draws" in asked else setting.recipe(vector)
    here, there = recipe.draw(5, 9), pickle.loads(pickle.dumps(recipe, protocol=5)).draw(5, 9)
    assert (here.times == there.times).all() and (here.events == there.events).all()


def test_times_known_by_month_are_refused() -> None:
    variable = tc.StateVariable("s", ["old", "new"])
    history = tc.History(
        {"unit": ["a", "b"]},
        {"unit": ["a"], "variable": ["s"], "state": ["new"], "time": ["1919-03"]},
        variables=[variable],
        window=("1919-01", "1919-12"),
        clock="month",
    )
    model = tc.Model([variable], [tc.Transition("s", "old", "new", tc.baseline())])
    given_parameters = model.with_params({"s: old > new | baseline | propensity | 1": -2.0})
    with pytest.raises(tc.FitError, match="known by month only"):
        given_parameters.simulate(history, 1, given="history")
