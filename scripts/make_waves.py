"""Make the tables of the packaged histories `1848`, `1989`, `2011` and `four_waves` from their facts.

    python scripts/make_waves.py [NAME ...] [--check]

    --check    write nothing; exit with status 1 if the packaged files are not what the facts give

How episodes become states is said in facts/WAVE/about.md and repeated here, a function a wave. Written by hand and left
alone: history.toml, model.toml, scenarios.toml, claims.toml and what lies in `borders`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path

from record import (
    FACTS,
    HISTORIES,
    Events,
    Kind,
    Row,
    Sources,
    make_covariates,
    make_ties,
    make_units,
    placed,
    read,
    to_csv,
)

RECORD = "The Tocsin founders (2026), Four waves of revolution, curated records: {}"
GAINS = ("concession", "overthrow", "secession")
OVERTHROWS = ("overthrow", "secession")
WAVES = ("1848", "1917", "1989", "2011")
TIES = (
    "land_border",
    "language",
    "common_empire",
    "common_bloc",
)  # what more than one wave has, dated by no event
BLANK = dict.fromkeys(
    ("city", "city_lat", "city_lon", "outcome", "by_whom_ended", "start_alt", "end_alt"), ""
)

# What a wave makes of its tables: episodes, each with the variable that it is a spell of.
Made = Callable[[Path, list[Row]], Iterator[Row]]


def of_common(folder: Path, variable: str, outcomes: tuple[str, ...]) -> Iterator[Row]:
    """Yield the outcomes of challenges as spells, from the day on which they were won to the one that undid them."""
    for row in read(folder, "common.csv"):
        if row["outcome"] in outcomes:
            yield {
                **BLANK,
                **row,
                "variable": variable,
                "start": row["outcome_date"],
                "end": row["reversed_date"],
                "scope": row.get("scope") or "core",
                "id": f"{row['place']}-common",
            }


def of_1848(folder: Path, episodes: list[Row]) -> Iterator[Row]:
    """Yield the spells of 1848: a concession lasts unless its row says that it was taken back."""
    plain = {"protest": "street", "uprising": "rising", "mutiny": "army"}
    undone = {row["place"]: row["reversed_date"] for row in read(folder, "common.csv")}
    for row in episodes:
        gone = row["outcome"] == "reversed"
        if row["kind"] in plain:
            yield {**row, "variable": plain[row["kind"]]}
        elif row["kind"] == "concession":
            yield {**row, "variable": "grant", "end": row["end"] if gone else ""}
        elif row["kind"] == "election_founding":
            # Its own end is that of the vote and not of the assembly.
            yield {**row, "variable": "assembly", "end": undone[row["place"]] if gone else ""}
    yield from of_common(folder, "power", OVERTHROWS)


def of_1989(folder: Path, episodes: list[Row]) -> Iterator[Row]:
    """Yield the spells of 1989: the street moves, the monopoly of one party ends, unions are left."""
    street = ("protest", "mass_strike", "uprising", "mutiny")
    for row in episodes:
        if row["kind"] in street:
            yield {**row, "variable": "street"}
        elif row["kind"] == "independence":
            yield {**row, "variable": "union", "end": ""}
        elif row["kind"] == "election_founding":
            yield {**row, "variable": "vote", "start": row["end"] or row["start"], "end": ""}
        elif row["kind"] == "foreign_intervention":
            yield {**row, "variable": "troops"}
    for row in read(folder, "monopoly.csv"):
        if row["held"] == "yes" and row["ended_on"]:
            more = {"start": row["ended_on"], "end": "", "start_alt": row["ended_alt"], "scope": "core"}
            yield {**BLANK, **row, **more, "variable": "monopoly", "id": f"{row['place']}-monopoly"}
    yield from of_common(folder, "regime", ("overthrow",))


def of_2011(folder: Path, episodes: list[Row]) -> Iterator[Row]:
    """Yield the spells of 2011: a ruler falls on the last day of a revolution; a concession holds ninety days."""
    plain = {"protest": "street", "mass_strike": "street", "uprising": "arms", "mutiny": "forces"}
    plain["counter_revolution"] = "crackdown"
    for row in episodes:
        if row["kind"] in plain:
            yield {**row, "variable": plain[row["kind"]]}
        elif row["kind"] == "revolution":
            yield {**row, "variable": "ruler", "start": row["end"], "end": "", "start_alt": row["end_alt"]}
        elif row["kind"] == "concession":
            after = [
                each["start"]
                for each in episodes
                if each["place"] == row["place"]
                and each["kind"] == "counter_revolution"
                and each["start"] > row["start"]
            ]
            limit = (date.fromisoformat(row["start"]) + timedelta(days=90)).isoformat()
            yield {**row, "variable": "government", "end": min([limit, *after])}


# The states of a variable: the one that a spell is, and the one after it (None: it is never left).
STATES: dict[str, dict[str, tuple[str, str | None]]] = {
    "1848": {
        "grant": ("granted", "none"),
        "power": ("new", "old"),
        "street": ("crowd", "calm"),
        "rising": ("rising", "calm"),
        "army": ("mutinous", "loyal"),
        "assembly": ("elected", "none"),
    },
    "1989": {
        "monopoly": ("gone", None),
        "street": ("moving", "quiet"),
        "regime": ("new", "old"),
        "union": ("declared", None),
        "vote": ("held", None),
        "troops": ("in", "none"),
    },
    "2011": {
        "street": ("protest", "quiet"),
        "arms": ("rising", "calm"),
        "government": ("gave_way", "silent"),
        "ruler": ("fallen", None),
        "crackdown": ("crackdown", "none"),
        "forces": ("split", "loyal"),
    },
}
SPELLS: dict[str, Made] = {"1848": of_1848, "1989": of_1989, "2011": of_2011}
TITLES = {"1848": "1848-1849", "1989": "1988-1992", "2011": "2010-2012"}
MORE = {"1989": ("monopoly.csv",), "2011": ("followup_2013.csv",)}  # tables of one wave, kept as they are
SCOPES = {"broad": lambda row: True, "strict": lambda row: row["scope"] == "core"}


def make_wave(name: str) -> dict[str, bytes]:
    """Return the packaged tables of a wave by name."""
    folder = FACTS / name
    places, episodes = read(folder, "places.csv"), read(folder, "episodes.csv")
    sources = Sources(
        RECORD.format(TITLES[name]), f"tocsin-{name}-record", read(folder, "sources_labels.csv")
    )
    kinds = [
        Kind(variable, inside, after, lambda row, variable=variable: row["variable"] == variable)  # type: ignore[misc]
        for variable, (inside, after) in STATES[name].items()
    ]
    spells = list(SPELLS[name](folder, episodes))
    ties = read(folder, "ties.csv") + (read(folder, "ties_extra.csv") if name == "1989" else [])
    reasons = ["after_event_why"] if name == "1989" else []
    tables = {
        "units.csv": [{**row, **entered(name, row)} for row in make_units(places, sources)],
        "events.csv": Events(kinds, sources, scopes=SCOPES).made(spells, places),
        "ties.csv": make_ties(ties, sources, ["after_event", *reasons]),
        "covariates.csv": make_covariates(read(folder, "covariates.csv"), sources),
        "episodes.csv": placed(episodes, sources),
        "common.csv": placed(read(folder, "common.csv"), sources),
        **{table: placed(read(folder, table), sources) for table in MORE.get(name, ())},
    }
    tables["sources.csv"] = sources.table()
    return {table: to_csv(rows) for table, rows in tables.items()}


def entered(name: str, unit: Row) -> Row:
    """Return the states in which a unit enters, where they are not those in which all begin."""
    if name != "1989":
        return {}
    held = {row["place"]: row["held"] for row in read(FACTS / name, "monopoly.csv")}
    return {
        "monopoly": "held" if held[unit["unit"]] == "yes" else "none",
        "union": "in" if unit["part_of"] else "none",
    }


def make_four() -> dict[str, bytes]:
    """Return the tables of `four_waves`: what the waves share, each place once for each wave that it was in."""
    sources = Sources(RECORD.format("all four waves"), "tocsin-four-waves-record", labels())
    tables: dict[str, list[Row]] = {
        name: [] for name in ("units.csv", "events.csv", "ties.csv", "covariates.csv")
    }
    for wave in WAVES:
        folder = FACTS / wave

        def named(place: str, wave: str = wave) -> str:
            return f"{place}_{wave}"

        for unit in make_units(read(folder, "places.csv"), sources):
            label = f"{unit['label'].split(' (')[0]} ({wave})"
            tables["units.csv"].append(
                {**unit, "unit": named(unit["unit"]), "label": label, "wave": f"w{wave}"}
            )
        for row in read(folder, "common.csv"):
            tables["events.csv"] += [{**each, "unit": named(row["place"])} for each in of_row(row, sources)]
        ties = [
            row
            for row in read(folder, "ties.csv")
            if row["layer"] in TIES and row.get("after_event") != "yes"
        ]
        tables["ties.csv"] += [
            {**tie, "source": named(tie["source"]), "target": named(tie["target"])}
            for tie in make_ties(ties, sources)
        ]
        covariates = [
            row for row in read(folder, "covariates.csv") if row["name"] in ("monarchy", "food_crisis")
        ]
        tables["covariates.csv"] += [
            {**row, "unit": named(row["unit"])} for row in make_covariates(covariates, sources)
        ]
    tables["events.csv"].sort(key=lambda row: (row["time"], row["unit"], row["variable"]))
    tables["sources.csv"] = sources.table()
    return {table: to_csv(rows) for table, rows in tables.items()}


def labels() -> list[Row]:
    """Return the labels of the sources of all waves."""
    return [row for wave in WAVES for row in read(FACTS / wave, "sources_labels.csv")]


def of_row(row: Row, sources: Sources) -> Iterator[Row]:
    """Yield the events of one place: its first challenge, what came of it, and whether that was undone."""
    moves = [("challenge", "begun", row["challenge_start"], row["challenge_alt"])]
    if row["outcome"] != "none":
        moves.append(("outcome", row["outcome"], row["outcome_date"], ""))
    if row["outcome"] in GAINS:
        moves.append(("gain", "won", row["outcome_date"], ""))
    if row["outcome"] in GAINS and row["reversed_date"]:
        moves.append(("gain", "undone", row["reversed_date"], ""))
    for variable, state, day, rival in moves:
        if day:
            yield {
                "unit": row["place"],
                "variable": variable,
                "state": state,
                "time": day,
                "citation": sources.key(row["source"]),
                "confidence": row["confidence"],
                "note": row["note"],
                "organised_by": row["organised_by"],
                "rival_date": rival,
            }


NAMES: dict[str, Callable[[], dict[str, bytes]]] = {
    **{name: lambda name=name: make_wave(name) for name in STATES},  # type: ignore[misc]
    "four_waves": make_four,
}


def main() -> int:
    parser = argparse.ArgumentParser(description="Make packaged histories from the facts of their waves.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which ones, of {', '.join(NAMES)}")
    parser.add_argument("--check", action="store_true", help="exit 1 if the packaged files are stale")
    options = parser.parse_args()
    stale = 0
    for name in options.names or NAMES:
        if name not in NAMES:
            parser.error(f"there is no history {name!r}: {', '.join(NAMES)}")
        (HISTORIES / name).mkdir(exist_ok=True)
        for table, content in NAMES[name]().items():
            path = HISTORIES / name / table
            if path.is_file() and path.read_bytes() == content:
                continue
            stale += 1
            if options.check:
                sys.stderr.write(f"{path} is not what {FACTS} give\n")
            else:
                path.write_bytes(content)
                sys.stdout.write(f"{path}\n")
    return int(options.check and stale > 0)


if __name__ == "__main__":
    sys.exit(main())
