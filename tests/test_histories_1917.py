"""The packaged history `1917`: what is in its files, by the csv module, and that the loader takes them."""

from __future__ import annotations

import csv
import subprocess
import sys
import tomllib
from collections import Counter, defaultdict
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

import tocsin
from tocsin.history.history import load_history

REPO = Path(__file__).resolve().parent.parent
FACTS = REPO / "facts" / "1917"
FOLDER = Path(tocsin.__file__).parent / "histories" / "1917"
SCRIPT = REPO / "scripts" / "make_history_1917.py"
PAGE = REPO / "docs" / "histories" / "1917.md"

Row = dict[str, str]
TABLES = (
    "units",
    "events",
    "ties",
    "covariates",
    "episodes",
    "variants",
    "common",
    "claims",
    "brest_litovsk",
)
STATES = {
    "regime": ("old", "soviet"),
    "army": ("loyal", "mutinous"),
    "labour": ("quiet", "strike"),
    "order": ("calm", "rising"),
    "party": ("none", "communist"),
    "resistance": ("quiet", "rising"),
}

# The table of the codebook: place, first day, last day. Belarus in 1918 ends on the 19th in the record, with
# the table's 21st as the rival date.
REPUBLICS = """\
russia 1917-11-07 -
estonia 1917-11-09 1918-02-24
turkestan 1917-11-14 -
latvia 1917-11-21 1918-02-22
belarus 1917-12-09 1918-02-19
ukraine 1917-12-25 1918-04-18
finland 1918-01-28 1918-05-05
ukraine 1918-01-31 1918-03-13
ukraine 1918-02-12 1918-04-28
azerbaijan 1918-04-25 1918-07-31
galicia 1918-11-06 1919-01-31
alsace 1918-11-10 1918-11-22
estonia 1918-11-29 1919-02-01
lithuania 1918-12-16 1919-02-27
latvia 1918-12-17 1920-01-13
belarus 1919-01-01 1919-02-27
ukraine 1919-01-06 1919-08-31
bremen 1919-01-10 1919-02-04
germany 1919-01-27 1919-01-28
baden 1919-02-22 1919-02-24
belarus 1919-02-27 1919-08-08
lithuania 1919-02-27 1919-04-21
braunschweig 1919-02-28 1919-03-01
hungary 1919-03-21 1919-08-01
bavaria 1919-04-07 1919-05-02
ireland 1919-04-14 1919-04-27
azerbaijan 1919-05-15 1919-07-23
slovakia 1919-06-16 1919-07-07
ukraine 1919-12-12 -
khiva 1920-04-26 -
azerbaijan 1920-04-28 -
persia 1920-06-05 1921-09-29
galicia 1920-07-15 1920-09-21
poland 1920-07-30 1920-08-22
belarus 1920-07-31 -
bukhara 1920-10-08 -
armenia 1920-11-29 1921-02-18
georgia 1921-02-25 -
italy 1921-03-07 1921-04-08
armenia 1921-04-02 -
mongolia 1921-07-11 -
tuva 1921-08-14 -
"""

# What the broad reading joins: 39 - 35 republics, 98 - 95 strikes, 84 - 82 risings, 13 - 8 against soviets.
JOINED = {
    ("ukraine", "regime", "1917-12-25", "1918-04-28"),
    ("lithuania", "regime", "1918-12-16", "1919-04-21"),
    ("belarus", "regime", "1919-01-01", "1919-08-08"),
    ("spain", "labour", "1918-11-01", "1919-05-31"),
    ("germany", "labour", "1919-02-24", "1919-03-08"),
    ("usa", "labour", "1919-09-22", "1920-01-08"),
    ("russia", "resistance", "1920-08-19", "1921-06-30"),
    ("india", "order", "1921-08-20", "1922-02-28"),
}


def read(table: str) -> list[Row]:
    with (FOLDER / f"{table}.csv").open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def events(scope: str = "broad") -> list[Row]:
    """The events of a reading of the record."""
    return [row for row in read("events") if not row["scopes"] or scope in row["scopes"].split("; ")]


def spells(variable: str, scope: str = "broad") -> list[tuple[str, date, date | None, str]]:
    """The stays in the second state of a variable: unit, first day, day it is left, ids of the episodes."""
    outside, inside = STATES[variable]
    found: list[tuple[str, date, date | None, str]] = []
    begun: dict[str, Row] = {}
    for row in sorted(
        (row for row in events(scope) if row["variable"] == variable), key=lambda row: row["time"]
    ):
        if row["state"] == inside:
            assert row["unit"] not in begun, f"{row['unit']} enters {inside} twice"
            begun[row["unit"]] = row
        else:
            assert row["state"] == outside
            first = begun.pop(row["unit"])  # a KeyError is a state left that was not entered
            assert first["episodes"] == row["episodes"]
            days = date.fromisoformat(first["time"]), date.fromisoformat(row["time"])
            found.append((row["unit"], *days, row["episodes"]))
    lasting = [(unit, date.fromisoformat(row["time"]), None, row["episodes"]) for unit, row in begun.items()]
    return found + lasting


def test_every_soviet_republic_of_the_codebook_is_there_with_its_dates() -> None:
    wanted = [tuple(line.split()) for line in REPUBLICS.splitlines()]
    rows = [row for row in read("episodes") if row["kind"] == "soviet_republic"]
    assert len(wanted) == len(rows) == 42
    assert Counter((row["place"], row["start"], row["end"] or "-") for row in rows) == Counter(wanted)
    belarus = next(row for row in rows if row["id"] == "belarus-soviet_republic-1917-12-09")
    assert belarus["end_alt"] == "1918-02-21"


def counts_in(row: Row, scope: str) -> bool:
    """Whether an episode counts in a reading, by the words of the codebook."""
    if scope == "broad":
        return row["form"] != "committee"
    return row["scope"] == "core" and (row["kind"] != "soviet_republic" or row["form"] == "state")


@pytest.mark.parametrize("scope", ["broad", "strict"])
@pytest.mark.parametrize(
    ("kinds", "variable", "against", "number"),
    [
        (["soviet_republic"], "regime", None, {"broad": (39, 35), "strict": (26, 24)}),
        (["mass_strike"], "labour", False, {"broad": (98, 95), "strict": (97, 94)}),
        (["uprising"], "order", False, {"broad": (84, 82), "strict": (67, 65)}),
        (["mutiny"], "army", False, {"broad": (38, 38), "strict": (34, 34)}),
        (["party_founded"], "party", None, {"broad": (55, 55), "strict": (55, 55)}),
        (["mutiny", "mass_strike", "uprising"], "resistance", True, {"broad": (13, 8), "strict": (5, 4)}),
    ],
)
def test_episodes_make_spells(
    kinds: list[str], variable: str, against: bool | None, number: dict[str, tuple[int, int]], scope: str
) -> None:
    rows = [
        row
        for row in read("episodes")
        if row["kind"] in kinds
        and counts_in(row, scope)
        and against in (None, row["aim"] == "against_soviet")
    ]
    made = spells(variable, scope)
    assert (len(rows), len(made)) == number[scope]
    # every episode of the kind is in one spell, and a spell holds nothing else
    assert sorted(row["id"] for row in rows) == sorted(key for spell in made for key in spell[3].split("; "))


def test_what_rose_against_a_soviet_government_is_no_part_of_the_wave() -> None:
    against = {row["id"] for row in read("episodes") if row["aim"] == "against_soviet"}
    assert {"russia-mutiny-1921-03-01", "russia-uprising-1920-08-19"} < against
    for row in read("events"):
        assert (row["variable"] == "resistance") == bool(against & set(row["episodes"].split("; ")))


def test_spells_begin_and_end_by_the_stated_rule() -> None:
    """The rule again, day by day instead of by joining: the state is held where episodes cover the days."""
    episodes = {row["id"]: row for row in read("episodes")}
    last_days = {row["unit"]: date.fromisoformat(row["exit"]) for row in read("units")}
    day = timedelta(days=1)
    for variable in ("regime", "army", "labour", "order"):
        for unit, first, left, ids in spells(variable):
            covered: set[date] = set()
            for row in (episodes[key] for key in ids.split("; ")):
                start = date.fromisoformat(row["start"])
                end = date.fromisoformat(row["end"]) if row["end"] else last_days[unit] + 400 * day
                end = start + day if end == start else end
                covered |= {start + number * day for number in range((end - start).days + 1)}
            assert first == min(covered)
            assert len(covered) == (max(covered) - min(covered)).days + 1, f"a hole in the spell {ids}"
            assert left == (max(covered) if max(covered) <= last_days[unit] else None)


def test_which_episodes_are_joined() -> None:
    found = {
        (unit, variable, first.isoformat(), left.isoformat())
        for variable in STATES
        for unit, first, left, ids in spells(variable)
        if "; " in ids and left is not None
    }
    assert found == JOINED


def test_hungary_and_bavaria() -> None:
    lasted = {unit: (left - first).days for unit, first, left, _ in spells("regime") if left is not None}
    assert lasted["hungary"] == 133
    assert lasted["bavaria"] == 25


def test_a_state_that_ends_on_its_first_day_is_left_a_day_later() -> None:
    episodes = {row["id"]: row for row in read("episodes")}
    one_day = [
        (first, left)
        for variable in ("regime", "army", "labour", "order")
        for _, first, left, ids in spells(variable)
        if ids in episodes and episodes[ids]["end"] == episodes[ids]["start"]
    ]
    assert len(one_day) > 20
    assert all(left is not None and left - first == timedelta(days=1) for first, left in one_day)


def test_scope_and_origin_of_joined_spells() -> None:
    episodes = {row["id"]: row for row in read("episodes")}
    for row in read("events"):
        rows = [episodes[key] for key in row["episodes"].split("; ")]
        assert row["scope"] == ("core" if any(other["scope"] == "core" for other in rows) else "broad")
        for column in ("origin", "aim", "form"):
            assert set(filter(None, row[column].split("; "))) == {each[column] for each in rows} - {""}
        assert [row[name] for name in ("city", "city_lat", "city_lon")] == [
            rows[0][name] for name in ("city", "city_lat", "city_lon")
        ]
        assert all(other["place"] == row["unit"] for other in rows)


def test_events_lie_in_the_presence_of_their_unit() -> None:
    presence = {row["unit"]: (row["enter"], row["exit"]) for row in read("units")}
    assert len(presence) == 82
    assert presence["far_eastern_republic"] == ("1920-04-06", "1922-11-15")
    for row in read("events"):
        enter, leave = presence[row["unit"]]
        assert enter < row["time"] <= leave


@pytest.mark.parametrize("table", TABLES)
def test_every_row_names_a_source_and_a_confidence(table: str) -> None:
    keys = [row["key"] for row in read("sources")]
    assert len(set(keys)) == len(keys)
    assert all(row["citation"] for row in read("sources"))
    rows = read(table)
    assert rows
    for row in rows:
        assert set(row["citation"].split("; ")) <= set(keys), row
        assert row["confidence"] in {"high", "medium", "low", "unrated"}, row


def test_every_source_is_used() -> None:
    used = {key for table in TABLES for row in read(table) for key in row["citation"].split("; ")}
    assert used == {row["key"] for row in read("sources")}


def test_events_cite_the_sources_of_their_episodes() -> None:
    sources = {row["key"]: row["citation"] for row in read("sources")}
    episodes = {row["id"]: row for row in read("episodes")}
    for row in read("events"):
        rows = [episodes[key] for key in row["episodes"].split("; ")]
        assert {sources[key] for key in row["citation"].split("; ")} == {other["source"] for other in rows}
        assert row["confidence"] in {other["confidence"] for other in rows}
        assert all(other["note"] in row["note"] for other in rows)


def test_support_and_who_gave_it() -> None:
    ties = read("ties")
    given = Counter((row["support"], row["by"]) for row in ties if row["layer"] in ("comintern", "red_army"))
    assert given["troops", "soviet_government"] == 20 and given["delegate", "comintern"] == 29
    for row in ties:
        assert bool(row["support"]) == bool(row["by"]) == (row["layer"] in ("comintern", "red_army"))
        assert (row["support"] == "troops") == (row["layer"] == "red_army")
        if row["by"] == "soviet_government" and row["start"] < "1919-03-02":
            assert row["layer"] in ("comintern", "red_army")
    (republic,) = [row for row in ties if row["target"] == "far_eastern_republic" and row["support"]]
    assert (republic["layer"], republic["weight"], republic["weight_alt"]) == ("comintern", "2", "3")


def test_sources_have_labels() -> None:
    sources = {row["key"]: row for row in read("sources")}
    assert all(row["label"] for row in sources.values())
    cited = {
        key for table in ("events", "ties") for row in read(table) for key in row["citation"].split("; ")
    }
    named = [row for key, row in sources.items() if key in cited and row["citation"].startswith("http")]
    assert len(named) > 100 and not any(row["label"].startswith("http") for row in named)


def test_layers() -> None:
    ties = read("ties")
    weights: dict[str, set[float]] = defaultdict(set)
    for row in ties:
        weights[row["layer"]].add(float(row["weight"]))
    assert weights["comintern"] == {1, 2}
    assert weights["red_army"] == {3}
    assert weights["intervention"] == {1, 2, 3}
    both = {"land_border", "front", "common_empire", "language"}
    assert set(weights) == both | {"comintern", "red_army", "intervention", "labour_migration", "pow_return"}
    there = {
        tuple(row[name] for name in ("layer", "source", "target", "weight", "start", "end")) for row in ties
    }
    for layer, source, target, *rest in there:
        assert layer not in both or (layer, target, source, *rest) in there


def test_only_declared_layers_have_parallel_rows() -> None:
    declared = tomllib.loads((FOLDER / "history.toml").read_text(encoding="utf-8"))["layers"]
    rows: dict[tuple[str, str, str], list[tuple[str, str]]] = defaultdict(list)
    for row in read("ties"):
        rows[row["layer"], row["source"], row["target"]].append((row["start"], row["end"]))
    parallel = {
        layer
        for (layer, _, _), dates in rows.items()
        for (_, end), (start, _) in pairwise(sorted(dates))
        if start <= end
    }
    assert parallel <= {layer for layer, words in declared.items() if words.get("combine") == "max"}
    assert declared["comintern"]["label"] == "Moscow's support"


def test_covariates_and_what_their_gaps_mean() -> None:
    declared = tomllib.loads((FOLDER / "history.toml").read_text(encoding="utf-8"))["covariates"]
    assert declared == {
        name: {"outside": 0}
        for name in ("war_belligerent", "defeated", "food_crisis", "army_demobilising", "party_split")
    }
    covariates = read("covariates")
    names = {row["covariate"] for row in covariates}
    assert len(names) == 11
    assert set(declared) < names
    for name in (
        names - set(declared) - {"bolshevik_vote_1917"}
    ):  # no gap within a unit that has the covariate
        for unit in read("units"):
            rows = sorted(
                (row["start"], row["end"])
                for row in covariates
                if row["covariate"] == name and row["unit"] == unit["unit"]
            )
            if not rows:
                assert name == "socialist_vote"
                continue
            assert rows[0][0] <= unit["enter"]
            assert rows[-1][1] >= unit["exit"]
            for (_, end), (start, _) in pairwise(rows):
                assert date.fromisoformat(start) == date.fromisoformat(end) + timedelta(days=1)


def script(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_packaged_files_and_the_counts_of_the_page_are_what_the_facts_give() -> None:
    result = script("--check")
    assert result.returncode == 0, result.stderr
    assert "<!-- counts -->\n" in PAGE.read_text(encoding="utf-8")


def test_a_correction_is_noticed_and_made(tmp_path: Path) -> None:
    facts, out = tmp_path / "facts", tmp_path / "out"
    facts.mkdir()
    for path in FACTS.glob("*.csv"):
        text = path.read_text(encoding="utf-8")
        if path.name == "episodes.csv":
            text = text.replace(
                "hungary,soviet_republic,1919-03-21,1919-08-01",
                "hungary,soviet_republic,1919-03-21,1919-08-06",
            )
        (facts / path.name).write_text(text, encoding="utf-8")
    assert script(str(facts), "--check").returncode == 1
    assert script(str(facts), "--out", str(out)).returncode == 0
    changed = {path.name for path in out.iterdir() if path.read_bytes() != (FOLDER / path.name).read_bytes()}
    assert changed == {"episodes.csv", "events.csv"}
    assert not (out / "history.toml").exists()  # written by hand, and left alone
    assert script(str(facts), "--out", str(out), "--check").returncode == 0


def test_nothing_of_the_record_is_lost() -> None:
    def facts(name: str) -> list[Row]:
        with (FACTS / name).open(encoding="utf-8", newline="") as lines:
            return list(csv.DictReader(lines))

    sources = {row["key"]: row["citation"] for row in read("sources")}
    for ours, theirs in zip(read("episodes"), facts("episodes.csv"), strict=True):
        assert {name: ours[name] for name in theirs} == theirs
        assert sources[ours["citation"]] == theirs["source"]
    ties = Counter(
        (
            row["source"],
            row["target"],
            row["weight"],
            row["start"],
            row["end"],
            sources[row["citation"]],
            row["note"],
        )
        for row in read("ties")
    )
    names = ("from", "to", "weight", "start", "end", "source", "note")
    kept = ("support", "by", "start_alt", "weight_alt", "checked", "note")
    assert Counter(tuple(row[name] for name in kept) for row in read("ties")) == Counter(
        tuple(row[name] for name in kept) for row in facts("ties.csv")
    )
    assert ties == Counter(tuple(row[name] for name in names) for row in facts("ties.csv"))
    names = ("unit", "covariate", "value", "start", "end", "confidence", "note")
    covariates = Counter(
        (*(row[name] for name in names), sources[row["citation"]]) for row in read("covariates")
    )
    names = ("place", "name", "value", "start", "end", "confidence", "note", "source")
    assert covariates == Counter(tuple(row[name] for name in names) for row in facts("covariates.csv"))
    assert [row["unit"] for row in read("units")] == [row["key"] for row in facts("places.csv")]
    assert len(read("claims")) == len(facts("seed_claims.csv")) == 28


def test_the_loader_takes_it_whole() -> None:
    history = load_history("1917")
    assert [variable.name for variable in history.variables] == list(STATES)
    assert {variable.name: variable.states for variable in history.variables} == STATES
    assert history.window == (date(1917, 1, 1), date(1923, 12, 31))
    assert history.clock == "day"
    assert history.dated
    assert len(history.units) == 82
    assert len(history.events) == len(events())
    assert history.scope == "broad" and list(history.scopes) == ["broad", "strict"]
    assert len(load_history("1917", scope="strict").events) == len(events("strict"))
    assert history.question is not None and history.question.given == "until 1917-11-08"
    assert len(history.ties) == 1840
    assert len(history.covariates) == 883
    assert history.episodes is not None
    assert len(history.episodes) == 474
    assert history.outside == dict.fromkeys(
        ("war_belligerent", "defeated", "food_crisis", "army_demobilising", "party_split"), 0.0
    )
    assert {layer for layer, rule in history.layers.items() if rule == "max"} == {
        "comintern",
        "red_army",
        "intervention",
    }
    regime = history.events[history.events["variable"] == "regime"]
    hungary = regime[regime["unit"] == "hungary"].sort_values("time")
    assert list(hungary["state"]) == ["soviet", "old"]
    assert (hungary["time"].iloc[1] - hungary["time"].iloc[0]).days == 133


def test_what_lies_beside_the_history_is_written_with_it(tmp_path: Path) -> None:
    history = load_history("1917")
    history.write(tmp_path / "mine")
    again = load_history(tmp_path / "mine")
    assert again.digest == history.digest
    assert tocsin.load_ledger(tmp_path / "mine") == tocsin.load_ledger("1917")
    for name in ("claims.toml", "facts.csv", "ledger.toml", "scenarios.toml", "tour.toml"):
        assert (tmp_path / "mine" / name).read_bytes() == (FOLDER / name).read_bytes()
