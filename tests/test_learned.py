"""A fit remembers what its formulas learnt: levels and references, wherever the fit goes."""

from __future__ import annotations

import copy
import json
import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tocsin as tc
from tocsin.model.learned import Learned
from tocsin.report.replay import replay, replay_again

TURN = tc.StateVariable("s", ["a", "b"])
RATE = "s: a > b | baseline | propensity | 1"
LEVEL = "s: a > b | baseline | propensity | x"
MODEL = tc.Model([TURN], [tc.Transition("s", "a", "b", tc.baseline("1 + x"))])
CONTAGION = tc.Model(
    [TURN],
    [
        tc.Transition(
            "s",
            "a",
            "b",
            tc.baseline("1"),
            tc.contagion("l", when="s=b", susceptibility="1 + x", infectiousness="x"),
        )
    ],
)


def history(x: Any, moved: str = "pqr", **more: Any) -> tc.History:
    return tc.History(
        **{
            "units": {"unit": list("pqri"), "x": x},
            "events": {
                "unit": list(moved),
                "variable": "s",
                "state": "b",
                "time": [2.0, 5.0, 7.0][: len(moved)],
            },
            "variables": [TURN],
            "window": (0.0, 10.0),
            "layers": ["l"],
            **more,
        }
    )


@pytest.fixture(scope="module")
def fit() -> tc.Fit:
    return MODEL.fit(history(["b", "c", "b", "c"]))


UNSEEN = r"'x' is 'a' of unit '[pq]'.*never seen.*knows b, c"


def test_a_level_never_seen_is_refused_by_name(fit: tc.Fit, tmp_path: Path) -> None:
    other = history(["a", "a", "c", "c"], moved="")
    fit.save(tmp_path / "fit.json")
    loaded = tc.load_fit(tmp_path / "fit.json")
    copied = pickle.loads(pickle.dumps(fit))
    given = MODEL.with_params(fit.params, learned=fit.learned)
    for having in (fit, loaded, copied, copy.deepcopy(fit), given):
        for ask in (
            lambda it: it.simulate(other, worlds=5, seed=1),
            lambda it: it.log_likelihood(other),
            lambda it: it.residuals(other),
            lambda it: it.hazards_by_cause(other),
            lambda it: it.what_if(other, "prevent p s=b", worlds=5),
            lambda it: it.attribute(history(["a", "a", "c", "c"])),
        ):
            with pytest.raises(tc.ModelError, match=UNSEEN):
                ask(having)
    with pytest.raises(tc.ModelError, match="did you mean"):
        MODEL.with_params(fit.params, fit.learned).simulate(history(["bb", "b", "c", "c"], moved=""), 5, 1)


def test_fewer_levels_keep_their_parameters(fit: tc.Fit) -> None:
    assert fit.learned.references == {"x": "b"}
    for level, parameters in (("c", fit.params.sum()), ("b", fit.params.iloc[0])):
        other = history([level] * 4)
        assert fit.program(other).parameter_names == list(fit.params.index)
        rate = math.exp(parameters)
        assert math.isclose(
            fit.log_likelihood(other), 3 * parameters - rate * (2 + 5 + 7 + 10), rel_tol=1e-12
        )
    # The order in which the other history declares its levels does not matter.
    turned = history(pd.Categorical(["b", "c", "b", "c"], categories=["c", "b"]))
    assert math.isclose(fit.log_likelihood(turned), fit.loglik, rel_tol=1e-12)
    assert MODEL.fit(turned).learned.references == {"x": "c"}


def test_marks_and_susceptibilities_remember_too() -> None:
    ties = {"layer": "l", "source": list("pqrp"), "target": list("qrii")}
    names = CONTAGION.compile(record := history(["b", "c", "b", "c"], ties=ties)).parameter_names
    assert sum("x[c]" in name for name in names) == 2
    params = dict.fromkeys(names, 0.5)
    learned = CONTAGION.compile(record).learned
    assert set(learned) == {
        "s: a > b | baseline | propensity",
        "s: a > b | l | susceptibility",
        "s: a > b | l | infectiousness",
    }
    given = CONTAGION.with_params(params, learned)
    assert given.program(history(["c"] * 4, ties=ties)).parameter_names == names
    with pytest.raises(tc.ModelError, match=UNSEEN):
        given.simulate(history(["a", "b", "c", "c"], ties=ties), 5, 1)


def test_parameters_of_levels_need_what_was_learnt(fit: tc.Fit) -> None:
    record = history(["b", "c", "b", "c"])
    with pytest.raises(tc.ModelError, match=r"levels of 'x'.*learned=fit\.learned"):
        MODEL.with_params(fit.params).simulate(record, 5, 1)
    program = MODEL.compile(record)
    for learned in (fit.learned, program.learned, Learned.from_dict(fit.learned.to_dict())):
        given = MODEL.with_params(fit.params, learned=learned)
        assert given.simulate(record, 50, 1).events.equals(fit.simulate(record, 50, 1, draws="best").events)
    with pytest.raises(tc.ModelError, match="learned="):
        MODEL.with_params(fit.params, learned={"x": "b"})  # type: ignore[arg-type]
    with pytest.raises(tc.ModelError, match="says nothing of"):
        CONTAGION.with_params({}, learned=fit.learned).simulate(record, 5, 1)
    numbers = MODEL.with_params({RATE: -1.0, LEVEL: 0.1})
    numbers.simulate(history([1.0, 2.0, 3.0, 4.0]), 5, 1)  # numbers teach nothing
    with pytest.raises(
        tc.ModelError, match="'x' was a category in the history that was fitted, and is numbers"
    ):
        fit.simulate(history([1.0, 2.0, 3.0, 4.0]), 5, 1)
    with pytest.raises(
        tc.ModelError, match="'x' was numbers in the history that was fitted, and is a category"
    ):
        MODEL.fit(history([1.0, 2.0, 3.0, 4.5])).simulate(record, 5, 1)


def test_states_and_what_changes_with_the_calendar() -> None:
    army = tc.StateVariable("army", ["loyal", "mutinous"])
    states = tc.Model([TURN, army], [tc.Transition("s", "a", "b", tc.baseline("1 + army"))])
    record = history([1.0] * 4, variables=[TURN, army])
    names = states.compile(record).parameter_names
    states.with_params(dict.fromkeys(names, -1.0)).simulate(record, 5, 1)  # states are declared in the model
    years = tc.Model([TURN], [tc.Transition("s", "a", "b", tc.baseline("1 + C(year)"))])
    when = {
        "unit": list("pqr"),
        "variable": "s",
        "state": "b",
        "time": ["1917-03-01", "1918-03-01", "1918-05-01"],
    }
    first = history([1.0] * 4, window=("1917-01-01", "1918-12-31"), events=when)
    later = history([1.0] * 4, window=("1917-01-01", "1919-12-31"), events=when)
    fit = years.fit(first)
    assert fit.learned.references == {"C(year)": 1917}
    assert fit.log_likelihood(first.select(window=("1918-01-01", None))) < 0
    with pytest.raises(tc.ModelError, match=r"'year' is '1919'.*never seen.*1917, 1918"):
        fit.simulate(later, 5, 1)
    with pytest.raises(tc.ModelError, match="'year' is '1919'"):
        tc.forecast(years, later, "s", "b", "1918-12-31", 100, worlds=10)


def test_what_was_learnt_is_what_was_fitted_under_interventions(fit: tc.Fit) -> None:
    record = history(["b", "c", "b", "c"])
    fit.simulate(record, 5, 1, ["remove unit p", "remove unit r"])  # no unit has the reference any more
    worlds = fit.simulate(record, 2000, 1, ["remove unit p", "remove unit r"], draws="best")
    share = len(worlds.events) / 4000
    assert abs(share - (1 - math.exp(-10 * math.exp(fit.params.sum())))) < 0.03


def test_a_fit_on_disk_says_its_format(fit: tc.Fit, tmp_path: Path) -> None:
    path = tmp_path / "fit.json"
    fit.save(path)
    content = json.loads(path.read_text())
    assert content["format"] == 1
    assert tc.load_fit(path).learned == fit.learned
    assert tc.load_fit(path, history(["b", "c", "b", "c"])).learned == fit.learned
    for value, said in (
        (2, "its format is 2"),
        (True, "its format is True"),
        (None, "does not say its format"),
    ):
        changed = {**content, "format": value}
        if value is None:
            del changed["format"]
        path.write_text(json.dumps(changed))
        with pytest.raises(tc.TocsinError, match=said):
            tc.load_fit(path)
    for wrong in ({"x": 1}, None, [], {"s": {"terms": []}}):
        path.write_text(json.dumps({**content, "learned": wrong}))
        with pytest.raises(tc.TocsinError, match="fit"):
            tc.load_fit(path)


def test_models_and_histories_say_their_format_where_they_are_written(tmp_path: Path) -> None:
    text = MODEL.to_toml()
    assert text.startswith("format = 1")
    assert tc.Model.from_toml(text) == MODEL == tc.Model.from_toml(text.replace("format = 1\n", ""))
    with pytest.raises(tc.ModelError, match="its format is 2"):
        tc.Model.from_toml(text.replace("format = 1", "format = 2"))
    record = history(["b", "c", "b", "c"])
    record.write(tmp_path)
    head = (tmp_path / "history.toml").read_text()
    assert head.startswith("format = 1")
    assert tc.load_history(tmp_path) == record
    (tmp_path / "history.toml").write_text(head.replace("format = 1\n", ""))
    assert tc.load_history(tmp_path) == record
    (tmp_path / "history.toml").write_text(head.replace("format = 1", 'format = "2"'))
    with pytest.raises(tc.HistoryError, match=r"history.toml, line 1.*its format is '2'"):
        tc.load_history(tmp_path)


def test_a_replay_is_repeated_with_what_was_learnt(tmp_path: Path) -> None:
    record = history(pd.Categorical(["b", "c", "b", "c"], categories=["c", "b"]))
    record.write(tmp_path / "history")
    (tmp_path / "history" / "model.toml").write_text(MODEL.to_toml())
    folder = replay(tmp_path / "history", worlds=20, seed=3).write(tmp_path / "run")
    for name in ("manifest.json", "fit.json"):
        assert json.loads((folder / name).read_text())["format"] == 1
    assert tc.load_fit(folder / "fit.json").learned.references == {"x": "c"}
    again = replay_again(folder / "manifest.json")
    again.write(tmp_path / "again")
    assert again.differing_files() == []
    content = json.loads((folder / "manifest.json").read_text())
    for name in content["files"]:
        (folder / name).unlink()
    for change, said in (({"format": 2}, "its format is 2"), ({"fit": {}}, "fit cannot be read")):
        (folder / "manifest.json").write_text(json.dumps({**content, **change}))
        with pytest.raises(tc.TocsinError, match=said):
            replay_again(folder / "manifest.json")


def test_worlds_on_disk_say_their_format(fit: tc.Fit, tmp_path: Path) -> None:
    import pyarrow.parquet

    record = history(["b", "c", "b", "c"])
    worlds = fit.simulate(record, 5, 1)
    worlds.write(tmp_path / "worlds.parquet")
    table = pyarrow.parquet.read_table(tmp_path / "worlds.parquet")
    facts = json.loads(table.schema.metadata[b"tocsin.ensemble"])
    assert facts["format"] == 1
    meta = {**table.schema.metadata, b"tocsin.ensemble": json.dumps({**facts, "format": 7}).encode()}
    pyarrow.parquet.write_table(table.replace_schema_metadata(meta), tmp_path / "other.parquet")
    with pytest.raises(tc.TocsinError, match="its format is 7"):
        tc.Ensemble.read(tmp_path / "other.parquet")


def test_forward_validation_knows_levels_that_come_late() -> None:
    from tocsin.forecasts.penalty import forward_validation

    names = [f"u{k:02}" for k in range(40)]
    units = {"unit": names, "x": ["a"] * 20 + ["b"] * 20, "enter": [0.0] * 20 + [5.0] * 20}
    times = [*np.linspace(0.5, 4.5, 10), *np.linspace(5.5, 9.5, 10)]
    events = {"unit": [*names[:10], *names[20:30]], "variable": "s", "state": "b", "time": times}
    table = forward_validation(MODEL, history(None, units=units, events=events), parts=3)
    assert np.isfinite(table["score"]).all()


def test_a_posterior_remembers_too(fit: tc.Fit) -> None:
    pytest.importorskip("nutpie")
    record = history(["b", "c", "b", "c"])
    posterior = MODEL.sample(record, draws=30, tune=60, chains=1, seed=1)
    assert posterior.learned == fit.learned
    kept = posterior.data["posterior"].attrs
    assert kept["format"] == 1 and Learned.from_dict(json.loads(kept["learned"])) == fit.learned
    posterior.simulate(history(["c"] * 4), worlds=5)
    with pytest.raises(tc.ModelError, match=UNSEEN):
        posterior.simulate(history(["a", "a", "c", "c"]), worlds=5)
    other = MODEL.compile(history(["a", "c", "a", "c"]))
    with pytest.raises(tc.ModelError, match="other levels or references"):
        other.simulate(fit.params, 5, 1, draws=posterior)


@pytest.fixture(scope="module")
def spread() -> tc.Fit:
    """A contagion on a ring of twenty units, and a category in both of its causes."""
    names = [f"u{k:02}" for k in range(20)]
    pairs = [(a, b) for k, a in enumerate(names) for b in (names[k - 1], names[(k + 1) % 20])]
    model = tc.Model(
        [TURN],
        [
            tc.Transition(
                "s",
                "a",
                "b",
                tc.baseline("1 + g"),
                tc.contagion("l", when="s=b", susceptibility="1 + g", infectiousness="g"),
            )
        ],
    )
    record = tc.History(
        {"unit": names, "g": pd.Categorical(["v", "u"] * 10, categories=["v", "u"])},
        {"unit": names[:12], "variable": "s", "state": "b", "time": np.linspace(0.5, 6.0, 12)},
        {"layer": "l", "source": [a for a, _ in pairs], "target": [b for _, b in pairs]},
        variables=[TURN],
        window=(0.0, 10.0),
    )
    return model.fit(record, prior=tc.weak_prior())


def test_every_verb_of_a_fit_reads_what_was_learnt(spread: tc.Fit, tmp_path: Path) -> None:
    record = spread.fitted_program.history
    part = record.select(units=[name for k, name in enumerate(record.numbers.units) if k % 2])
    assert set(part.numbers.static["g"]) == {"u"}
    spread.simulate(part, worlds=20, seed=1)
    spread.simulate(part, worlds=20, seed=1, given="until 3")
    spread.simulate(part, worlds=20, seed=1, given="history", interventions=["remove layer l"])
    spread.what_if(part, "scale layer l by 2", worlds=20)
    spread.attribute(part, draws=5)
    spread.residuals(part)
    spread.hazards_by_cause(part)
    spread.attribute(draws=20, method="bootstrap")
    outcome = "units s=b"
    support = tc.Support("l", "u01", budget=2.0)
    spread.allocate(record, support, outcome, worlds=20)
    tc.forecast(spread.model, record, "s", "b", 3.0, 2.0, worlds=20, draws=5)
    found = tc.backtest(spread.model, record, "s", "b", 2.0, dates=2, worlds=20, draws=5)
    assert found.forecasts


def test_a_bootstrap_of_a_fit_with_categories(spread: tc.Fit) -> None:
    fit = spread.model.fit(spread.fitted_program.history)
    assert 0.0 < fit.test("l", bootstrap=199)["p"].iloc[0] <= 1.0
    fit.check(worlds=19, bootstrap=0)


def test_the_twin_reads_the_same_reference(spread: tc.Fit) -> None:
    from tocsin.twin.hazard import log_likelihood

    assert spread.learned.references == {"g": "v"}
    twin = log_likelihood(spread.model, spread.fitted_program.history, spread.values)
    assert math.isclose(twin, spread.loglik, rel_tol=1e-9)
