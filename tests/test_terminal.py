"""Tables in a terminal: what goes where there is no room, and what is no event."""

from __future__ import annotations

import io

import pandas as pd
from rich.console import Console

import tocsin as tc
from tocsin.ensemble.comparison import Comparison
from tocsin.report.findings import happened, what_happened
from tocsin.report.terminal import Narrowing, frame_table


def printed(table: Narrowing, width: int) -> list[str]:
    page = Console(width=width, record=True, file=io.StringIO())
    page.print(table)
    return page.export_text().splitlines()


def test_columns_go_by_priority_and_the_result_stays():
    frame = pd.DataFrame(
        {
            "treaty": ["Brest-Litovsk [b]"],
            "made in": ["33 of 200"],
            "until": ["1919-01-01"],
            "of 100 worlds": [12.5],
        }
    )
    table = frame_table(frame, "what comes back", ("made in", "until"))
    wide = printed(table, 80)
    assert "made in" in wide[2] and not any("Left out" in line for line in wide)
    middle = printed(table, 46)
    assert any("Left out for want of width: made in." in line for line in middle)
    narrow = printed(table, 30)
    text = " ".join(narrow)
    assert "made in, until" in " ".join(text.split()) and "12.5" in text and "Brest-Litovsk [b]" in text
    assert all(len(line.rstrip()) <= 30 for line in narrow)


def test_a_state_on_entry_did_not_happen():
    history = tc.History(
        units={"unit": ["a", "b", "c"], "mood": ["calm", "calm", "loud"]},
        events={"unit": ["b"], "variable": ["mood"], "state": ["loud"], "time": ["1919-01-05"]},
        variables=[tc.StateVariable("mood", ["calm", "loud"])],
        window=("1919-01-01", "1919-03-01"),
    )
    model = tc.Model(
        variables=[tc.StateVariable("mood", ["calm", "loud"])],
        transitions=[tc.Transition("mood", "calm", "loud", tc.baseline("1"))],
    )
    worlds = model.with_params({"mood: calm > loud | baseline | propensity | 1": -4.0}).simulate(
        history, worlds=20, seed=1
    )
    c = Comparison.of(worlds, model)
    rows = c.units(everything=True).set_index("unit")
    assert [happened(rows.loc[unit], c.frame) for unit in "abc"] == ["", "1919-01-05", "on entry"]
    told = " ".join(what_happened(c))
    assert "1 unit of 3" in told and "The first was b, on 5 January 1919" in told
    assert "1 unit held the state on entry" in told
