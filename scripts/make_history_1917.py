"""Make the tables of the packaged history `1917` from facts/1917.

    python scripts/make_history_1917.py [FACTS_FOLDER] [--out FOLDER] [--check]

A correction is one edit in the facts and one run of this script: no table in the packaged folder is typed by hand
but `facts.csv`, figures that claims need beside the record. The same facts give the same bytes.

    --check    write nothing; exit with status 1 if the packaged files are not what the facts give

The counts in docs/histories/1917.md, between two marks, are written and checked with the packaged history.
"""

from __future__ import annotations

import sys
from pathlib import Path

from record import (
    REPO,
    Chosen,
    Events,
    Kind,
    Row,
    Sources,
    cited,
    make_covariates,
    make_ties,
    make_units,
    placed,
    read,
    run,
    to_csv,
)

PAGE = REPO / "docs" / "histories" / "1917.md"
RECORD = "The Tocsin founders (2026), The revolutionary wave of 1917-1923, a curated record"
CONTENTIOUS = ("mutiny", "mass_strike", "uprising")


def of_wave(kind: str) -> Chosen:
    """Choose the episodes of a kind but those whose opponent was a soviet government."""
    return lambda row: row["kind"] == kind and row["aim"] != "against_soviet"


KINDS = (
    Kind("regime", "soviet", "old", of_wave("soviet_republic")),
    Kind("army", "mutinous", "loyal", of_wave("mutiny")),
    Kind("labour", "strike", "quiet", of_wave("mass_strike")),
    Kind("order", "rising", "calm", of_wave("uprising")),
    Kind("party", "communist", None, of_wave("party_founded")),
    Kind(
        "resistance",
        "rising",
        "quiet",
        lambda row: row["kind"] in CONTENTIOUS and row["aim"] == "against_soviet",
    ),
)


def strict(row: Row) -> bool:
    """Choose what the strict reading counts: core episodes, and republics that claimed to govern the whole place."""
    return row["scope"] == "core" and row["form"] in ("", "state")


def broad(row: Row) -> bool:
    """Choose what the broad reading counts: all but committees that ran a town without claiming the state."""
    return row["form"] != "committee"


def tie_confidence(row: Row) -> str:
    """Rate a tie where the codebook does: prisoners are "very rough", the others among its weakest parts."""
    return "low" if row["layer"] in ("pow_return", "labour_migration", "language") else "unrated"


def tie_layer(row: Row) -> str:
    """Part troops and officers from Moscow's other support."""
    return "red_army" if row["layer"] == "comintern" and row["support"] == "troops" else row["layer"]


def make(facts: Path) -> dict[str, bytes]:
    """Return the packaged files by name, made from the folder of facts."""
    places, episodes = read(facts, "places.csv"), read(facts, "episodes.csv")
    sources = Sources(RECORD, "tocsin-1917-record", read(facts, "sources_labels.csv"))
    events = Events(KINDS, sources, ("origin", "aim", "form"), scopes={"broad": broad, "strict": strict})
    tables = {
        "units.csv": make_units(places, sources),
        "events.csv": events.made(episodes, places),
        "ties.csv": make_ties(
            read(facts, "ties.csv"),
            sources,
            ("support", "by", "start_alt", "weight_alt", "checked"),
            tie_layer,
            tie_confidence,
        ),
        "covariates.csv": make_covariates(read(facts, "covariates.csv"), sources),
        "episodes.csv": placed(episodes, sources),
        "variants.csv": placed(read(facts, "variants.csv"), sources),
        "common.csv": placed(read(facts, "common.csv"), sources),
        "claims.csv": cited(read(facts, "seed_claims.csv"), sources, confidence="unrated"),
        "brest_litovsk.csv": cited(read(facts, "brest_litovsk.csv"), sources),
    }
    tables["sources.csv"] = sources.table()
    return {name: to_csv(rows) for name, rows in tables.items()}


def counted_page(folder: Path) -> dict[Path, bytes]:
    """Return the page of documentation with the counts of `folder` between its two marks."""
    from counts_1917 import counts  # lazily: that module reads this one

    before, mark, rest = PAGE.read_text(encoding="utf-8").partition("<!-- counts -->\n")
    _, end, after = rest.partition("<!-- end of counts -->")
    return {PAGE: f"{before}{mark}{counts(folder)}{end}{after}".encode()}


if __name__ == "__main__":
    sys.exit(run("1917", make, counted_page))
