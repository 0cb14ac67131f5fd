"""What a history calls its states: read, checked, kept, and used in sentences."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pandas as pd
import pytest

import tocsin as tc
from tocsin.model.followed_state import Wave, wave_in, wave_of

UNITS = pd.DataFrame({"unit": ["a", "b"]})
EVENTS = pd.DataFrame({"unit": ["a"], "variable": ["regime"], "state": ["soviet"], "time": [2.0]})


def history(**more: object) -> tc.History:
    regime = tc.StateVariable("regime", ["old", "soviet"])
    return tc.History(UNITS, EVENTS, variables=[regime], window=(0.0, 5.0), **more)  # type: ignore[arg-type]


def folder(path: Path, waves: str) -> Path:
    history().write(path)
    head = path / "history.toml"
    head.write_text(head.read_text() + waves)
    return path


def test_words_are_read_kept_and_written(tmp_path: Path) -> None:
    named = history(waves={"regime = soviet": ("soviet republic", "soviet republics")})
    assert named.waves == {"regime=soviet": ("soviet republic", "soviet republics")}
    named.write(tmp_path)
    again = tc.load_history(tmp_path)
    assert again == named and again.waves == named.waves
    assert tomllib.loads((tmp_path / "history.toml").read_text())["waves"]["regime=soviet"]["one"]
    assert again.select(units=["a"]).waves == named.waves
    assert named.digest != history().digest
    # Without words nothing is changed about what a history says.
    assert history(waves={}).digest == history().digest


def test_many_is_one_with_an_s_unless_it_is_said(tmp_path: Path) -> None:
    found = tc.load_history(folder(tmp_path, '\n[waves."regime=soviet"]\none = "republic"\n'))
    assert found.waves == {"regime=soviet": ("republic", "republics")}


@pytest.mark.parametrize(
    ("waves", "said"),
    [
        ('[waves."regime=sovjet"]\none = "x"\n', "sovjet"),
        ('[waves."regme=soviet"]\none = "x"\n', "regime"),
        ('[waves."regime=old|soviet"]\none = "x"\n', "one state of one variable"),
        ('[waves."regime=soviet"]\n', "one must be a word"),
        ('[waves."regime=soviet"]\none = 3\n', "one must be a word"),
        ('[waves."regime=soviet"]\none = "x"\nmany = " "\n', "many must be a word"),
        ('[waves."regime=soviet"]\none = "x"\nplural = "y"\n', "unknown key"),
        ('[waves]\n"regime=soviet" = "republic"\n', "holds tables"),
    ],
)
def test_wrong_words_are_refused_with_their_place(tmp_path: Path, waves: str, said: str) -> None:
    with pytest.raises(tc.HistoryError, match=r"history\.toml") as caught:
        tc.load_history(folder(tmp_path, "\n" + waves))
    assert said in str(caught.value)
    assert all(problem.line for problem in caught.value.problems)


def test_wrong_words_from_python_are_refused() -> None:
    with pytest.raises(tc.HistoryError, match="sovjet"):
        history(waves={"regime=sovjet": ("x", "y")})


def test_sentences_use_the_words_or_name_the_state() -> None:
    named, plain = Wave("regime", "soviet", "uprising", "uprisings"), Wave("regime", "soviet")
    assert [named.entries(1), named.entries(1200)] == ["1 uprising", "1,200 uprisings"]
    assert [plain.entries(1), plain.entries(3)] == [
        "1 entry into regime “soviet”",
        "3 entries into regime “soviet”",
    ]
    assert (named.came, named.within) == ("had an uprising", "with an uprising")
    assert (plain.came, plain.within) == ("came into regime “soviet”", "in regime “soviet”")
    assert str(named) == str(plain) == "regime=soviet"


def test_the_packaged_history_has_words_for_all_its_states() -> None:
    record = tc.load_history("1917")
    assert wave_in(record, "regime", "soviet").many == "soviet republics"
    assert set(record.waves) == {f"{each.name}={each.states[1]}" for each in record.variables}
    model = tc.Model.from_toml(record.model_path)
    assert wave_of(model, None, record).one == "soviet republic"
    assert wave_of(model).one == ""
