"""Events known to lie in a span: what counts of a span, exact likelihoods, and likelihoods over drawn times."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tocsin as tc
from tocsin.history.describe import describe
from tocsin.program.spans.exact import StagesLikelihood
from tocsin.program.spans.open_times import Placer, placed

S = tc.StateVariable("s", ["a", "b"])
MOVE = tc.Transition("s", "a", "b", tc.baseline())


def history(events: dict[str, Any], window: Any = (0.0, 10.0), units: Any = "xyz", **more: Any) -> tc.History:
    units = {"unit": list(units)} if isinstance(units, str) else units
    more.setdefault("variables", [S])
    return tc.History(units, {"variable": ["s"] * len(events["unit"]), **events}, window=window, **more)


def by_numbers(program: Any, vector: Any, cells: int = 12) -> float:
    """The log-likelihood by Gauss's rule of two points in cells of every span, or by summing over all periods."""
    placer = Placer(program)
    told, total = placer.told.copy(), 0.0
    axes = []
    for event in placer.open:
        low, high = program.spans.low[event], program.spans.high[event]
        if placer.grouped:
            axes.append([(t, 1.0) for t in np.arange(low, high + 1)])
        else:
            width, at = (high - low) / cells, (0.5 - 0.5 / math.sqrt(3), 0.5 + 0.5 / math.sqrt(3))
            axes.append([(low + (k + x) * width, width / 2) for k in range(cells) for x in at])
    for chosen in itertools.product(*axes):
        told[placer.open] = [time for time, _ in chosen]
        # The order of a unit's events in one variable is that of the record.
        ahead = all(told[a] < told[e] for e in placer.open.tolist() for a, _ in placer.before[e])
        behind = all(told[e] < told[a] for e in placer.open.tolist() for a, _ in placer.after[e])
        one = placed(program, told) if ahead and behind else None
        if one is None:
            continue
        try:
            value = one.likelihood.value(vector)
        except tc.TocsinError:
            continue
        total += math.exp(value) * math.prod(width for _, width in chosen)
    return math.log(total)


def slopes(program: Any, vector: Any) -> None:
    """Gradient and Hessian are those of the value."""
    likelihood, step = program.likelihood, 1e-5
    gradient, hessian = likelihood.gradient(vector), likelihood.hessian(vector)
    for k in range(vector.size):
        moved = np.zeros(vector.size)
        moved[k] = step
        up, down = (likelihood.value(vector + by * moved) for by in (1, -1))
        assert gradient[k] == pytest.approx((up - down) / (2 * step), rel=1e-5, abs=1e-6)
        up, down = (likelihood.gradient(vector + by * moved) for by in (1, -1))
        assert hessian[k] == pytest.approx((up - down) / (2 * step), rel=1e-4, abs=1e-5)


# --- what counts of a span ------------------------------------------------------------------------------


def hundred(**more: Any) -> tc.History:
    units = [f"u{number:03d}" for number in range(100)]
    events = {
        "unit": units,
        "state": "b",
        "time": [0.0] * 60 + [1.0] * 40,
        "time_latest": [1.0] * 60 + [2.0] * 40,
    }
    return history(events, (0.0, 2.0), {"unit": units}, **more)


def test_sixty_of_a_hundred_move_in_the_first_span() -> None:
    model = tc.Model([S], [MOVE])
    fit = model.fit(hundred())
    assert fit.params.iloc[0] == pytest.approx(math.log(math.log(3.5)), abs=1e-8)  # survreg, interval2
    q = 1 / 3.5
    assert fit.loglik == pytest.approx(100 * math.log(1 - q) + 40 * math.log(q), abs=1e-9)
    # d^2/drate^2 of 100 log(1 - e^-r) - 40 r, on the logarithm of r.
    rate = math.log(3.5)
    information = 100 * rate**2 * math.exp(-rate) / (1 - math.exp(-rate)) ** 2
    assert fit.summary()["se"].iloc[0] == pytest.approx(information**-0.5, rel=1e-6)
    assert fit.nobs == 100 and not fit.warnings


def test_a_span_that_begins_with_the_window_is_an_event() -> None:
    model = tc.Model([S], [MOVE])
    found = []
    for first in ("1917-03-02", "1917-03-01"):
        events = {
            "unit": ["x", "y"],
            "state": "b",
            "time": [first, "1917-05-01"],
            "time_latest": ["1917-03-31", "1917-05-01"],
        }
        h = history(events, ("1917-03-01", "1917-12-31"))
        fit = model.fit(h)
        assert fit.nobs == 2 and not fit.warnings
        assert "events known to lie in a span: 1 of 2" in describe(h)
        begin = 1.0 if first.endswith("02") else 0.0
        rate = math.exp(fit.params.iloc[0])
        log = math.log(math.exp(-rate * begin) - math.exp(-31 * rate)) + math.log(rate) - rate * (61 + 306)
        assert fit.loglik == pytest.approx(log, abs=1e-9)
        found.append(fit.loglik)
    assert found[1] > found[0]


def test_spans_count_for_the_part_in_which_the_unit_is_there() -> None:
    units = {"unit": ["x", "y", "z"], "enter": [0.0, 2.0, 0.0], "exit": [10.0, 10.0, 6.0]}
    events = {"unit": ["x", "y", "z"], "state": "b", "time": [-5.0, 1.0, 4.0], "time_latest": [3.0, 5.0, 9.0]}
    program = tc.Model([S], [MOVE]).compile(history(events, units=units))
    rate = 0.3
    expected = math.log(1 - math.exp(-3 * rate)) * 2 + math.log(math.exp(-4 * rate) - math.exp(-6 * rate))
    assert program.loglik([math.log(rate)]) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("time", "latest", "units"),
    [
        (-3.0, -1.0, "xy"),
        (-3.0, 0.0, "xy"),
        (5.0, 7.0, {"unit": ["x", "y"], "exit": [4.0, 10.0]}),
        (-5.0, 2.0, {"unit": ["x", "y"], "enter": [2.0, 0.0]}),
    ],
)
def test_a_span_without_a_feasible_part_is_refused(time: float, latest: float, units: Any) -> None:
    with pytest.raises(
        tc.HistoryError, match=r"line 1, column time_latest: the event of 'x' cannot have happened"
    ):
        history({"unit": ["x"], "state": "b", "time": [time], "time_latest": [latest]}, units=units)


def test_the_file_and_line_of_such_a_span_are_named(tmp_path: Path) -> None:
    h = history({"unit": ["x", "y"], "state": "b", "time": [1.0, 2.0], "time_latest": [3.0, 4.0]})
    h.write(tmp_path / "h")
    again = tc.load_history(tmp_path / "h")
    assert again == h
    model = tc.Model([S], [MOVE])
    assert model.fit(again).loglik == model.fit(h).loglik
    table = pd.read_csv(tmp_path / "h" / "events.csv")
    table.loc[1, ["time", "time_latest"]] = [11, 12]
    table.to_csv(tmp_path / "h" / "events.csv", index=False)
    with pytest.raises(tc.HistoryError, match=r"events.csv, line 3, column time_latest"):
        tc.load_history(tmp_path / "h")


def test_a_narrower_window_takes_what_lies_before_it_as_a_state() -> None:
    events = {"unit": ["x", "y"], "state": "b", "time": [1.0, 2.0], "time_latest": [3.0, 6.0]}
    part = history(events).select(window=(4.0, 10.0))
    assert part.numbers.event_time.tolist() == [2.0, 5.0]
    assert tc.Model([S], [MOVE]).fit(part).nobs == 1


# --- the order of a unit's events -----------------------------------------------------------------------

ARTHRITIS = tc.StateVariable("joints", ["none", "few", "many"])
PROGRESS = [
    tc.Transition("joints", "none", "few", tc.baseline("1 + x")),
    tc.Transition("joints", "few", "many", tc.baseline()),
]


def visits(**more: Any) -> tc.History:
    """Patients seen at times of their own: each move lies between two visits, some of them between the same two."""
    events = {
        "unit": ["p0", "p0", "p1", "p1", "p2", "p3", "p3"],
        "variable": ["joints"] * 7,
        "state": ["few", "many", "few", "many", "few", "few", "many"],
        "time": [0.0, 2.0, 1.0, 1.0, 3.0, 2.0, 4.0],
        "time_latest": [2.0, 5.0, 4.0, 4.0, 6.0, 2.0, 7.0],
        "sequence": [1, 2, 1, 2, 1, 1, 2],
    }
    units = {"unit": [f"p{k}" for k in range(5)], "x": [0.0, 1.0, 1.0, 0.0, 0.5], "exit": [8.0, 9, 10, 9, 7]}
    return history(events, units=units, variables=[ARTHRITIS], **more)


def test_a_progressive_model_of_visits_is_the_product_of_matrix_exponentials() -> None:
    """Kalbfleisch & Lawless (1985): what a panel of visits says, with what each patient was known to be in between."""
    from scipy.linalg import expm

    program = tc.Model([ARTHRITIS], PROGRESS).compile(visits())
    assert isinstance(program.likelihood, StagesLikelihood)
    vector = np.array([-1.2, 0.4, -0.9])

    def steps(x: float, span: float) -> np.ndarray:
        one, two = math.exp(vector[0] + vector[1] * x), math.exp(vector[2])
        return np.asarray(expm(span * np.array([[-one, one, 0], [0, -two, two], [0, 0, 0]])))

    seen = [
        (0.0, [(0, 0), (2, 1), (5, 2)]),
        (1.0, [(0, 0), (1, 0), (4, 2)]),
        (1.0, [(0, 0), (3, 0), (6, 1), (10, 1)]),
        (0.5, [(0, 0), (7, 0)]),
    ]
    log = sum(
        math.log(steps(x, b - a)[i, j]) for x, path in seen for (a, i), (b, j) in itertools.pairwise(path)
    )
    one = math.exp(vector[0])  # the fourth is known to move at 2
    log += -2 * one + math.log(one) + math.log(steps(0.0, 2.0)[1, 1]) + math.log(steps(0.0, 3.0)[1, 2])
    assert program.loglik(vector) == pytest.approx(log, abs=1e-9)
    slopes(program, vector)


def test_spans_of_two_variables_are_summed_over_both_orders() -> None:
    army = tc.StateVariable("army", ["loyal", "mutinous"])
    model = tc.Model(
        [S, army],
        [
            tc.Transition("s", "a", "b", tc.baseline("1 + army")),
            tc.Transition("army", "loyal", "mutinous", tc.baseline()),
        ],
    )
    events = {
        "unit": ["x", "x", "y", "y"],
        "variable": ["s", "army", "s", "army"],
        "state": ["b", "mutinous", "b", "mutinous"],
        "time": [1.0, 2.0, 3.0, 1.0],
        "time_latest": [4.0, 5.0, 3.0, 6.0],
    }
    vector = np.array([-1.0, 1.1, -1.4])
    program = model.compile(history(events, variables=[S, army]))
    assert program.loglik(vector) == pytest.approx(by_numbers(program, vector), abs=0.02)
    slopes(program, vector)
    ordered = model.compile(history({**events, "sequence": [1, 2, 0, 0]}, variables=[S, army]))
    assert ordered.loglik(vector) == pytest.approx(by_numbers(ordered, vector), abs=0.02)
    assert ordered.loglik(vector) < program.loglik(vector)


def test_two_events_in_one_span_need_a_sequence() -> None:
    events = {"unit": ["x"] * 2, "state": ["few", "many"], "time": [1.0, 1.0], "time_latest": [4.0, 4.0]}
    events["variable"] = ["joints"] * 2  # type: ignore[assignment]
    with pytest.raises(tc.HistoryError, match="'sequence' must say which comes first"):
        history(events, variables=[ARTHRITIS])


def test_a_span_between_known_times_ends_with_them() -> None:
    events = {
        "unit": ["x"] * 3,
        "state": ["b", "a", "b"],
        "time": [1.0, 0.5, 4.0],
        "time_latest": [1.0, 6.0, 4.0],
        "sequence": [1, 2, 3],
    }
    h = history(events)
    assert h.numbers.spans is not None
    assert (h.numbers.spans.low[1], h.numbers.spans.high[1]) == (1.0, 4.0)
    back = tc.Transition("s", "b", "a", tc.baseline())
    program = tc.Model([S], [MOVE, back]).compile(h)
    vector = np.array([-1.0, -0.5])
    assert program.loglik(vector) == pytest.approx(by_numbers(program, vector, 40), abs=1e-7)
    slopes(program, vector)


# --- exact likelihoods with other causes ----------------------------------------------------------------


def exposed(memory: Any, clock: str | None = None, response: Any = None) -> tuple[tc.Model, tc.History]:
    """The open variable hears of another one, whose times are known."""
    alarm = tc.StateVariable("alarm", ["off", "on"])
    heard = tc.contagion("l", when="alarm=on", half_life=memory, response=response)
    turn = tc.Transition("s", "a", "b", tc.baseline("1 + alarm"), heard)
    model = tc.Model([S, alarm], [turn, tc.Transition("alarm", "off", "on", tc.baseline())])
    events = {
        "unit": ["x", "y", "y", "z"],
        "variable": ["s", "s", "alarm", "alarm"],
        "state": ["b", "b", "on", "on"],
        "time": [2.0, 4.0, 3.0, 5.0],
        "time_latest": [6.0, 10.0, 3.0, 5.0],
    }
    more: dict[str, Any] = {}
    window: Any = (0.0, 10.0)
    if clock:
        months = [f"1917-{m:02d}-01" for m in range(1, 12)]
        events["time"] = [months[int(t)] for t in events["time"]]
        events["time_latest"] = [months[int(t)] for t in events["time_latest"]]
        window, more["clock"] = ("1917-01-01", "1917-11-01"), clock
    ties = {"layer": "l", "source": ["y", "z", "z"], "target": ["x", "x", "y"], "weight": [1.0, 0.5, 2.0]}
    return model, history(events, window, ties=ties, variables=[S, alarm], **more)


@pytest.mark.parametrize("memory", [None, 2.0, "estimate"])
@pytest.mark.parametrize("clock", [None, "month"])
@pytest.mark.parametrize("response", [None, "power"])
def test_exposure_to_what_is_known_is_integrated_exactly(memory: Any, clock: Any, response: Any) -> None:
    model, h = exposed(memory, clock, response)
    program = model.compile(h)
    # Where variables of one unit are open by the month, the few combinations are summed over.
    assert clock or isinstance(program.likelihood, StagesLikelihood)
    vector = np.array(
        [-1.6, 0.4, -1.1, *([0.5] if memory == "estimate" else []), *([0.2] if response else []), -2.0]
    )
    # Within a span a fading memory is taken at the mean of short pieces.
    known = by_numbers(program, vector)
    assert program.loglik(vector) == pytest.approx(known, abs=1e-9 if clock else 1e-4)
    slopes(program, vector)
    scores = program.likelihood.unit_scores(vector)
    assert scores.sum(axis=0) == pytest.approx(program.gradient(vector), abs=1e-9)


def test_far_from_zero_costs_no_digits() -> None:
    units = {"unit": [f"u{k}" for k in range(30)], "founded": [1900.0 + k % 7 for k in range(30)]}
    rng = np.random.default_rng(3)
    time = rng.uniform(0, 7, 30)
    events = {"unit": units["unit"], "state": "b", "time": time, "time_latest": time + 2.0}
    model = tc.Model([S], [tc.Transition("s", "a", "b", tc.baseline("1 + founded"))])
    near = {**units, "founded": [y - 1903.0 for y in units["founded"]]}
    one, two = (model.fit(history(events, units=each)).summary() for each in (units, near))
    assert one["estimate"].iloc[1] == pytest.approx(two["estimate"].iloc[1], rel=1e-5)
    assert one["se"].iloc[1] == pytest.approx(two["se"].iloc[1], rel=1e-5)


# --- likelihoods over drawn times -----------------------------------------------------------------------


def wave(**more: Any) -> tuple[tc.Model, tc.History]:
    """Eight units on a ring, two of whose moves are open and enter the hazards of their neighbours."""
    spread = tc.contagion("l", when="s=b")
    model = tc.Model([S], [tc.Transition("s", "a", "b", tc.baseline(), spread)])
    names = [f"u{k}" for k in range(8)]
    ties = {
        "layer": "l",
        "source": [a for a in names for _ in range(2)],
        "target": [names[(k + step) % 8] for k in range(8) for step in (1, 2)],
    }
    events = {
        "unit": ["u0", "u1", "u2", "u3", "u4"],
        "state": "b",
        "time": [4.0, 4.5, 5.0, 6.5, 7.5],
        "time_latest": [4.0, 7.0, 9.0, 6.5, 7.5],
    }
    return model, history(events, (0.0, 12.0), {"unit": names}, ties=ties, **more)


class Grid:
    """The likelihood of `wave` by Gauss's rule over both times."""

    def __init__(self, program: Any) -> None:
        placer, self.parts = Placer(program), []
        at = (0.5 - 0.5 / math.sqrt(3), 0.5 + 0.5 / math.sqrt(3))
        first = [4.5 + 0.25 * (k + x) for k in range(10) for x in at]
        second = [5.0 + 0.25 * (k + x) for k in range(16) for x in at]
        for one, two in itertools.product(first, second):
            told = placer.told.copy()
            told[placer.open] = [one, two]
            made = placed(program, told)
            assert made is not None
            self.parts.append(made.likelihood)

    def __call__(self, vector: np.ndarray) -> float:
        found = np.array([part.value(vector) for part in self.parts])
        return float(found.max() + np.log(np.exp(found - found.max()).sum() * 0.125**2))


def test_a_fit_over_drawn_times_is_that_of_the_integral(tmp_path: Path) -> None:
    from scipy.optimize import minimize

    model, h = wave()
    fit = model.fit(h)
    assert 0.0 < fit.loglik_error < 0.1 and not fit.warnings
    whole = Grid(model.compile(h))
    vector = fit.params.to_numpy()
    assert fit.loglik == pytest.approx(whole(vector), abs=4 * fit.loglik_error)
    best = minimize(lambda x: -whole(x), vector, method="Nelder-Mead", options={"xatol": 1e-4, "fatol": 1e-7})
    bend, step = np.zeros((2, 2)), 0.02
    for a, b in itertools.product(range(2), range(2)):
        for one, two in itertools.product((1, -1), (1, -1)):
            moved = best.x + step * (one * np.eye(2)[a] + two * np.eye(2)[b])
            bend[a, b] += one * two * whole(moved) / (4 * step**2)
    errors = np.sqrt(np.diag(np.linalg.inv(-bend)))
    assert np.abs(vector - best.x).max() < 0.2 * errors.min()
    assert np.sqrt(np.diag(fit.vcov)) == pytest.approx(errors, rel=0.08)
    # What is kept is read again to the bit, with its draws of times.
    fit.save(tmp_path / "fit.json")
    again = tc.load_fit(tmp_path / "fit.json", h)
    assert again.loglik == fit.loglik and again.loglik_error == fit.loglik_error
    assert again.log_likelihood(h) == pytest.approx(fit.loglik, abs=1e-9)
    assert again.profile(fit.params.index[0]).upper == fit.profile(fit.params.index[0]).upper
    told: list[tuple[str, int, int]] = []
    again = model.fit(h, progress=lambda *step: told.append(step))
    assert again.params.tolist() == fit.params.tolist()
    assert (
        told[0][1:] == (1, 50) and told[-1][1:] == (200, 200) and all("drawing" in step[0] for step in told)
    )


def test_a_program_tells_its_likelihood_anywhere() -> None:
    model, h = wave()
    program = model.compile(h)
    vector = np.array([-3.5, -0.5])
    value = program.loglik(vector)
    assert value == pytest.approx(Grid(program)(vector), abs=5 * program.likelihood.level_error)  # type: ignore[attr-defined]
    program.loglik([-3.0, -1.0])
    assert program.loglik(vector) == value  # whatever was asked in between


# --- what follows from a fit ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fitted() -> tuple[Any, tc.History]:
    model, h = wave()
    return model.fit(h), h


def test_expected_events_are_those_explained(fitted: Any) -> None:
    fit, _ = fitted
    assert fit.causes["expected"].to_numpy() == pytest.approx(fit.causes["events"].to_numpy(), abs=1e-6)
    assert "Monte-Carlo error" in fit.report()


@pytest.mark.parametrize("draws", ["best", "fit"])
def test_worlds_given_what_happened_have_drawn_times(fitted: Any, draws: str) -> None:
    fit, h = fitted
    ensemble = fit.simulate(h, worlds=400, seed=3, given="history", draws=draws)
    events = ensemble.events.to_pandas()
    assert len(events) == 5 * 400 and not len(ensemble.stopped)
    times = {str(name): each["time"].to_numpy() for name, each in events.groupby("unit", observed=True)}
    assert (times["u0"] == 4.0).all() and (times["u3"] == 6.5).all()
    drawn = fit.over_draws.told[:, fit.over_draws.placer.open]
    for name, own, low, high in (("u1", drawn[:, 0], 4.5, 7.0), ("u2", drawn[:, 1], 5.0, 9.0)):
        assert ((times[name] > low) & (times[name] <= high)).all()
        assert times[name].mean() == pytest.approx(own.mean(), abs=0.3)
        assert times[name].std() == pytest.approx(own.std(), rel=0.3)
    again = fit.simulate(h, worlds=400, seed=3, given="history", draws=draws)
    assert again.events.equals(ensemble.events)
    until = fit.simulate(h, worlds=200, seed=3, given="until 6", draws=draws).events.to_pandas()
    early = until[until["time"] <= 6.0]
    assert set(early["unit"].astype(str)) == {"u0", "u1", "u2"}


def test_shares_are_means_over_the_times(fitted: Any) -> None:
    fit, h = fitted
    found = fit.attribute(h, draws=50)
    assert found.causes.groupby("event")["share"].sum().to_numpy() == pytest.approx(1.0)
    names = found.events.set_index("event")["unit"]
    sources = found.parents.assign(source_unit=found.parents["source_event"].map(names))
    assert (sources["source_unit"] == sources["source"]).all()
    # The third moved at 6.5, the second before or after it: in either case it has no share in what came before it.
    later = sources[(sources["unit"] == "u3") & (sources["source"] == "u2")]["share"]
    assert 0.0 < later.item() < 0.5
    assert found.drawn is not None and found.drawn.causes.shape == (len(found.causes), 50)
    assert any("2 events are open" in note for note in found.notes)


def test_numbered_periods_are_summed_over() -> None:
    events = {"unit": ["x", "y"], "state": "b", "time": [1.0, 4.0], "time_latest": [3.0, 4.0]}
    program = tc.Model([S], [MOVE]).compile(history(events, (1.0, 10.0), clock="step"))
    rate = math.exp(-1.5)
    log = math.log(1 - math.exp(-3 * rate)) + math.log(math.exp(-3 * rate) - math.exp(-4 * rate)) - 10 * rate
    assert program.loglik([-1.5]) == pytest.approx(log, abs=1e-9)


def test_what_takes_the_middle_of_a_span_says_so(fitted: Any) -> None:
    fit, h = fitted
    for ask in (
        lambda: fit.residuals(h),
        lambda: fit.hazards(6.0),
        lambda: fit.hazards_by_cause(h),
    ):
        with pytest.warns(
            tc.errors.SpanWarning, match="take 2 events that are known to lie in a span at the middle"
        ):
            ask()


def test_a_check_over_drawn_times_tests_against_none_and_says_what_it_does_not(fitted: Any) -> None:
    fit, _ = fitted
    table = fit.check().table.set_index("rival")
    row = table.loc["none (as fitted)"]
    known = fit.summary().iloc[1]
    assert row["p"] == pytest.approx(known["p"], abs=0.01)
    others = table.drop("none (as fitted)")
    assert len(others) >= 4 and others["p"].isna().all()
    assert others["how"].str.contains("no time_latest").any()


def test_a_comparison_over_drawn_times_tells_its_error(fitted: Any) -> None:
    fit, h = fitted
    name = fit.params.index[1]
    small = fit.model.fit(h, fixed={name: fit.params.iloc[1] - 1.0})
    found = fit.compare(small)
    assert (
        found.noise == pytest.approx(2 * math.hypot(fit.loglik_error, small.loglik_error)) and found.noise > 0
    )
    assert "Monte-Carlo error" in str(found)


def test_many_patients_seen_at_visits_are_fitted_as_by_matrix_exponentials() -> None:
    """Psoriatic arthritis as Gladman, Farewell & Nadeau (1995) saw it: four states, visits of each patient's own."""
    from scipy.linalg import expm
    from scipy.optimize import minimize

    rng, states = np.random.default_rng(7), ["none", "few", "some", "many"]
    rows: list[tuple[str, str, float, float, int]] = []
    seen: list[tuple[float, float, int, int]] = []
    units = {
        "unit": [f"p{k:03d}" for k in range(60)],
        "x": (np.arange(60) % 2).astype(float),
        "exit": np.zeros(60),
    }
    for k, unit in enumerate(units["unit"]):
        rates = np.exp([-1.6 + 0.5 * units["x"][k], -1.3, -1.8])
        moves = np.cumsum(rng.exponential(1 / rates))
        at = np.cumsum(rng.uniform(0.5, 3.0, 5))
        units["exit"][k] = at[-1]
        for a, b in itertools.pairwise([0.0, *at]):
            i, j = int((moves <= a).sum()), int((moves <= b).sum())
            seen.append((units["x"][k], b - a, i, j))
            rows += [(unit, states[s + 1], a, b, s) for s in range(i, j)]
    names = ("unit", "state", "time", "time_latest", "sequence")
    events = {name: list(each) for name, each in zip(names, zip(*rows, strict=True), strict=True)}
    variable = tc.StateVariable("joints", states)
    h = history({**events, "variable": ["joints"] * len(rows)}, (0.0, 20.0), units, variables=[variable])
    moves_ = [
        tc.Transition("joints", a, b, tc.baseline("1 + x" if a == "none" else "1"))
        for a, b in itertools.pairwise(states)
    ]
    fit = tc.Model([variable], moves_).fit(h)

    def minus(vector: np.ndarray) -> float:
        known: dict[tuple[float, float], Any] = {}
        total = 0.0
        for x, span, i, j in seen:
            if (x, span) not in known:
                rates = np.exp([vector[0] + vector[1] * x, vector[2], vector[3]])
                known[x, span] = expm(span * (np.diag([*-rates, 0.0]) + np.diag(rates, 1)))
            total -= math.log(known[x, span][i, j])
        return total

    values = fit.params.to_numpy()
    assert fit.loglik == pytest.approx(-minus(values), abs=1e-7)
    step, eye = 1e-3, np.eye(4)
    slope = np.array([minus(values + step * e) - minus(values - step * e) for e in eye]) / (2 * step)
    bend = np.array(
        [
            [
                sum(a * b * minus(values + step * (a * e + b * f)) for a in (1, -1) for b in (1, -1))
                / (4 * step**2)
                for f in eye
            ]
            for e in eye
        ]
    )
    inverse = np.linalg.inv(bend)
    best = minimize(minus, values - inverse @ slope, method="BFGS", options={"gtol": 1e-6})
    assert values == pytest.approx(best.x, abs=1e-5)
    assert np.sqrt(np.diag(fit.vcov)) == pytest.approx(np.sqrt(np.diag(inverse)), rel=1e-5)
