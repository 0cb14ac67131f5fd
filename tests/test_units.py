"""Who is who: one dated table, looked up by date; what is ambiguous or out of date is refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import tocsin as tc

ROOT = Path(__file__).resolve().parents[1]


def test_the_packaged_table_is_what_the_facts_give() -> None:
    done = subprocess.run([sys.executable, str(ROOT / "scripts" / "make_states.py"), "--check"], check=False)
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("unit", "on", "of", "to", "code"),
    [
        ("Austria-Hungary", "1914-06-28", None, "cow", "300"),
        ("Vietnam", "1980", None, "cow", "816"),
        (255, 2000, "cow", "gw", "260"),
        (260, "1990-10-02", "gw", "cow", "260"),
        (260, "1990-10-03", "gw", "cow", "255"),
        (678, 1995, "gw", "cow", "679"),
        (345, "2006-06-04", "cow", "gw", "345"),
        (345, "2006-06-05", "cow", "gw", "340"),
        (970, 2005, "cow", "gw", "971"),
        (970, 2005, "gw", "cow", "946"),
        ("Côte d'Ivoire", 1999, None, "iso3", "CIV"),
        ("St. Lucia", 1999, None, "gw", "56"),
        ("The Gambia", 1999, None, "vdem", "117"),
        ("Ottoman Empire", "1914-08-01", None, "cow", "640"),
        ("USSR", 1950, None, "polity", "364"),
        (365, 1995, "cow", "polity", "365"),
        ("Sicily", "1848-02-01", None, "place", "1848/sicily"),
        ("040", 1999, "iso_n", "cow", "305"),
        (2.0, None, "cow", "iso3", "USA"),
        ("Korea, Rep.", 1999, None, "cow", "732"),
        ("Iran (Islamic Republic of)", 1999, None, "cow", "630"),
        ("Viet Nam", 1999, None, "gw", "816"),
        ("England", 1900, None, "cow", "200"),
    ],
)
def test_a_unit_under_another_code(unit: object, on: object, of: str | None, to: str, code: str) -> None:
    assert tc.units.resolve(unit, on=on, of=of, to=to) == code


@pytest.mark.parametrize(
    ("unit", "on", "of", "to", "told"),
    [
        ("Vietnam", 1960, None, "cow", "is 816 or 817 in cow: 816 Vietnam .1954-07-21 to 1975-12-31., 817"),
        ("Germany", 1970, None, "cow", "260 or 265"),
        ("Germany", 1990, None, "cow", "255 or 260 or 265"),
        (345, 2006, "cow", "gw", "340 or 345"),
        ("Korea", 1960, None, "cow", "731 or 732"),
        ("Canada", 1900, None, "cow", "no code in cow on 1900; it has 20 Canada .1920-01-10 to now"),
        ("France", 1943, None, "cow", "to 1942-11-11., 220 France .1944-08-25 to now"),
        (255, 2000, None, "gw", "is a number: say of="),
        ("Grmany", 2000, None, "gw", "did you mean 'Germany'"),
        ("AUS", 2000, None, "cow", "say of='iso3' or of='cowc'"),
        ("Sicily", "1848-02-01", None, "cow", "part of Two Sicilies"),
        ("France", "14 July", None, "cow", "is no date such as 1914-06-28"),
        ("France", 1990, "cows", "cow", "of='cows' is no list of units; did you mean 'cow'"),
    ],
)
def test_what_is_not_clear_is_refused(unit: object, on: object, of: str | None, to: str, told: str) -> None:
    with pytest.raises(tc.TocsinError, match=told):
        tc.units.resolve(unit, on=on, of=of, to=to)


def test_members_of_a_list_as_units() -> None:
    all_time = tc.units.members("cow")
    assert all_time["unit"].tolist().count("652") == 2  # Syria, but not in the United Arab Republic
    one = tc.units.members("cow", 1950, 1980, spells=False)
    assert one["unit"].is_unique and "255" not in set(one["unit"]) and {"260", "265"} <= set(one["unit"])
    syria = one[one["unit"] == "652"].iloc[0]
    assert str(syria["enter"].date()) == "1946-04-17" and pd.isna(syria["exit"])
    assert one["lat"].notna().all()
    with pytest.raises(tc.TocsinError, match="no list of states"):
        tc.units.members("name")


def test_every_state_of_either_list_has_its_days() -> None:
    table = tc.units.states()
    end = table["end"].fillna(pd.Timestamp("2200-01-01").as_unit("s"))
    for scheme in ("cow", "gw"):
        given = pd.read_csv(ROOT / "facts" / "states" / f"{scheme}states.csv", dtype=str)
        mine = table[table[scheme] != ""]
        for code, first in zip(given[f"{scheme}code"], given["start"], strict=True):
            assert (mine.loc[mine[scheme] == code, "start"] <= first).any()
        spans = mine.assign(end=end).sort_values([scheme, "start"])
        again = spans["start"] <= spans.groupby(scheme)["end"].shift()
        assert not again.any()  # a code is one unit on one day
    states = table[table["place"] == ""]
    assert states["lat"].notna().all() and states["lat"].between(-90, 90).all()


def test_rows_are_cut_where_a_code_changes() -> None:
    borders = pd.DataFrame(
        {
            "source": ["345", "255", "999", None],
            "target": ["339", "211", "2", "2"],
            "start": ["1992-01-01", "1985-01-01", "1990-01-01", "1990-01-01"],
            "end": ["2016-12-31", None, "1999-12-31", "1999-12-31"],
            "weight": [1.0, 2.0, 3.0, 4.0],
        }
    )
    made = tc.units.crosswalk(borders, ["source", "target"], of="cow", to="gw", time=("start", "end"))
    assert made.frame.to_numpy(object).tolist()[:2] == [
        ["345", "339", "1992-01-01", "2006-06-04", 1.0],
        ["340", "339", "2006-06-05", "2016-12-31", 1.0],
    ]
    assert made.frame.loc[2, ["source", "start", "weight"]].tolist() == ["260", "1990-10-03", 2.0]
    assert pd.isna(made.frame.loc[2, "end"])
    assert made.rows == {"in": 4, "used": 2, "left out": 2, "cut": 1}
    assert made.unclear["row"].tolist() == [2, 3, 4]
    assert "no code of cow" in made.unclear["reason"][1] and "no unit is named" in made.unclear["reason"][2]


def test_years_have_one_code_or_are_unclear_unless_the_day_is_said() -> None:
    panel = pd.DataFrame({"country": [345, 345, 260], "year": [2005, 2006, 2006]})
    made = tc.units.crosswalk(panel, "country", of="cow", to="gw", time="year")
    assert made.frame["country"].tolist() == ["345"] and made.rows["left out"] == 2
    assert "340 or 345" in made.unclear["reason"][0] and "no code in gw" in made.unclear["reason"][1]
    last = tc.units.crosswalk(panel[:2], "country", of="cow", to="gw", time="year", year="end")
    assert last.frame["country"].tolist() == ["345", "340"] and not len(last.unclear)
    assert "3 in, 1 used, 2 left out" in str(made)
    with pytest.raises(tc.TocsinError, match="did you mean 'year'"):
        tc.units.crosswalk(panel, "country", of="cow", to="gw", time="yaer")


def test_borders_of_cow_among_states_of_gleditsch_and_ward() -> None:
    """Border-years of all COW members, each year: filtered by code some vanish, bridged by date next to none do."""
    table = tc.units.states()
    cow = table[table["cow"] != ""]
    rows = []
    for year in range(1946, 2017):
        day = pd.Timestamp(f"{year}-12-31").as_unit("s")
        members = cow[(cow["start"] <= day) & ~(cow["end"] < day)]["cow"]
        rows += [(code, "200", year) for code in members if code != "200"]
    pairs = pd.DataFrame(rows, columns=["source", "target", "year"])
    known = set(table["gw"])
    kept = pairs["source"].isin(known).mean()
    made = tc.units.crosswalk(pairs, ["source", "target"], of="cow", to="gw", time="year", year="end")
    assert kept < 0.995 < made.rows["used"] / len(pairs)
