"""The packaged histories 1848, 1989, 2011 and four_waves: made from the facts, traceable, and ready to be asked."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tocsin as tc
from tocsin.model.declaration import Contagion

REPO = Path(__file__).resolve().parent.parent
HISTORIES = Path(tc.__file__).parent / "histories"
WAVES = ("1848", "1989", "2011")

# Spells that each state has, as facts/WAVE/about.md counts them.
SPELLS = {
    "1848": {
        "grant=granted": 40,
        "power=new": 17,
        "street=crowd": 74,
        "rising=rising": 83,
        "army=mutinous": 6,
    },
    "1989": {
        "monopoly=gone": 62,
        "street=moving": 178,
        "regime=new": 23,
        "union=declared": 23,
        "vote=held": 41,
    },
    "2011": {"street=protest": 121, "arms=rising": 33, "ruler=fallen": 7, "crackdown=crackdown": 21},
    "four_waves": {"challenge=begun": 253, "gain=won": 183, "gain=undone": 38},
}


def read(name: str, table: str) -> list[dict[str, str]]:
    with (HISTORIES / name / table).open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def test_the_packaged_tables_are_what_the_facts_give() -> None:
    command = [sys.executable, str(REPO / "scripts" / "make_waves.py"), "--check"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("name", [*WAVES, "four_waves"])
def test_every_row_names_a_source_and_a_confidence(name: str) -> None:
    sources = {row["key"]: row for row in read(name, "sources.csv")}
    assert all(row["citation"] and row["label"] for row in sources.values())
    for table in ("units.csv", "events.csv", "ties.csv", "covariates.csv"):
        for row in read(name, table):
            assert set(row["citation"].split("; ")) <= set(sources), row
            assert row["confidence"] in {"high", "medium", "low", "unrated"}, row


@pytest.mark.parametrize("name", [*WAVES, "four_waves"])
def test_the_states_have_the_spells_that_the_record_counts(name: str) -> None:
    events = tc.load_history(name).events
    for clause, number in SPELLS[name].items():
        variable, state = clause.split("=")
        found = events[(events["variable"] == variable) & (events["state"] == state)]
        assert len(found) == number, clause


@pytest.mark.parametrize("name", WAVES)
def test_it_has_words_a_question_and_two_readings(name: str) -> None:
    history = tc.load_history(name)
    assert history.question is not None and history.question.given.startswith("until ")
    assert history.question.wave in history.waves
    assert set(history.layer_labels) == set(history.layers)
    assert {f"{v.name}={s}" for v in history.variables for s in v.states} >= set(history.waves)
    assert len(tc.load_history(name, scope="strict").events) < len(history.events)


@pytest.mark.parametrize("name", WAVES)
def test_the_model_fits_and_no_answer_explains_a_beginning(name: str) -> None:
    history = tc.load_history(name)
    assert history.model_path is not None
    model = tc.Model.from_toml(history.model_path)
    answers = {row["layer"] for row in read(name, "ties.csv") if row["after_event"] == "yes"}
    first = {variable.name: variable.states[0] for variable in history.variables}
    for transition in model.transitions:
        if transition.to != first[transition.variable]:  # a beginning, not a way back
            assert not answers & {each.layer for each in transition.causes if isinstance(each, Contagion)}
    fit = model.fit(history)
    assert not [
        text for text in fit.warnings if "infinity" in text or "identified" in text or "converge" in text
    ]
    assert np.isfinite(fit.loglik)


def test_a_gain_of_the_four_waves_is_an_outcome_that_was_won() -> None:
    events = tc.load_history("four_waves").events
    won = events[(events["variable"] == "gain") & (events["state"] == "won")].set_index("unit")["time"]
    undone = events[(events["variable"] == "gain") & (events["state"] == "undone")].set_index("unit")["time"]
    outcome = events[events["variable"] == "outcome"].set_index("unit")
    gains = outcome[outcome["state"].isin(["concession", "overthrow", "secession"])]
    assert set(won.index) == set(gains.index) and (won == gains["time"].reindex(won.index)).all()
    assert set(undone.index) <= set(won.index) and (undone > won.reindex(undone.index)).all()
