"""Every answer of an ensemble against counting by hand, world by world, on worlds drawn at random."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import xarray

import tocsin as tc
from tocsin.ensemble.ensemble import Ensemble
from tocsin.ensemble.frame import Followed, Frame, frame_of
from tocsin.ensemble.spells import wilson
from tocsin.errors import TocsinError
from tocsin.states import StateVariable

REGIME = StateVariable("regime", ["old", "soviet", "restored"])
RIOT = StateVariable("riot", ["calm", "riot"], recurrent=True)
UNITS = ("a", "b", "c", "d")
WORLDS = 40


def table(rows: list[tuple[int, float, str, str, str, str]], dated: bool = True) -> pa.Table:
    frame = pd.DataFrame(rows, columns=["world", "time", "unit", "variable", "from", "to"])
    content = {"world": pa.array(frame["world"], pa.int64()), "time": pa.array(frame["time"], pa.float64())}
    if dated:
        days = [date.fromordinal(date(1917, 1, 1).toordinal() + int(t)) for t in frame["time"]]
        content["date"] = pa.array(days, pa.date32())
    for name in ("unit", "variable", "from", "to"):
        content[name] = pa.array(frame[name], pa.string()).dictionary_encode()
    content["cause"] = pa.array(["baseline"] * len(frame), pa.string()).dictionary_encode()
    content["source"] = pa.array([None] * len(frame), pa.string()).dictionary_encode()
    return pa.table(content)


def frame(dated: bool = True, followed: Followed | None = None) -> Frame:
    return Frame(
        units=UNITS,
        variables=(REGIME, RIOT),
        start=0.0,
        end=20.0,
        enter=np.array([0.0, 0.0, 5.0, 0.0]),
        exit=np.array([20.0, 12.0, 20.0, 20.0]),
        initial={"regime": np.array([0, 1, 1, 0], dtype=np.int32), "riot": np.zeros(4, dtype=np.int32)},
        clock="day" if dated else "number",
        first=date(1917, 1, 1) if dated else None,
        followed=followed or Followed(),
    )


def drawn(seed: int = 0) -> tuple[Ensemble, list[tuple[int, float, str, str, str, str]]]:
    rng = np.random.default_rng(seed)
    rows = []
    for world in range(WORLDS):
        state = {"a": 0, "b": 1, "c": 1, "d": 0}
        for time in np.sort(rng.uniform(0, 20, rng.integers(0, 12))):
            unit = UNITS[rng.integers(0, 3)]  # d never moves
            if (unit == "b" and time > 12) or (unit == "c" and time <= 5):
                continue
            if rng.random() < 0.3:
                rows.append((world, time, unit, "riot", "riot", "riot"))
                continue
            to = (state[unit] + rng.integers(1, 3)) % 3
            rows.append((world, time, unit, "regime", REGIME.states[state[unit]], REGIME.states[to]))
            state[unit] = to
    return Ensemble(table(rows), WORLDS, 1, frame()), rows


def state_at(rows, world: int, unit: str, time: float) -> str:
    state = {"a": "old", "b": "soviet", "c": "soviet", "d": "old"}[unit]
    for w, t, u, variable, _, to in rows:
        if w == world and u == unit and variable == "regime" and t < time:
            state = to
    return state


def present(unit: str, time: float) -> bool:
    enter, exit = {"b": (0, 12), "c": (5, 20)}.get(unit, (0, 20))
    return enter <= time <= exit


@pytest.mark.parametrize("state", REGIME.states)
def test_probability_is_the_share_of_worlds(state: str) -> None:
    ensemble, rows = drawn()
    times = [17.0, 0.0, 3.3, 5.0, 5.1, 12.0, 12.5, 20.0]
    array = ensemble.probability("regime", state, times)
    assert array.dims == ("unit", "time")
    for unit in UNITS:
        for place, time in enumerate(times):
            value = array.sel(unit=unit).values[place]
            if not present(unit, time):
                assert np.isnan(value)
                continue
            share = np.mean([state_at(rows, w, unit, time) == state for w in range(WORLDS)])
            assert value == pytest.approx(share)


def test_probability_at_an_event_sees_the_state_before_it() -> None:
    ensemble = Ensemble(table([(0, 4.0, "a", "regime", "old", "soviet")]), 1, 0, frame())
    values = ensemble.probability("regime", "soviet", [4.0, 4.0001]).sel(unit="a").values
    assert values.tolist() == [0.0, 1.0]


def test_default_times_are_whole_clock_units_with_dates() -> None:
    ensemble, _ = drawn()
    array = ensemble.probability("regime", "soviet")
    assert array.sizes == {"unit": 4, "time": 21}
    assert pd.Timestamp(array.time.values[3]) == pd.Timestamp("1917-01-04")
    assert array.sel(unit="a", time="1917-01-04").item() == array.sel(unit="a").values[3]
    assert array.attrs["worlds"] == WORLDS
    by_date = ensemble.probability("regime", "soviet", ["1917-01-04", pd.Timestamp("1917-01-05")])
    assert np.array_equal(by_date.values, array.values[:, 3:5], equal_nan=True)


def test_numeric_times_stay_numbers() -> None:
    ensemble = Ensemble(
        table([(0, 4.0, "a", "regime", "old", "soviet")], dated=False), 2, 0, frame(dated=False)
    )
    array = ensemble.probability("regime", "soviet", [10])
    assert array.time.values.tolist() == [10.0]
    assert array.sel(unit="a").item() == 0.5
    assert "date" not in ensemble.first_times("regime", "soviet")


def test_interval_is_wilsons() -> None:
    # Newcombe (1998), example: 81 of 263 gives 0.2553 to 0.3662.
    lower, upper = wilson(np.array([81 / 263]), 263)
    assert lower[0] == pytest.approx(0.2553, abs=5e-5)
    assert upper[0] == pytest.approx(0.3662, abs=5e-5)
    ensemble, _ = drawn()
    result = ensemble.probability("regime", "soviet", interval=True)
    assert isinstance(result, xarray.Dataset)
    inside = result.probability.notnull()
    assert bool(
        ((result.lower <= result.probability) & (result.probability <= result.upper))
        .where(inside, True)
        .all()
    )


@pytest.mark.parametrize("state", REGIME.states)
def test_curve_counts_present_units(state: str) -> None:
    ensemble, rows = drawn(3)
    times = [20.0, 0.0, 4.9, 5.0, 8.0, 12.0, 12.1]
    curve = ensemble.curve("regime", state, (0.1, 0.5, 1.0), times)
    for row, time in enumerate(times):
        counts = sorted(
            sum(present(u, time) and state_at(rows, w, u, time) == state for u in UNITS)
            for w in range(WORLDS)
        )
        assert curve["mean"][row] == pytest.approx(np.mean(counts))
        assert curve[0.1][row] == counts[3]
        assert curve[0.5][row] == counts[19]
        assert curve[1.0][row] == counts[-1]


def test_curve_in_chunks_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    ensemble, _ = drawn(3)
    whole = ensemble.curve("regime", "soviet")
    monkeypatch.setattr("tocsin.ensemble.ensemble._LARGEST", WORLDS * 3)
    pd.testing.assert_frame_equal(ensemble.curve("regime", "soviet"), whole)


def test_first_times_durations_and_counts() -> None:
    ensemble, rows = drawn(5)
    first = (
        ensemble.first_times("regime", "soviet").astype({"unit": str}).set_index(["world", "unit"])["time"]
    )
    spells = ensemble.durations("regime", "soviet")
    counts = ensemble.counts("regime", "soviet").set_index("world")
    assert len(counts) == WORLDS
    for world in range(WORLDS):
        entered = [(t, u) for w, t, u, v, _, to in rows if w == world and v == "regime" and to == "soviet"]
        assert counts["entries"][world] == len(entered)
        assert counts["units"][world] == len({u for _, u in entered})
        for unit, held_from in (("a", None), ("b", 0.0), ("c", 5.0), ("d", None)):
            times = [t for t, u in entered if u == unit] if held_from is None else [held_from]
            assert first.get((world, unit)) == (times[0] if times else None)
        mine = spells[spells["world"] == world]
        total = sum(
            state_at(rows, world, u, t) == "soviet" and present(u, t)
            for u in UNITS
            for t in np.arange(0.05, 20, 0.1)
        )
        assert mine["duration"].sum() == pytest.approx(total * 0.1, abs=0.6)
    assert (spells["duration"] >= 0).all()
    assert set(spells.loc[spells["censored"], "end"]) <= {20.0, 12.0}


def test_recurrent_events_count_each_and_make_one_spell() -> None:
    rows = [(0, 1.0, "a", "riot", "calm", "riot"), (0, 2.0, "a", "riot", "riot", "riot")]
    ensemble = Ensemble(table(rows), 2, 0, frame())
    assert ensemble.counts("riot", "riot")["entries"].tolist() == [2, 0]
    spells = ensemble.durations("riot", "riot")
    assert spells[["start", "end", "censored"]].to_numpy().tolist() == [[1.0, 20.0, True]]


def test_summary() -> None:
    rows = [(w, 2.0 + w, "a", "regime", "old", "soviet") for w in range(3)]
    rows = sorted([*rows, (0, 7.0, "a", "regime", "soviet", "restored")])
    summary = Ensemble(table(rows), 4, 0, frame()).summary("regime", "soviet")
    assert summary.loc["a", "share"] == 0.75
    assert summary.loc["a", "median"] == pd.Timestamp("1917-01-04")
    assert summary.loc["a", "open"] == pytest.approx(2 / 3)
    assert summary.loc["b", "share"] == 1.0  # held on entry
    assert summary.loc["d", "share"] == 0.0
    assert pd.isna(summary.loc["d", "median"])
    assert pd.isna(summary.loc["d", "duration"])


def test_followed_variables_are_the_same_in_every_world() -> None:
    followed = Followed(
        np.array([3.0]), np.array([0], np.int32), np.array([1], np.int32), np.array([1], np.int32)
    )
    ensemble = Ensemble(drawn()[0].events, WORLDS, 1, frame(followed=followed))
    riots = [w for w, unit in drawn()[0].world(0)[["world", "unit"]].to_numpy() if unit == "a"]
    assert ensemble.probability("riot", "riot", [3.5]).sel(unit="a").item() == 1.0
    assert (ensemble.counts("riot", "riot")["entries"] >= 1).all()
    assert riots is not None


def test_empty_ensembles_answer() -> None:
    ensemble = Ensemble(table([]), 3, 0, frame())
    assert ensemble.probability("regime", "soviet", [6.0]).values.ravel().tolist() == [0.0, 1.0, 1.0, 0.0]
    assert ensemble.curve("regime", "soviet", times=[6.0])["mean"].tolist() == [2.0]
    assert ensemble.counts("regime", "soviet")["entries"].tolist() == [0, 0, 0]
    assert len(ensemble.durations("regime", "soviet")) == 6
    none = Ensemble(table([]), 0, 0, frame())
    assert np.isnan(none.summary("regime", "soviet")["lower"]).all()
    assert len(none.curve("regime", "soviet")) == 21


def test_compare_world_by_world() -> None:
    here = Ensemble(table([(0, 3.0, "a", "regime", "old", "soviet")]), 2, 0, frame())
    there = Ensemble(
        table([(0, 4.0, "a", "regime", "old", "soviet"), (1, 1.0, "d", "regime", "old", "soviet")]),
        2,
        0,
        frame(),
    )
    worlds = here.compare(there, "regime", "soviet")
    assert worlds["entries_difference"].tolist() == [0, -1]
    assert worlds["lost"].tolist() == [0, 1]
    units = (
        here.compare(there, "regime", "soviet", by="unit").astype({"unit": str}).set_index(["world", "unit"])
    )
    assert units.loc[(0, "a"), "difference"] == -1.0
    assert len(here.compare(there)) == 2 * 5
    with pytest.raises(TocsinError, match="cannot be compared"):
        here.compare(Ensemble(table([]), 3, 0, frame()))


def test_sql_reaches_the_events_and_nothing_else(tmp_path) -> None:
    ensemble, rows = drawn()
    assert ensemble.sql("SELECT count(*) AS n FROM events")["n"].item() == len(rows)
    secret = tmp_path / "secret.csv"
    secret.write_text("a\n1\n")
    for query in (
        f"SELECT * FROM read_csv('{secret}')",
        f"SELECT * FROM '{secret}'",
        f"COPY events TO '{tmp_path / 'out.csv'}'",
        "SET enable_external_access = true",
        "SELECT * FROM rows",
        "SELEC",
    ):
        with pytest.raises(TocsinError):
            ensemble.sql(query)
    assert not (tmp_path / "out.csv").exists()


def test_written_ensembles_are_read_back(tmp_path) -> None:
    ensemble, _ = drawn()
    path = ensemble.write(tmp_path / "e.parquet")
    again = Ensemble.read(path)
    assert again.events.equals(ensemble.events)
    assert (again.worlds, again.seed) == (WORLDS, 1)
    xarray.testing.assert_identical(again.to_xarray(), ensemble.to_xarray())
    again.write(tmp_path / "f.parquet")
    assert (tmp_path / "f.parquet").read_bytes() == path.read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["e.parquet", "f.parquet"]
    (tmp_path / "not.parquet").write_text("x")
    for name in ("none.parquet", "not.parquet"):
        with pytest.raises(TocsinError, match=name):
            Ensemble.read(tmp_path / name)


def test_wrong_questions_name_the_right_word() -> None:
    ensemble, _ = drawn()
    with pytest.raises(TocsinError, match="did you mean 'soviet'"):
        ensemble.probability("regime", "soviets")
    with pytest.raises(TocsinError, match="did you mean 'regime'"):
        ensemble.counts("regimes", "soviet")
    with pytest.raises(TocsinError, match="outside the window"):
        ensemble.curve("regime", "soviet", times=["1931-01-01"])
    with pytest.raises(TocsinError, match="no world 40"):
        ensemble.world(40)
    with pytest.raises(TocsinError, match="does not know its history"):
        ensemble.history(0)
    with pytest.raises(AttributeError):
        ensemble.seed = 3


def test_one_world_as_a_history() -> None:
    from tocsin.history.history import History

    observed = History(
        pd.DataFrame({"unit": ["a", "b"], "regime": ["old", "soviet"]}),
        pd.DataFrame({"unit": ["a"], "variable": ["regime"], "state": ["soviet"], "time": ["1917-01-09"]}),
        variables=[REGIME],
        window=("1917-01-01", "1917-01-20"),
        name="small",
    )
    rows = [
        (0, 3.2, "a", "regime", "old", "soviet"),
        (0, 3.7, "a", "regime", "soviet", "restored"),
        (1, 8.0, "b", "regime", "soviet", "old"),
    ]
    ensemble = Ensemble(table(rows), 2, 0, frame_of(observed), history=observed)
    world = ensemble.history(0)
    assert [str(t.date()) for t in world.events["time"]] == ["1917-01-04", "1917-01-04"]
    assert world.events["state"].astype(str).tolist() == ["soviet", "restored"]
    assert ensemble.frame.initial["regime"].tolist() == [0, 1]
    assert ensemble.history(1).events["unit"].astype(str).tolist() == ["b"]


def test_frame_follows_what_the_model_does_not_move() -> None:
    from tocsin.history.history import History
    from tocsin.model.declaration import Transition, baseline
    from tocsin.model.model import Model

    events = {"unit": ["a", "a"], "variable": ["regime", "riot"], "state": ["soviet", "riot"], "time": [2, 3]}
    observed = History(
        {"unit": ["a"]},
        events,
        variables=[StateVariable("regime", ["old", "soviet"]), RIOT],
        window=(1, 5),
    )
    wider = StateVariable("regime", ["soviet", "fallen", "old"], initial="old")
    model = Model([wider], [Transition("regime", "old", "soviet", baseline("1"))])
    made = frame_of(observed, model)
    assert [variable.name for variable in made.variables] == ["regime", "riot"]
    assert made.variables[0] == wider
    assert made.initial["regime"].tolist() == [2]
    assert made.followed.variable.tolist() == [1]
    assert made.followed.time.tolist() == [3.0]
    assert len(frame_of(observed).followed.time) == 0


def test_html_is_escaped() -> None:
    ensemble = Ensemble(drawn()[0].events, WORLDS, 1, frame(), interventions=["<script>"])
    assert "<script>" not in ensemble._repr_html_()
    assert "soviet" in ensemble._repr_html_()


def test_worlds_split_by_the_hub_of_a_star() -> None:
    names = [f"u{k}" for k in range(9)]
    state = tc.StateVariable("s", ["old", "new"])
    history = tc.History(
        {"unit": names},
        ties={"layer": "l", "source": "u4", "target": [name for name in names if name != "u4"]},
        variables=[state],
        window=(0.0, 10.0),
    )
    model = tc.Model(
        [state], [tc.Transition("s", "old", "new", tc.baseline("1"), tc.contagion("l", when="s=new"))]
    )
    rates = {"s: old > new | baseline | propensity | 1": -3.0, "s: old > new | l | susceptibility | 1": 0.0}
    worlds = model.with_params(rates).simulate(history, 1000, 3)
    split = worlds.split("s", "new")
    assert split is not None and (split.unit, split.variable, split.state) == ("u4", "s", "new")
    first = worlds.first_times("s", "new")
    with_hub = first.loc[first["unit"] == "u4", "world"]
    assert split.share == len(with_hub) / 1000
    others = worlds.counts("s", "new")["entries"].to_numpy().astype(float)
    others[with_hub] -= 1
    half = np.arange(1000) % 2 == 1
    inside = np.isin(np.arange(1000), with_hub)
    assert split.median_with == np.median(others[half & inside])
    assert split.median_without == np.median(others[half & ~inside])
    assert 0.2 < split.explained < 1.0 and "it does not say why" in str(split)
    # Units that nothing joins divide nothing: what was found by chance is not confirmed.
    alone = model.with_params({**rates, "s: old > new | l | susceptibility | 1": -np.inf})
    chance = alone.simulate(history, 1000, 3).split("s", "new")
    assert chance is None or chance.explained < 0.02
    with pytest.raises(tc.TocsinError, match="takes 40 worlds"):
        model.with_params(rates).simulate(history, 10, 3).split("s", "new")
