"""The readable twin against numbers derived by hand; each derivation stands in a comment."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from tocsin.errors import FitError
from tocsin.history.history import History
from tocsin.kernels import streams
from tocsin.model.declaration import Transition, baseline, contagion
from tocsin.model.model import Model
from tocsin.states import StateVariable
from tocsin.twin.hazard import attribute, combine, log_likelihood, residuals, simulate, uniform

TURN = StateVariable("s", ["old", "new"])
RIOT = StateVariable("riot", ["yes"], recurrent=True)
LN2 = math.log(2)


def record(
    units: Any, events: Any = (), ties: Any = (), variables: Any = (TURN,), window: Any = (0, 10), **more: Any
) -> History:
    """A history from tuples, in the order of the columns of its tables."""
    if not isinstance(units, dict):
        units = {"unit": list(units)}
    columns = ("unit", "variable", "state", "time", "sequence")[: len(events[0]) if events else 4]
    table = {name: [event[n] for event in events] for n, name in enumerate(columns)} if events else None
    columns = ("layer", "source", "target", "weight", "start", "end")[: len(ties[0]) if ties else 3]
    rows = {name: [tie[n] for tie in ties] for n, name in enumerate(columns)} if ties else None
    return History(units, table, rows, variables=list(variables), window=window, layers=["l"], **more)


def turning(*causes: Any, **more: Any) -> Model:
    return Model([TURN], [Transition("s", "old", "new", *causes, **more)])


HOME = "s: old > new | baseline | propensity | 1"
AWAY = "s: old > new | l | susceptibility | 1"
COMPLETE = [("l", a, b) for a in "abcde" for b in "abcde" if a != b]


def test_hawkes_of_one_unit() -> None:
    # A recurrent transition with a tie to itself: baseline 0.6 and 0.5 * 1.5 exp(-1.5 age) after every event.
    history = record(
        "u", [("u", "riot", "yes", t) for t in (0.5, 1.2, 1.5, 3.0)], [("l", "u", "u")], [RIOT], (0, 4)
    )
    model = Model(
        [RIOT],
        [Transition("riot", "yes", "yes", baseline(), contagion("l", "riot=yes", half_life=LN2 / 1.5))],
    )
    name = "riot: yes > yes"
    params = {
        f"{name} | baseline | propensity | 1": math.log(0.6),
        f"{name} | l | susceptibility | 1": math.log(0.75),
    }
    assert log_likelihood(model, history, params) == pytest.approx(-4.997329272327505, rel=1e-14)


def test_two_units() -> None:
    history = record(
        "ab", [("a", "s", "new", 3.0), ("b", "s", "new", 3.5)], [("l", "a", "b"), ("l", "b", "a")]
    )
    model = turning(baseline(), contagion("l", "s=new"))
    params = {HOME: math.log(0.1), AWAY: math.log(0.5)}
    # Both at risk at 0.1 until 3, then b at 0.6 until 3.5: hazards integrate to 2 * 0.3 + 0.3.
    assert log_likelihood(model, history, params) == pytest.approx(math.log(0.1) + math.log(0.6) - 0.9)
    (_, first, _), (event, shares, sources) = attribute(model, history, params)
    assert first == {"baseline": 1, "l": 0}
    assert (event.unit, event.origin, event.state) == ("b", "old", "new")
    assert shares == pytest.approx({"baseline": 1 / 6, "l": 5 / 6})
    assert sources == pytest.approx({("l", "a"): 5 / 6})
    name = "s: old > new"
    assert residuals(model, history, params)[:2] == [
        ("a", name, pytest.approx(0.3), True),
        ("b", name, pytest.approx(0.6), True),
    ]
    late = record("ab", (), [("l", "a", "b"), ("l", "b", "a")], window=(0, 200))
    worlds = [simulate(model, late, params, 1917, world) for world in range(600)]
    both = np.array([world[-1].time for world in worlds])
    # The standard deviation of the sum of Exp(0.2) and Exp(0.6) is sqrt(25 + 2.78) = 5.27.
    assert both.mean() == pytest.approx(1 / 0.2 + 1 / 0.6, abs=4 * 5.27 / math.sqrt(600))
    assert (both <= 5).mean() == pytest.approx(0.4730743724, abs=4 * 0.5 / math.sqrt(600))
    assert np.mean([world[1].cause == "l" for world in worlds]) == pytest.approx(
        5 / 6, abs=4 * 0.373 / 600**0.5
    )


def test_complete_graph() -> None:
    history = record("abcde", (), COMPLETE, window=(0, 500))
    model = turning(baseline(), contagion("l", "s=new"))
    params = {HOME: math.log(0.1), AWAY: math.log(0.2)}
    last = [simulate(model, history, params, 1, world)[-1].time for world in range(300)]
    rates = [(5 - k) * (0.1 + 0.2 * k) for k in range(5)]
    spread = math.sqrt(sum(rate**-2 for rate in rates))
    assert sum(1 / rate for rate in rates) == pytest.approx(5.325396825)
    assert np.mean(last) == pytest.approx(5.325396825, abs=4 * spread / math.sqrt(300))


def test_power_response_with_memory() -> None:
    # a and b are entered at 1 and 2; ties to c weigh 1 and 3; h = 2, alpha = 2, strength 0.1. With d = ln 2:
    # E(t) = 2^(-(t-1)/2) on (1, 2], and at 2+ it is 2^(-1/2) + 3, halving every 2. E^2 halves every 1, so the
    # integral of E^2 over a span is E^2 (1 - 2^(-span)) / ln 2. Before 1 there is no exposure: 0^alpha = 0.
    model = turning(baseline("0 + home"), contagion("l", "s=new", half_life="estimate", response="power"))
    history = record(
        {"unit": list("abc"), "home": [1.0, 1.0, -1.0]},
        [("a", "s", "new", 1.0), ("b", "s", "new", 2.0), ("c", "s", "new", 5.0)],
        [("l", "a", "c", 1.0), ("l", "b", "c", 3.0)],
    )
    params = {
        "s: old > new | baseline | propensity | home": math.log(0.2),
        AWAY: math.log(0.1),
        "s: old > new | l | memory | half_life": math.log(2),
        "s: old > new | l | response | alpha": math.log(2),
    }
    squared = (2**-0.5 + 3) ** 2
    exposed = 0.1 * ((1 - 0.5) / LN2 + squared * (1 - 2**-3) / LN2)
    home = 0.2 * 1 + 0.2 * 2 + 5.0 * 5  # c's own rate is 0.2^-1 = 5
    at_c = 5.0 + 0.1 * squared * 2**-3
    expected = 2 * math.log(0.2) + math.log(at_c) - home - exposed
    assert log_likelihood(model, history, params) == pytest.approx(expected, rel=1e-13)
    shares = attribute(model, history, params)[2]
    assert shares[1]["l"] == pytest.approx(0.1 * squared * 2**-3 / at_c)
    # Among the sources it is split by E, not by E^2.
    assert shares[2][("l", "b")] == pytest.approx(shares[1]["l"] * 3 / (2**-0.5 + 3))


def test_normalised_exposure() -> None:
    # Present sources of c: a (turned, weight 1) and b (not turned, weight 3) until b leaves at 4.
    # Exposure 1/4 on (2, 4], then 1/1; d has no tie and no exposure.
    units = {"unit": list("abcd"), "enter": [0.0, 0, 0, 0], "exit": [10.0, 4, 10, 10]}
    history = record(units, [("a", "s", "new", 2.0)], [("l", "a", "c", 1.0), ("l", "b", "c", 3.0)])
    model = turning(baseline(), contagion("l", "s=new", normalise="target"))
    home = 0.1 * (2 + 4 + 10 + 10)
    away = 0.5 * (0.25 * 2 + 1.0 * 6)
    assert log_likelihood(model, history, {HOME: math.log(0.1), AWAY: math.log(0.5)}) == pytest.approx(
        math.log(0.1) - home - away
    )


def test_dated_rows_hold_through_their_last_day_and_begin_after_their_first_instant() -> None:
    # The window 1-10 March is (0, 10]. hunger = 1 on 3-5 March is (2, 5]. a turns on 3 March, at 2, and does
    # not see the row that begins that day: rate 1. b turns on 6 March, at 5, and sees the row that ends on
    # the 5th: rate 3.
    history = History(
        {"unit": ["a", "b"]},
        {
            "unit": ["a", "b"],
            "variable": ["s", "s"],
            "state": ["new", "new"],
            "time": ["1919-03-03", "1919-03-06"],
        },
        covariates={
            "unit": ["*"],
            "covariate": ["hunger"],
            "value": [1.0],
            "start": ["1919-03-03"],
            "end": ["1919-03-05"],
        },
        variables=[TURN],
        window=("1919-03-01", "1919-03-10"),
        outside={"hunger": 0.0},
    )
    params = {HOME: 0.0, "s: old > new | baseline | propensity | hunger": math.log(3)}
    expected = 0 - 2 + math.log(3) - 2 - 3 * 3
    assert log_likelihood(turning(baseline("1 + hunger")), history, params) == pytest.approx(expected)


def test_events_of_one_instant() -> None:
    # b turns at the same instant as a and does not see it: without a baseline that is impossible.
    model = turning(baseline("0 + home"), contagion("l", "s=new"))
    units = {"unit": ["a", "b"], "home": [1.0, 1.0]}
    ties = [("l", "a", "b")]
    params = {"s: old > new | baseline | propensity | home": -1.0, AWAY: 0.0}
    together = record(units, [("a", "s", "new", 2.0), ("b", "s", "new", 2.0)], ties)
    assert attribute(model, together, params)[1][1]["l"] == 0
    # One unit's own events are seen in their order: army mutinies first, and opens the way for the regime.
    army = StateVariable("army", ["loyal", "mutinous"])
    model = Model([TURN, army], [Transition("s", "old", "new", baseline(), requires="army=mutinous")])
    ordered = record(
        "a", [("a", "s", "new", 2.0, 2), ("a", "army", "mutinous", 2.0, 1)], variables=[TURN, army]
    )
    assert log_likelihood(model, ordered, {HOME: math.log(0.3)}) == pytest.approx(math.log(0.3))
    reversed_ = record(
        "a", [("a", "s", "new", 2.0, 1), ("a", "army", "mutinous", 2.0, 2)], variables=[TURN, army]
    )
    assert log_likelihood(model, reversed_, {HOME: math.log(0.3)}) == -math.inf


def test_memory_needs_a_dated_event_and_presence_needs_none() -> None:
    # a holds `new` on entry: it counts under `while`, and not under half-life unless an event before the
    # window says when; then it carries what is left of it: 2^(-(t + 1) / h).
    ties = [("l", "a", "b")]
    units = {"unit": ["a", "b"], "s": ["new", "old"]}
    remembering = turning(contagion("l", "s=new", half_life=1.0))
    params = {AWAY: 0.0}
    assert log_likelihood(turning(contagion("l", "s=new")), record(units, (), ties), params) == pytest.approx(
        -10
    )
    assert log_likelihood(remembering, record(units, (), ties), params) == 0
    early = record("ab", [("a", "s", "new", -1.0)], ties)
    assert log_likelihood(remembering, early, params) == pytest.approx(-0.5 * (1 - 2**-10) / LN2)


def test_a_move_inside_the_source_states_is_no_entry() -> None:
    stages = StateVariable("s", ["old", "new", "newer"])
    model = Model(
        [stages],
        [Transition("s", "old", "new", contagion("l", "s=new|newer", half_life=1.0))],
    )
    history = record("ab", [("a", "s", "newer", 1.0), ("a", "s", "new", 2.0)], [("l", "a", "b")], [stages])
    assert log_likelihood(model, history, {AWAY: 0.0}) == pytest.approx(-(1 - 2**-9) / LN2)


def test_the_mark_of_an_entry_is_that_of_its_moment() -> None:
    # a has speech 2 on (0, 4] and 0 after; it turns at 4, and its mark exp(2 g) stays. Under `while`
    # the infectiousness is today's. The army's state after the entry, same instant before it, is in the mark.
    speech = {
        "unit": ["a", "a"],
        "covariate": ["speech"] * 2,
        "value": [2.0, 0.0],
        "start": [0.0, 4.0],
        "end": [4.0, 10.0],
    }
    army = StateVariable("army", ["loyal", "mutinous"])
    events = [("a", "army", "mutinous", 4.0, 1), ("a", "s", "new", 4.0, 2)]
    history = record("ab", events, [("l", "a", "b")], [TURN, army], covariates=speech)
    params = {
        AWAY: 0.0,
        "s: old > new | l | infectiousness | speech": 0.5,
        "s: old > new | l | infectiousness | army[mutinous]": math.log(3),
    }
    for half_life, integral in ((1.0, 3 * math.e * (1 - 2**-6) / LN2), (None, 3 * 6.0)):
        cause = contagion("l", "s=new", infectiousness="speech + army", half_life=half_life)
        model = Model([TURN, army], [Transition("s", "old", "new", cause)])
        # Nothing explains why a turns, so the likelihood is zero: look at b alone, through the residuals.
        waits = {unit: amount for unit, _, amount, ended in residuals(model, history, params) if not ended}
        assert waits["b"] == pytest.approx(integral)


def test_late_entry_and_calendar() -> None:
    # t is k on (k, k+1]. b is at risk on (2.5, 5]: t = 2 for half a unit, then 3 and 4.
    units = {"unit": ["a", "b"], "enter": [0.0, 2.5], "exit": [1.0, 5.0]}
    params = {HOME: 0.0, "s: old > new | baseline | propensity | t": 0.1}
    expected = -(1 + 0.5 * math.exp(0.2) + math.exp(0.3) + math.exp(0.4))
    assert log_likelihood(turning(baseline("1 + t")), record(units), params) == pytest.approx(expected)
    # month and year of each day; 30 January to 2 February, hazard 1 in January and e in February.
    dated = record("a", window=("1918-01-30", "1918-02-02"))
    params = {HOME: 0.0, "s: old > new | baseline | propensity | C(month)[2]": 1.0}
    assert log_likelihood(turning(baseline("1 + C(month)")), dated, params) == pytest.approx(-2 - 2 * math.e)


def test_grouped_time() -> None:
    # Known by year: a turns in 1902, in the interval (2, 3], after two years at risk; b in none of four, of
    # which the last begins after a has turned. In `loose` there are two ways out, at rates 0.2 and 0.6.
    window = ("1900", "1903")
    table = {"unit": ["a"], "variable": ["s"], "state": ["new"], "time": ["1902"]}
    ties = {"layer": ["l"], "source": ["a"], "target": ["b"]}
    history = History({"unit": ["a", "b"]}, table, ties, variables=[TURN], window=window, clock="year")
    model = turning(baseline(), contagion("l", "s=new"))
    params = {HOME: math.log(0.2), AWAY: math.log(0.5)}
    survived = 2 * 0.2 + 3 * 0.2
    assert log_likelihood(model, history, params) == pytest.approx(
        math.log(1 - math.exp(-0.2)) - survived - (0.2 + 0.5)
    )
    loose = StateVariable("s", ["old", "new", "lost"])
    ways = [Transition("s", "old", to, baseline()) for to in ("new", "lost")]
    history = History({"unit": ["a"]}, table, variables=[loose], window=window, clock="year")
    params = {HOME: math.log(0.2), "s: old > lost | baseline | propensity | 1": math.log(0.6)}
    expected = -2 * 0.8 + math.log(0.2 / 0.8 * (1 - math.exp(-0.8)))
    assert log_likelihood(Model([loose], ways), history, params) == pytest.approx(expected)


def test_several_origins_and_moves_that_are_taken_as_given() -> None:
    stages = StateVariable("s", ["old", "restored", "new", "lost"])
    model = Model([stages], [Transition("s", "old|restored", "new", baseline("1 + s"))])
    events = [("a", "s", "restored", 1.0), ("a", "s", "new", 3.0), ("a", "s", "lost", 4.0)]
    name = "s: old|restored > new | baseline | propensity | "
    params = {
        name + "1": math.log(0.2),
        name + "s[restored]": math.log(2),
        name + "s[new]": 0.0,
        name + "s[lost]": 0.0,
    }
    history = record("a", events, variables=[stages])
    # 0.2 on (0, 1] as old, 0.4 on (1, 3] as restored; the moves to restored and lost are not explained.
    assert log_likelihood(model, history, params) == pytest.approx(math.log(0.4) - 0.2 - 0.8)
    with pytest.raises(FitError, match=r"'s' cannot be simulated: 'a' moved from 'old' to 'restored'"):
        simulate(model, history, params, 1)


def test_a_variable_without_transitions_follows_what_happened() -> None:
    army = StateVariable("army", ["loyal", "mutinous"])
    model = Model([TURN, army], [Transition("s", "old", "new", baseline(), requires="army=mutinous")])
    history = record(
        "a", [("a", "army", "mutinous", 4.0), ("a", "army", "loyal", 5.0)], variables=[TURN, army]
    )
    for world in range(50):
        for event in simulate(model, history, {HOME: math.log(2.0)}, 7, world):
            assert 4 < event.time <= 5
            assert (event.cause, event.source) == ("baseline", None)
    # The clock pauses and does not reset: with the door open twice as long, what happened stays as it was.
    wider = record("a", [("a", "army", "mutinous", 4.0), ("a", "army", "loyal", 6.0)], variables=[TURN, army])
    for world in range(50):
        before = simulate(model, history, {HOME: 0.0}, 7, world)
        after = simulate(model, wider, {HOME: 0.0}, 7, world)
        assert after[: len(before)] == before


def test_sources_are_drawn_by_their_shares() -> None:
    units = {"unit": ["a", "b", "c"], "s": ["new", "new", "old"]}
    history = record(units, (), [("l", "a", "c", 1.0), ("l", "b", "c", 3.0)], window=(0, 100))
    worlds = [
        simulate(turning(contagion("l", "s=new")), history, {AWAY: 0.0}, 3, world) for world in range(400)
    ]
    share = np.mean([world[0].source == "b" for world in worlds])
    assert share == pytest.approx(0.75, abs=4 * math.sqrt(0.75 * 0.25 / 400))


def test_what_cannot_be_computed_is_refused() -> None:
    units = {"unit": ["a", "b"], "hunger": [1.0, None]}
    params = {HOME: 0.0, "s: old > new | baseline | propensity | hunger": 0.0}
    with pytest.raises(FitError, match="missing for unit 'b'"):
        log_likelihood(turning(baseline("1 + hunger")), record(units), params)
    with pytest.raises(FitError, match="no value is given for the parameter"):
        log_likelihood(turning(baseline()), record("a"), {})
    model = Model([RIOT], [Transition("riot", "yes", "yes", contagion("l", "riot=yes"))])
    with pytest.raises(FitError, match="more than 50 events"):
        history = record("a", (), [("l", "a", "a")], [RIOT], (0, 100))
        simulate(model, history, {"riot: yes > yes | l | susceptibility | 1": 0.0}, 1, most=50)


def test_streams_are_those_of_the_kernels() -> None:
    draws = np.random.default_rng(1917).integers(0, 2**64, (50, 2), dtype=np.uint64)
    for first, second in draws:
        assert combine(int(first), int(second)) == streams.combine(first, second)
        for number in (0, 1, 2, 7):
            assert uniform(int(first), int(second), number) == streams.uniform(first, second, number)
