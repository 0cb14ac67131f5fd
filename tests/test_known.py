"""What was known on a day: nothing that is recorded of later moves a bit of a forecast."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from helpers.recorded import TURN, turning

import tocsin as tc


def model(home: str) -> tc.Model:
    """Home, and a contagion that remembers."""
    away = tc.contagion("l", when="s=new", half_life=6.0, susceptibility="1 + hunger")
    return turning(tc.baseline(home), away)


MODEL, PLAIN = model("1 + hunger + kind + size"), model("1 + hunger")

DAY = 40


def when(day: int, clock: str) -> Any:
    """The same time on several clocks: a day, a number, a month."""
    if clock == "number":
        return float(day)
    if clock == "month":
        return f"{1900 + day // 12}-{day % 12 + 1:02d}"
    return str((pd.Timestamp("1919-01-01") + pd.Timedelta(days=day)).date())


def tables(clock: str, later: int) -> dict[str, pd.DataFrame]:
    """A record whose rows of after day 40 are of one kind or another; what was known on day 40 is the same."""
    names = [f"u{k}" for k in range(12)]
    t = lambda day: when(day, clock)  # noqa: E731
    units = pd.DataFrame(
        {
            "unit": names,
            "size": [float(k % 5) for k in range(12)],
            "kind": ["m" if k % 2 else "n" for k in range(12)],
            "enter": [t(0)] * 12,
            "exit": [t(99)] * 9 + [t(30), t(99 - 30 * later), t(60 + 10 * later)],
        }
    )
    came = {1: 4, 2: 9, 3: 15, 4: 22, 5: 31, 6: DAY, 7: 50 - 5 * later, 8: 70 + later}
    events = pd.DataFrame(
        [(f"u{k}", "s", "new", t(day), None, None) for k, day in came.items()]
        + [("u0", "s", "new", t(35 - later), t(44 + later), None)]  # its span is not over on the day
        + [("u10", "s", "new", t(20 + later), None, t(55))],  # known only later
        columns=["unit", "variable", "state", "time", "time_latest", "reported"],
    )
    ties = pd.DataFrame(
        [("l", names[a], names[(a + 1) % 12], 1.0, t(0), t(99), None) for a in range(12)]
        + [("l", names[a], names[(a + 2) % 12], 1.0, t(10), t(DAY + 1 + 20 * later), None) for a in range(12)]
        + [("l", names[a], names[(a + 3) % 12], 2.0, t(0), t(20), None) for a in range(12)]
        + [
            ("l", names[a], names[(a + 4) % 12], 3.0 + later, t(DAY + 1 + later), t(99), None)
            for a in range(12)
        ]
        + [("l", names[a], names[(a + 5) % 12], 9.0 * (1 + later), t(5), t(99), t(60)) for a in range(3)],
        columns=["layer", "source", "target", "weight", "start", "end", "reported"],
    )
    turn, gap = DAY + 1 + 10 * later, 0 if clock == "number" else 1  # rows of dates hold on their last day
    covariates = pd.DataFrame(
        [
            ("*", "hunger", 1.0, t(0), t(25), None),
            ("*", "hunger", 0.0, t(25 + gap), t(turn), None),
            ("*", "hunger", 1.0 + later, t(turn + gap), t(99), None),
            ("u3", "hunger", 1.0, t(5), t(99 - 40 * later), None),
        ],
        columns=["unit", "covariate", "value", "start", "end", "reported"],
    )
    if later:  # units that nobody had heard of
        units = pd.concat([units, pd.DataFrame([("u12", 50.0, "a", t(45), t(99))], columns=units.columns)])
        more = [("l", "u12", "u7", 9.0, t(45), t(99), None)]
        ties = pd.concat([ties, pd.DataFrame(more, columns=ties.columns)])
    return {"units": units, "events": events, "ties": ties, "covariates": covariates}


def record(clock: str, later: int, **changed: pd.DataFrame) -> tc.History:
    """The history of such tables."""
    given = {**tables(clock, later), **changed}
    return tc.History(
        **given, variables=[TURN], window=(when(0, clock), when(99, clock)), layers=["l"],
        clock={"number": "continuous", "month": "month"}.get(clock),
    )  # fmt: skip


def made(history: tc.History, clock: str, which: tc.Model = MODEL, **asked: Any) -> tc.Forecast:
    """A forecast as of day 40."""
    return tc.forecast(which, history, "s", "new", when(DAY, clock), 30, worlds=60, draws=6, **asked)


@pytest.mark.parametrize("clock", ["day", "number", "month"])
def test_nothing_recorded_of_later_moves_a_bit(clock: str, tmp_path: Path) -> None:
    one, two = (made(record(clock, later), clock) for later in (0, 1))
    columns = ["unit", "probability", "lower", "upper"]
    pd.testing.assert_frame_equal(one.table[columns], two.table[columns], check_exact=True)
    assert one.number == two.number and one.fit.values == two.fit.values
    assert one.fit.digest == two.fit.digest
    assert one.ensemble.events.equals(two.ensemble.events)
    record(clock, 1).write(tmp_path / "kept")
    read = made(tc.load_history(tmp_path / "kept"), clock)
    pd.testing.assert_frame_equal(read.table, two.table, check_exact=True)


def test_what_is_known_of_events_and_units() -> None:
    found = made(record("day", 1), "day")
    assert found.fit.nobs == 6  # 4, 9, 15, 22, 31 and 40; a span that is not over and late news are not known
    assert set(found.table["unit"]) == {
        "u0",
        "u7",
        "u8",
        "u10",
        "u11",
    }  # u9 has left, u12 has not been heard of
    came = set(found.table["unit"][found.table["entered"]])
    assert came == {"u0", "u7", "u10"}  # those whose news came late too; u8 comes on day 71
    assert found.told.number == 3


def test_hindcasts_look_ahead_and_forecasts_do_not() -> None:
    ahead, before = (made(record("day", 1), "day", PLAIN, known=known) for known in ("hindcast", "as of"))
    assert ahead.fit.values == before.fit.values
    assert ahead.number[0] > before.number[0]  # stronger ties begin the day after
    assert ahead.known == "hindcast" and "hindcast" in str(ahead.to_xarray().attrs["known"])


def test_a_scenario_is_what_the_record_would_have_been() -> None:
    """A tie that begins later, as a sentence and as a row that a hindcast is given."""
    kept = tables("day", 0)
    for name in ("ties", "covariates"):  # what holds on the day holds on, but for one tie from day 45 on
        table = kept[name]
        table = table[(table["start"] <= when(DAY, "day")) & table["reported"].isna()].copy()
        table.loc[table["end"] >= when(DAY, "day"), "end"] = when(99, "day")
        kept[name] = table
    kept["events"] = kept["events"][kept["events"]["time_latest"].isna() & kept["events"]["reported"].isna()]
    kept["units"]["exit"] = [when(99, "day")] * 9 + [when(30, "day")] + [when(99, "day")] * 2
    row = pd.DataFrame(
        [("l", "u1", "u8", 30.0, when(45, "day"), when(99, "day"), None)], columns=kept["ties"].columns
    )
    with_it = record("day", 0, **{**kept, "ties": pd.concat([kept["ties"], row])})
    said = f"add tie l u1 > u8 weight 30 from {when(45, 'day')}"
    by_sentence = made(record("day", 0), "day", PLAIN, scenario=[said])
    by_record = made(with_it, "day", PLAIN, known="hindcast")
    plain = made(record("day", 0), "day", PLAIN)
    columns = ["unit", "probability"]
    pd.testing.assert_frame_equal(by_sentence.table[columns], by_record.table[columns])
    assert not by_sentence.table[columns].equals(plain.table[columns])
    assert by_sentence.scenario == (said,)


def test_late_reports_are_dates_and_their_chain_is_unknown() -> None:
    rows = tables("day", 0)["events"].assign(reported=None)
    rows.loc[rows["unit"] == "u1", "reported"] = "soon"
    with pytest.raises(tc.TocsinError, match="soon"):
        record("day", 0, events=rows)
    back = tc.Model(
        [TURN],
        [tc.Transition("s", "old", "new", tc.baseline()), tc.Transition("s", "new", "old", tc.baseline())],
    )
    events = pd.DataFrame(
        [("a", "new", 3.0, 9.0), ("a", "old", 5.0, None), ("a", "new", 7.0, None), ("b", "new", 2.0, None),
         ("b", "old", 4.0, None)],
        columns=["unit", "state", "time", "reported"],
    ).assign(variable="s")  # fmt: skip
    history = tc.History(
        {"unit": ["a", "b", "c"]}, events, variables=[TURN], window=(0, 10), clock="continuous"
    )
    found = tc.forecast(back, history, "s", "new", 8.0, 1.0, worlds=20, draws=2)
    # Of a nothing can be known: that it went back would tell that it had moved.
    assert found.fit.nobs == 2 and set(found.table["unit"]) == {"a", "b", "c"}


@pytest.mark.parametrize("seed", range(6))
def test_random_changes_after_the_day_change_nothing_that_was_known(seed: int) -> None:
    """Weights, values, ends and whole rows of later days, of the packaged record, moved at random."""
    from tocsin.history.known import known_on

    rng = np.random.default_rng(seed)
    history = tc.load_history("1917")
    day = pd.Timestamp("1917-06-01") + pd.Timedelta(days=int(rng.integers(0, 1800)))
    cut = history.to_number(str(day.date()))
    changed = {}
    for name, value in (("ties", "weight"), ("covariates", "value")):
        table = getattr(history, name).copy()
        starts = pd.to_datetime(table["start"]).fillna(pd.Timestamp("1917-01-01"))
        ends = pd.to_datetime(table["end"]).fillna(pd.Timestamp("1923-12-31"))
        later = (starts > day).to_numpy()
        table.loc[later, value] *= rng.uniform(0.5, 5.0, int(later.sum()))
        early = ~later & (ends > day + pd.Timedelta(days=2)).to_numpy() & (rng.random(len(table)) < 0.5)
        table["end"] = table["end"].astype(object)
        table.loc[early, "end"] = (
            day + pd.Timedelta(days=1)
        ).date()  # in force on the day, and ended otherwise
        assert later.any() and early.any()
        changed[name] = table[~(later & (rng.random(len(table)) < 0.3))]
    events = history.events
    gone = pd.to_datetime(events["time"]) > day
    other = tc.History(
        history.units, events=events[~gone], **changed, variables=history.variables, window=history.window,
        layers=history.layers, outside=history.outside, extra=history.extra,
    )  # fmt: skip
    one, two = (known_on(each, cut, cut + 90.0) for each in (history, other))
    for name, tie in one.numbers.ties.items():
        same = two.numbers.ties[name]
        for part in ("source", "target", "weight", "start", "end"):
            assert np.array_equal(getattr(tie, part), getattr(same, part)), (name, part)
    for name, rows in one.numbers.covariates.items():
        same_rows = two.numbers.covariates[name]
        for part in ("unit", "value", "start", "end"):
            assert np.array_equal(getattr(rows, part), getattr(same_rows, part)), (name, part)
    assert np.array_equal(one.numbers.event_time, two.numbers.event_time)
