"""Presence in spells: several rows of a unit, and places that are there but not coded."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tocsin as tc
from tocsin.ensemble.paired import observed_world
from tocsin.fit.time_at_risk import exposure_table
from tocsin.twin.hazard import log_likelihood

S = tc.StateVariable("s", ["off", "on"])


def history(units: dict[str, Any], events: Any = None, ties: Any = None, **more: Any) -> tc.History:
    told = {"variables": [S], "window": (0.0, 10.0), "clock": "continuous"} | more
    return tc.History(units, events, ties, **told)


def event(*rows: tuple[str, str, Any]) -> dict[str, list[Any]]:
    return {
        "unit": [row[0] for row in rows],
        "variable": ["s"] * len(rows),
        "state": [row[1] for row in rows],
        "time": [row[2] for row in rows],
    }


GONE = {"unit": ["a", "a"], "enter": [0.0, 6.0], "exit": [4.0, 10.0]}
RISING = tc.Model([S], [tc.Transition("s", "off", "on", tc.baseline("1"))])


def test_time_in_an_absence_is_no_time_at_risk() -> None:
    """VERIFY 21: there on (0, 4] and (6, 10], one event at 8: time at risk 6."""
    record = history(GONE, event(("a", "on", 8.0)))
    fit = RISING.fit(record)
    assert fit.params.iloc[0] == pytest.approx(-math.log(6.0), abs=1e-9)
    assert fit.transitions["exposure"].tolist() == [6.0]
    assert fit.loglik == pytest.approx(log_likelihood(RISING, record, fit.params), abs=1e-12)
    hazards = fit.hazards(5.0)
    assert hazards.empty and len(fit.hazards(7.0)) == 1


@pytest.mark.parametrize("clock", ["day", "month", "year", "step"])
def test_every_clock_leaves_absences_out(clock: str) -> None:
    """Periods or days 1 to 4 and 7 to 10, an event in the eighth: six at risk, the event's own among them or not."""
    first = {"day": "1918-01-{:02d}", "month": "1918-{:02d}-01", "year": "19{:02d}-01-01", "step": "{}"}[
        clock
    ]

    def when(k: int) -> Any:
        return k if clock == "step" else first.format(k)

    units = {"unit": ["a", "a"], "enter": [when(1), when(7)], "exit": [when(4), when(10)]}
    record = history(units, event(("a", "on", when(8))), window=(when(1), when(10)), clock=clock)
    fit = RISING.fit(record)
    if clock == "day":  # the event of day 8 is at its beginning: days 1 to 4 and day 7
        assert fit.params.iloc[0] == pytest.approx(-math.log(5.0), abs=1e-9)
    else:  # five intervals survived, one not
        assert 1 - math.exp(-math.exp(fit.params.iloc[0])) == pytest.approx(1 / 6, abs=1e-9)


def test_a_unit_returns_in_the_state_of_its_row_or_in_that_in_which_it_left() -> None:
    two = tc.Model(
        [S],
        [tc.Transition("s", "off", "on", tc.baseline()), tc.Transition("s", "on", "off", tc.baseline())],
    )
    for state, later, exposure in (
        (None, ("a", "off", 8.0), [4.0, 4.0]),  # left on, came back on: at risk of off on (2, 4] and (6, 8]
        ("off", ("a", "on", 8.0), [4.0, 4.0]),  # came back off: at risk of on on (0, 2] and (6, 8]
    ):
        units = GONE | ({} if state is None else {"s": [None, state]})
        record = history(units, event(("a", "on", 2.0), later))
        program = two.compile(record)
        params = dict.fromkeys(program.parameter_names, -1.0)
        assert exposure_table(program)["exposure"].tolist() == exposure
        assert program.loglik(params) == pytest.approx(log_likelihood(two, record, params), abs=1e-12)
        with pytest.raises(tc.HistoryError, match="already holds"):
            history(units, event(("a", "on", 2.0), ("a", "on" if state is None else "off", 8.0)))
        shares = observed_world(record).probability("s", "on", [1.0, 3.0, 5.0, 7.0, 9.0]).to_numpy()[0]
        back = 1.0 if state is None else 0.0
        np.testing.assert_array_equal(shares, [0.0, 1.0, np.nan, back, 1.0 - back])
        assert observed_world(record).counts("s", "on")["entries"].tolist() == [1 if state is None else 2]


def test_an_absent_unit_sends_nothing_and_returns_with_what_its_entries_have_left() -> None:
    units = {"unit": ["a", "a", "b"], "enter": [0.0, 6.0, 0.0], "exit": [4.0, 10.0, 10.0]}
    ties = {"layer": ["l"], "source": ["a"], "target": ["b"]}
    for half_life in (None, 2.0):
        model = tc.Model(
            [S],
            [tc.Transition("s", "off", "on", tc.baseline(), tc.contagion("l", "s=on", half_life=half_life))],
        )
        record = history(units, event(("a", "on", 1.0), ("b", "on", 9.0)), ties)
        program = model.compile(record)
        params = dict(zip(program.parameter_names, (-3.0, -1.0), strict=True))
        assert program.loglik(params) == pytest.approx(log_likelihood(model, record, params), abs=1e-12)
        seen = model.with_params(params).hazards_by_cause(record, unit="b", times=[0.0, 1.0, 4.0, 6.0, 9.0])
        expected = seen[seen["cause"] == "l"]["expected"].tolist()
        if half_life is None:
            assert expected == pytest.approx([0.0, 3 / math.e, 0.0, 3 / math.e])
        else:
            kappa = math.log(2) / half_life
            parts = [(1.0, 4.0), (6.0, 9.0)]
            area = [
                (math.exp(-kappa * (x - 1)) - math.exp(-kappa * (y - 1))) / kappa / math.e for x, y in parts
            ]
            assert expected == pytest.approx([0.0, area[0], 0.0, area[1]])


def test_worlds_have_no_events_in_absences_and_time_in_states_counts_presence() -> None:
    units = {"unit": [f"u{k}" for k in range(200)] * 2, "enter": [0.0] * 200 + [6.0] * 200,
             "exit": [4.0] * 200 + [10.0] * 200}  # fmt: skip
    worlds = RISING.with_params({"s: off > on | baseline | propensity | 1": -1.5}).simulate(
        history(units), 200, 1
    )
    times = worlds.events["time"].to_numpy()
    assert not ((times > 4.0) & (times <= 6.0)).any()
    shares = worlds.probability("s", "on", [4.0, 5.0, 10.0])
    law = [1 - math.exp(-4 * math.exp(-1.5)), math.nan, 1 - math.exp(-8 * math.exp(-1.5))]
    np.testing.assert_allclose(shares.mean("unit"), law, atol=0.01)
    curve = worlds.curve("s", "on", times=[4.0, 5.0, 10.0])["mean"]
    np.testing.assert_allclose(curve, [200 * law[0], 0.0, 200 * law[2]], atol=2.0)
    spells = worlds.durations("s", "on")
    assert not ((spells["start"] < 6.0) & (spells["end"] > 4.0)).any()


def test_a_place_that_is_not_coded_is_unknown_and_said() -> None:
    units = {"unit": ["a", "a", "b"], "enter": [0.0, 5.0, 0.0], "exit": [5.0, 10.0, 10.0],
             "unobserved": [None, True, None]}  # fmt: skip
    ties = {"layer": ["l"], "source": ["a"], "target": ["b"]}
    model = tc.Model([S], [tc.Transition("s", "off", "on", tc.baseline(), tc.contagion("l", "s=on"))])
    record = history(units, event(("a", "on", 1.0), ("b", "on", 8.0)), ties)
    warned = [each for each in model.fit(record).warnings if "not coded" in each]
    assert len(warned) == 1 and "(a)" in warned[0] and f"{3 / 9:.1%}" in warned[0]
    assert record.numbers.exit.tolist() == [5.0, 10.0]
    with pytest.raises(tc.HistoryError, match="presence"):
        history(units, event(("a", "on", 7.0)))
    never = units | {"unobserved": ["yes", "yes", None]}
    assert model.compile(history(never, None, ties)).layout.presence[:, 0].tolist() == [0.0, 0.0]


WRONG = [
    ({"enter": [0.0, 3.0]}, (), "duplicate unit: row 1 has it present at the same time"),
    ({}, (("a", "on", 5.0),), "event in an absence of 'a' .there 0 to 4, 6 to 10."),
    ({}, (("a", "on", 6.0),), "returns at that time: give the state"),
    ({"enter": [0.0, 4.0], "s": [None, "on"]}, (), "has not left since row 1"),
    ({"z": [1.0, 2.0]}, (), "'z' of one unit differs from row 1: what changes with time belongs"),
    (
        {"s_since": [None, -1.0]},
        (),
        "'s_since' dates the state in which a unit first enters, and belongs in row 1",
    ),
    (
        {"s_since": [-2.0, -1.0], "s": ["off", "off"]},
        (),
        "where a returning row names a state its age begins",
    ),
    ({"unobserved": [None, "perhaps"]}, (), "bad mark"),
    ({"unobserved": [None, True], "s": [None, "on"]}, (), "names no state"),
]


@pytest.mark.parametrize(("more", "events", "said"), WRONG)
def test_wrong_spells_are_refused(more: dict[str, Any], events: Any, said: str) -> None:
    with pytest.raises(tc.HistoryError, match=said):
        history(GONE | more, event(*events))


def test_rows_that_meet_are_one_stay() -> None:
    one = history({"unit": ["a", "a"], "enter": [0.0, 4.0], "exit": [4.0, 10.0]}, event(("a", "on", 8.0)))
    assert not one.numbers.absences.unit.size
    assert RISING.fit(one).params.iloc[0] == pytest.approx(-math.log(8.0), abs=1e-9)


def test_spells_are_written_read_cut_and_joined(tmp_path: Path) -> None:
    units = {"unit": ["a", "a", "b"], "enter": ["1918-01-01", "1918-07-01", "1918-01-01"],
             "exit": ["1918-03-31", "1918-12-31", "1918-12-31"], "s": [None, "off", None], "z": [1.0, None, 2.0],
             "unobserved": [None, None, None]}  # fmt: skip
    told: dict[str, Any] = {"window": ("1918-01-01", "1918-12-31"), "clock": "day"}
    events = event(("a", "on", "1918-02-10"), ("a", "on", "1918-09-01"))
    record = history(units, events, **told)
    for format in ("csv", "parquet"):
        record.write(tmp_path / format, format)
        assert tc.load_history(tmp_path / format) == record
    assert tc.History(record.units, record.events, variables=[S], **told) == record
    late = record.select(window=("1918-05-01", None))
    assert late.numbers.enter.tolist() == [61.0, 0.0]
    assert RISING.compile(late).layout.state.tolist() == [0, 0]  # it returned off
    early = record.select(window=(None, "1918-04-30"))
    assert early.numbers.exit.tolist() == [90.0, 120.0] and len(early.events) == 1
    assert record.merge(record) == record
    with pytest.raises(tc.TocsinError, match="comes and goes"):
        record.merge_units({"a": "b"})
