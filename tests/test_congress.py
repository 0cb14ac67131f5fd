"""Judgements of experts: how they are read, pooled and met by worlds, and what is refused."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import tocsin as tc
from tocsin.cli.main import app
from tocsin.congress.congress import congress, log_weights, pooled
from tocsin.congress.judgements import Judgement, log_odds, read_judgements, share
from tocsin.errors import HistoryError, TocsinError

HEAD = "expert,unit,transition,horizon,date,probability,q05,q50,q95"
UNITS = list("abcdefghij")


@pytest.fixture(scope="module")
def history() -> tc.History:
    ties = [
        {"layer": "road", "source": one, "target": other}
        for k, one in enumerate(UNITS)
        for other in (*UNITS[max(k - 1, 0) : k], *UNITS[k + 1 : k + 2])
    ]
    came = {"a": "1900-02-10", "b": "1900-03-05", "c": "1900-03-20", "d": "1900-04-11", "e": "1900-07-02"}
    rows = [{"unit": u, "variable": "vote", "state": "yes", "time": day} for u, day in came.items()]
    return tc.History(
        units=pd.DataFrame({"unit": UNITS}),
        events=pd.DataFrame(rows),
        ties=pd.DataFrame(ties),
        variables=[tc.StateVariable("vote", ["no", "yes"], "no")],
        window=("1900-01-01", "1900-12-31"),
    )


@pytest.fixture(scope="module")
def model() -> tc.Model:
    return tc.Model.of("vote", "no", "yes", along=["road"])


def _file(path: Path, *rows: str) -> Path:
    file = path / "judgements.csv"
    file.write_text("\n".join(["# a rule, with a comma", HEAD, *rows]) + "\n", encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (
            "x,aa,vote=yes,1900-09-01,1900-05-01,.5,,,",
            "line 3, column unit: unknown unit ('aa'); did you mean 'a'",
        ),
        ("x,e,vote=yess,1900-09-01,1900-05-01,.5,,,", "did you mean 'vote=yes'"),
        ("x,e,vote=yes,1900-09-01,1900-05-01,1.2,,,", "line 3, column probability"),
        ("x,e,vote=yes,1900-09-01,1900-05-01,1,,,", "certainty cannot be weighed"),
        ("x,e,vote=yes,1900-05-01,1900-09-01,.5,,,", "its horizon does not lie after it"),
        ("x,e,vote=yes,1900-05-01,1900-05-01,.5,,,", "its horizon does not lie after it"),
        ("x,e,vote=yes,1900-09-01,1901-05-01,.5,,,", "outside the record"),
        ("x,e,vote=yes,1900-09-01,soon,.5,,,", "line 3, column date"),
        ("x,e,vote=yes,1900-09-01,1900-05-01,,.5,.4,.6", "quantiles must rise"),
        ("x,e,vote=yes,1900-09-01,1900-05-01,.5,.2,.4,.6", "and not both"),
        ("x,e,vote=yes,1900-09-01,1900-05-01,,,.4,", "all of q05, q50 and q95"),
        (",e,vote=yes,1900-09-01,1900-05-01,.5,,,", "nobody is named"),
        ("x,e,vote=yes,1900-09-01,1900-05-01,50%,,,", "write a half as 0.5 ('50%')"),
        ('x,e,vote=yes,1900-09-01,1900-05-01,"0,5",,,', "write a half as 0.5 ('0,5')"),
        ("x,e,vote=yes,1900-09-01,1 May 1900,.5,,,", "write it as 1919-05-01 ('1 May 1900')"),
        ("x,e,vote=yes,1900-09-01,1900-05-01,.5", "another number of cells"),
    ],
)
def test_mistakes_are_refused_with_their_line(
    history: tc.History, model: tc.Model, tmp_path: Path, row: str, said: str
) -> None:
    with pytest.raises(HistoryError) as caught:
        read_judgements(_file(tmp_path, row), history, model)
    assert said in str(caught.value) and "judgements.csv" in str(caught.value)


@pytest.mark.parametrize(
    ("head", "said"),
    [
        ("expert,unit,transition,horizon,date,probability,probability", "this column stands twice"),
        ("expert,unit,transition,horizon,date,probability,sorce", "did you mean 'source'"),
        ("expert,unit,transition,horizon,date,probability,weather", "unknown column: what is no judgement"),
        ("expert;unit;transition;horizon;date;probability", "save the file with commas"),
        ("expert,unit,horizon,date,probability", "column transition: the required column is missing"),
    ],
)
def test_a_wrong_header_is_refused(
    history: tc.History, model: tc.Model, tmp_path: Path, head: str, said: str
) -> None:
    file = tmp_path / "judgements.csv"
    file.write_text(head + "\n" + "x" + "," * head.count(",") + "\n", encoding="utf-8")
    with pytest.raises(HistoryError) as caught:
        read_judgements(file, history, model)
    assert said in str(caught.value) and "line 1" in str(caught.value)


def test_the_same_judgement_twice_is_refused(history: tc.History, model: tc.Model, tmp_path: Path) -> None:
    row = "x,e,vote=yes,1900-09-01,1900-05-01,.5,,,"
    with pytest.raises(HistoryError, match="line 4, column expert"):
        read_judgements(_file(tmp_path, row, row), history, model)


def test_quantiles_become_a_normal_law_of_log_odds(
    history: tc.History, model: tc.Model, tmp_path: Path
) -> None:
    low, high = share(-1.0 - 1.6448536), share(-1.0 + 1.6448536)
    row = f"x,e,vote: no > yes,1900-09-01,1900-05-01,,{low},{share(-1.0)},{high}"
    (found,) = read_judgements(_file(tmp_path, row), history, model)
    assert (found.middle, found.spread) == (pytest.approx(-1.0), pytest.approx(1.0, abs=1e-6))
    assert found.horizon == history.to_number("1900-09-01") + 1.0


def _one(middle: float, spread: float) -> Judgement:
    return Judgement("x", "e", "vote", "yes", 1.0, 2.0, middle, spread, ("", ""), 1)


def test_the_pool_is_the_geometric_mean_of_the_densities() -> None:
    parts = [_one(-1.0, 0.5), _one(2.0, 2.0), _one(0.3, 1.0)]
    middle, spread = pooled(parts)
    grid = np.linspace(-12, 12, 20001)
    log = np.mean([-0.5 * ((grid - each.middle) / each.spread) ** 2 for each in parts], axis=0)
    weight = np.exp(log) / np.exp(log).sum()
    assert middle == pytest.approx(weight @ grid, abs=1e-6)
    assert spread == pytest.approx(math.sqrt(weight @ (grid - middle) ** 2), abs=1e-6)
    assert pooled([_one(-1.0, 0.5)] * 3) == pytest.approx((-1.0, 0.5))  # who agree are no surer than one


def test_noise_of_few_worlds_is_taken_in() -> None:
    few = log_weights(np.array([0.0, 1.0, 2.0]), 4, log_odds(0.9), 0.3)
    many = log_weights(np.array([0.0, 250.0, 500.0]), 1000, log_odds(0.9), 0.3)
    assert np.all(np.diff(few) > 0) and np.all(np.diff(many) > 0)
    assert np.ptp(few) < np.ptp(many)


def test_a_congress_moves_draws_towards_what_it_believes(
    history: tc.History, model: tc.Model, tmp_path: Path
) -> None:
    told = "x,{u},vote=yes,1900-12-31,1900-05-01,{p},,,"
    moved = {}
    for p in (".02", ".98"):
        rows = [told.format(u=u, p=p) for u in "ij"]
        made = congress(
            model, history, read_judgements(_file(tmp_path, *rows), history, model), draws=60, each=10
        )
        asked = made.questions.set_index("unit")
        moved[p] = asked["with_congress"].to_numpy()
        assert np.isclose(made.weights[0].sum(), 1.0) and 1.0 <= made.effective[0] < 60
        assert (asked["came"] == 0.0).all()
    before = asked["before"].to_numpy()
    assert (moved[".02"] < before).all() and (before < moved[".98"]).all()
    entries = made.worlds.set_index("worlds")["expected"]
    assert entries["with the congress"] > entries["before"]


def test_what_the_worlds_believe_already_moves_nothing(history: tc.History, model: tc.Model) -> None:
    """An expert who says nothing (any log odds alike) leaves all draws alike."""
    flat = Judgement(
        "x",
        "j",
        "vote",
        "yes",
        history.to_number("1900-05-01"),
        history.to_number("1900-12-31"),
        0.0,
        1e6,
        ("", ""),
        1,
    )
    made = congress(model, history, [flat], draws=40, each=5)
    assert made.effective[0] == pytest.approx(40.0, rel=1e-6)
    row = made.questions.iloc[0]
    assert row["with_congress"] == pytest.approx(row["before"], abs=1e-6)


def test_only_judgements_that_have_not_seen_the_data(
    history: tc.History, model: tc.Model, tmp_path: Path
) -> None:
    rows = [
        "early,j,vote=yes,1900-12-31,1900-05-01,.5,,,",
        "late,j,vote=yes,1900-12-31,1900-08-01,.5,,,",
        "over,e,vote=yes,1900-04-20,1900-03-01,.5,,,",
        "known,d,vote=yes,1900-12-31,1900-03-01,.5,,,",
        "there,a,vote=yes,1900-12-31,1900-05-01,.5,,,",
    ]
    found = read_judgements(_file(tmp_path, *rows), history, model)
    made = congress(model, history, found, "1900-05-01", draws=20, each=4)
    assert list(made.questions["experts"]) == ["early"]
    why = {each.expert: reason for each, reason in made.left_out}
    assert "after the day" in why["late"] and "is over" in why["over"] and "not at risk" in why["there"]
    assert "had come by the day" in why["known"]
    with pytest.raises(TocsinError, match="no judgement is left"):
        congress(model, history, found[1:2], "1900-05-01", draws=20, each=4)


def test_the_packaged_congress_has_two_sourced_statements_of_each(tmp_path: Path) -> None:
    record = tc.load_history("1917")
    declared = tc.Model.from_toml(record.model_path)
    path = record.model_path.parent / "judgements.csv"
    found = read_judgements(path, record, declared)
    for unit in ("germany", "hungary", "italy", "britain"):
        own = [each for each in found if each.unit == unit]
        assert len({each.expert for each in own}) >= 2 and all(each.source for each in own)
    assert "before the outcomes were looked up" in path.read_text(encoding="utf-8")


def test_the_verb_congress_says_what_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "j.csv"
    file.write_text(
        "expert,unit,transition,horizon,date,probability\nx,germani,regime=soviet,1920-01-01,1919-01-01,1.2\n"
    )
    run = CliRunner().invoke(app, ["congress", "1917", str(file)])
    assert run.exit_code == 1 and "did you mean 'germany'" in run.output and "j.csv, line 2" in run.output
