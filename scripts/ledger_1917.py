"""Make the ledger of Brest-Litovsk from the packaged terms of the peace, and the numbers of its page.

    python scripts/ledger_1917.py            # print the tables, or those that are named
    python scripts/ledger_1917.py --make     # write src/tocsin/histories/1917/ledger.toml
    python scripts/ledger_1917.py --write    # put the tables into docs/ledger.md
    python scripts/ledger_1917.py --check    # exit 1 if the ledger or the page is stale

The amounts, their rivals, sources and confidence are read from brest_litovsk.csv; what the treaty moves, and
on which conditions it comes back, is said here. A rival figure becomes a number only where it is written in
the measure of its row; everything else stays as text.
"""

from __future__ import annotations

import argparse
import csv
import re
import sys
from functools import cached_property
from pathlib import Path

import pandas as pd
from markdown_1917 import serve_tables, table, tables_asked

import tocsin as tc
from tocsin.ledger.ledger import Clause, Fact, Figure, Ledger, Stock, Treaty
from tocsin.report.terminal_ledger import answer, bet_table, fact_table, hundred, staked_table

FOLDER = Path(__file__).resolve().parents[1] / "src" / "tocsin" / "histories" / "1917"
TERMS, UNITS, LEDGER = FOLDER / "brest_litovsk.csv", FOLDER / "units.csv", FOLDER / "ledger.toml"
HEADER = "# Made by scripts/ledger_1917.py from brest_litovsk.csv and units.csv: correct those and run it.\n"

STOCKS = {  # item of the file: name in the ledger
    "territory_lost": "territory",
    "population_lost": "population",
    "population_lost_share": "population_share",
    "coal_lost": "coal",
    "iron_lost": "iron",
    "arable_land_lost": "wheat_land",
    "railways_lost": "railways",
    "factories_lost": "factories",
    "metal_and_machine_works_lost": "metal_works",
    "textile_mills_lost": "textile_mills",
    "sugar_refineries_lost": "sugar_refineries",
    "state_revenue_lost": "state_revenue",
    "indemnity": "indemnity",
    "gold_paid": "gold",
    "kars_ardahan_batum": "southern_districts",
}
PEACE = [
    "territory", "population", "population_share", "coal", "iron", "wheat_land", "railways", "factories",
    "metal_works", "textile_mills", "sugar_refineries", "state_revenue",
]  # fmt: skip
# The lands of claim c23 of claims.csv: those that came back, and the five that were lost for good.
LANDS = [
    "ukraine", "belarus", "georgia", "armenia", "azerbaijan", "finland", "estonia", "latvia", "lithuania", "poland",
]  # fmt: skip
_NUMBER = re.compile(r"^(?:about|some)?\s*(\d[\d.]*)(?:\s*-\s*(\d[\d.]*))?\s*(million)?\s*(.*)$")


def rows_of(path: Path) -> list[dict[str, str]]:
    """Return the rows of a table."""
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def figure(text: str, measure: str, source: str) -> Figure:
    """Return a rival figure, with numbers where it is in the measure of its row."""
    found = _NUMBER.match(text.strip())
    if found:
        low, high, million, rest = found.groups()
        rest = re.sub(r"\(.*", "", rest).strip()
        same = not rest or (measure == "km2" and rest.startswith("km2"))
        if same:
            factor = 1e6 if million else 1.0
            return Figure(text.strip(), factor * float(low), factor * float(high or low), source)
    return Figure(text.strip(), source=source)


def stock(row: dict[str, str]) -> Stock:
    """Return the stock of a row of the terms."""
    texts = [text for text in row["alt_value"].split(";") if text.strip()]
    return Stock(
        STOCKS[row["item"]],
        "russia",
        float(row["value"]),
        row["unit"],
        whole=100.0 if row["unit"].startswith("%") else None,
        rivals=tuple(figure(text, row["unit"], row["alt_source"]) for text in texts),
        source=row["source"],
        citation=row["citation"],
        confidence=row["confidence"],
        note=row["note"],
    )


def people(row: dict[str, str]) -> Stock:
    """Return the people of a land as a stock of their own: another reckoning of what was lost, land by land."""
    return Stock(
        "people",
        "russia",
        float(row["population_millions"]),
        "millions",
        place=row["unit"],
        source="units.csv, population_millions",
        citation=row["citation"],
        confidence=row["confidence"],
        note=row["note"],
    )


def make() -> Ledger:
    """Return the ledger of Brest-Litovsk."""
    terms = {row["item"]: row for row in rows_of(TERMS)}
    units = {row["unit"]: row for row in rows_of(UNITS)}
    stocks = [stock(terms[item]) for item in STOCKS] + [people(units[name]) for name in LANDS]
    soviet = "russia regime=soviet"
    treaties = [
        Treaty(
            "Brest-Litovsk", "germany", (*PEACE, "people"), terms["date_signed"]["date"], soviet,
            terms["date_signed"]["source"],
            "What was taken from Russia's control went to occupation and client states; the taker stands for them.",
        ),
        Treaty(
            "Brest-Litovsk, the south", "turkey", ("southern_districts",), terms["kars_ardahan_batum"]["date"],
            soviet, terms["kars_ardahan_batum"]["source"],
        ),
        Treaty(
            "supplementary treaty", "germany", ("indemnity",), terms["indemnity"]["date"], soviet,
            terms["indemnity"]["source"], "Promised; what was paid of it is gold.",
        ),
        Treaty(
            "gold shipments", "germany", ("gold",), terms["gold_paid"]["date"], soviet, terms["gold_paid"]["source"]
        ),
    ]  # fmt: skip
    bet = list(STOCKS.values())
    annulled = terms["date_annulled_by_russia"]
    clauses = [
        Clause(
            "German revolution", "germany regime=soviet", bet, by=annulled["date"],
            note="The bet: a soviet Germany gives back what was taken, before the treaty falls of itself. Any "
            "soviet republic that is proclaimed counts.",
        ),
        Clause(
            "German revolution that lasts", "germany regime=soviet", bet, by=annulled["date"], lasting=30.0,
            note="The same, read more strictly: it has stood for thirty days by then.",
        ),
        Clause(
            "annulment", None, [name for name in bet if name != "gold"], at=annulled["date"],
            source=f"{terms['date_annulled_by_germany']['source']}; {annulled['source']}",
            note="The treaty fell with the German defeat, which no model here moves: it comes in every world as it "
            "came. What it gave back was the claim. The gold went to the Entente.",
        ),
        Clause(
            "land by land", "place regime=soviet", ["people"], at="1923-12-31",
            note="A land is in soviet hands at the end, with or without Germany.",
        ),
    ]  # fmt: skip
    facts = [
        Fact(
            row["item"],
            row["value"],
            row["unit"],
            row["source"],
            row["citation"],
            row["confidence"],
            row["note"],
        )
        for row in terms.values()
        if row["unit"] in ("date", "days")
    ]
    return Ledger(
        stocks,
        treaties,
        clauses,
        facts,
        title="The bet of Brest-Litovsk",
        note="What soviet Russia staked on a German revolution, as rival reckonings give it.",
    )


# --- the page -------------------------------------------------------------------------------------------

PAGE = Path(__file__).resolve().parents[1] / "docs" / "ledger.md"
WORLDS, DRAWN, SEED = 10_000, 2_000, 1917
SIGNED, NOVEMBER = "until 1918-03-03", "force germany regime=soviet at 1918-11-09"
DATES = ("1918-11-09", "1918-11-13", "1918-12-31", "1919-12-31", "1923-12-31")


class Tables:
    """The tables of the page, each made when it is asked for."""

    def __init__(self) -> None:
        self.ledger = tc.load_ledger("1917")
        self.history = tc.load_history("1917")
        assert self.history.model_path is not None
        self.model = tc.Model.from_toml(self.history.model_path)

    @cached_property
    def fit(self) -> tc.Fit:
        return self.model.fit(self.history)

    @cached_property
    def ensembles(self) -> dict[str, tc.Ensemble]:
        def worlds(*do: str, given: str = "nothing") -> tc.Ensemble:
            return self.fit.simulate(self.history, worlds=WORLDS, seed=SEED, interventions=do, given=given)

        drawn = self.fit.draws(DRAWN)
        return {
            "the fit": worlds(),
            "the record until the treaty": worlds(given=SIGNED),
            "the record until then, parameters drawn": self.fit.simulate(
                self.history, worlds=DRAWN, seed=SEED, given=SIGNED, draws=drawn
            ),
            "the record until then, Germany soviet on 9 November 1918": worlds(NOVEMBER, given=SIGNED),
        }

    def staked(self) -> str:
        return markdown(staked_table(self.ledger))

    def answers(self) -> str:
        lines = [f"- {answer(self.ledger, name, worlds)}\n" for name, worlds in self.ensembles.items()]
        return "".join(lines) + f"\n{WORLDS:,} worlds, {DRAWN:,} with parameters drawn; seed {SEED}.\n"

    def dates(self) -> str:
        rows = []
        for name, worlds in self.ensembles.items():
            found = self.ledger.returned(worlds, DATES)
            found = found[found["treaty"] == self.ledger.treaties[0].name]
            for clause, mine in found.groupby("clause", sort=False):
                cells = [hundred(*row) for row in mine[["share", "lower", "upper"]].to_numpy()]
                rows.append((name, clause, *cells))
        return table(("worlds of", "given back by", *(f"until {date}" for date in DATES)), rows)

    def bet(self) -> str:
        return markdown(bet_table(self.ledger, self.ensembles))

    def people(self) -> str:
        rows = []
        for name, worlds in self.ensembles.items():
            value = self.ledger.value(worlds)
            mine = value[(value["stock"] == "people") & (value["staked"] > 0)]
            back = mine.groupby("world")["returned"].sum()
            share = mine.assign(back=mine["returned"] > 0).groupby("place", observed=True)["back"].mean()
            roads = mine[mine["returned"] > 0]["cause"].value_counts(dropna=False, normalize=True)
            army = float(roads.get("red_army", 0.0))
            listed = ", ".join(f"{p} {100 * s:.0f}" for p, s in share.sort_values(ascending=False).items())
            low, mid, high = (back.quantile(q, interpolation="nearest") for q in (0.05, 0.5, 0.95))
            rows.append((name, f"{mid:.1f} ({low:.1f} to {high:.1f})", f"{100 * army:.0f}", listed))
        value = self.ledger.in_fact(self.history, self.model)
        mine = value[value["stock"] == "people"]
        kept = ", ".join(str(place) for place in mine[mine["returned"] > 0]["place"])
        rows.append(("in fact", f"{mine['returned'].sum():.1f}", "", kept))
        head = ("worlds of", "millions back (90 of 100 worlds)", "by Red Army, of 100 returns")
        return table((*head, "of 100 worlds with the treaty, each land"), rows)

    def facts(self) -> str:
        value = self.ledger.in_fact(self.history, self.model)
        lines = [
            f"- {fact.name}: {fact.value} ({fact.confidence}; {fact.source}). {fact.note}".rstrip() + "\n"
            for fact in self.ledger.facts
        ]
        return (
            markdown(fact_table(value, self.fit.attribute(self.history, draws=0).causes))
            + "\n"
            + "".join(lines)
        )


NAMES = ("staked", "answers", "dates", "bet", "people", "facts")


def markdown(frame: pd.DataFrame) -> str:
    """Return a DataFrame as a table in Markdown."""
    rows = [
        [f"{cell:,g}" if isinstance(cell, float) else str(cell).replace("|", "/") for cell in row]
        for row in frame.itertuples(index=False)
    ]
    return table(list(frame.columns), rows)


def main() -> int:
    """Make the ledger, or print, write or check the tables."""
    parser = argparse.ArgumentParser(
        description="The ledger of Brest-Litovsk and the tables of docs/ledger.md."
    )
    parser.add_argument("--make", action="store_true", help="write the packaged ledger")
    options = tables_asked(parser, NAMES)
    text = HEADER + make().to_toml()
    if options.make:
        LEDGER.write_text(text, encoding="utf-8")
        return 0
    if options.check and LEDGER.read_text(encoding="utf-8") != text:
        sys.stderr.write(f"{LEDGER} is not what the terms give: run this script with --make\n")
        return 1
    tables = Tables()
    return serve_tables(PAGE, options, lambda name: str(getattr(tables, name)()))


if __name__ == "__main__":
    sys.exit(main())
