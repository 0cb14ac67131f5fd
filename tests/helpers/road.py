"""A small history for the tests of replay, pictures and command line: six units along a road."""

from __future__ import annotations

from pathlib import Path

from tocsin.history.history import History
from tocsin.states import StateVariable

MODEL = """
[variables.regime]
states = ["old", "soviet"]

[[transition]]
variable = "regime"
from = "old"
to = "soviet"
baseline = "1"

[[transition.contagion]]
layer = "road"
when = "regime=soviet"

[[transition]]
variable = "regime"
from = "soviet"
to = "old"
baseline = "1"
"""
UNITS = ["aa", "bb", "cc", "dd", "ee", "<i>ff"]
NASTY = "<script>alert('x')</script> & \"quotes\" http://example.org/a?b=1&c=<2>"


def small_history(dated: bool = True) -> History:
    """Return the history, with dates or with plain numbers; some of its text tries to be markup."""
    rows = [
        ("aa", "soviet", 4),
        ("bb", "soviet", 9),
        ("aa", "old", 20),
        ("cc", "soviet", 22),
        ("ee", "soviet", 30),
        ("bb", "old", 41),
    ]
    events = {
        "unit": [unit for unit, _, _ in rows],
        "variable": ["regime"] * len(rows),
        "state": [state for _, state, _ in rows],
        "time": [_day(day) if dated else day for _, _, day in rows],
        "citation": ["key", NASTY, None, "key", "key", "key"],
        "confidence": ["high", "medium", None, "low", "low", "low"],
        "note": [NASTY, None, None, None, None, None],
    }
    ties = {
        "layer": ["road"] * 10,
        "source": UNITS[:-1] + UNITS[1:],
        "target": UNITS[1:] + UNITS[:-1],
    }
    return History(
        {"unit": UNITS, "label": ["Aa", "Bb (with a long explanation in brackets)", "Cc", "Dd", "Ee", NASTY]},
        events,
        ties,
        variables=[StateVariable("regime", ["old", "soviet"])],
        window=("1919-01-01", "1919-03-01") if dated else (0, 60),
        sources={"key": ["key"], "citation": ["A book (1920), https://example.org/book?a=1&b=2."]},
        name="small",
        title="A small wave <b>",
        citation="Nobody (1920)",
    )


def small_folder(folder: Path) -> Path:
    """Write the history with its model to a folder and return it."""
    small_history().write(folder)
    (folder / "model.toml").write_text(MODEL, encoding="utf-8")
    return folder


def _day(day: int) -> str:
    return f"1919-01-{day:02d}" if day <= 31 else f"1919-02-{day - 31:02d}"
