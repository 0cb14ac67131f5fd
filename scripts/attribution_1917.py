"""Attribute the events of 1917-1923 by the packaged model and print the tables of docs/attribution.md.

python scripts/attribution_1917.py [--write | --check] [TABLE ...]

--write    put the tables into the page
--check    write nothing; exit with status 1 if the page holds other numbers
"""

from __future__ import annotations

import argparse
import sys
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
from markdown_1917 import interval, number, serve_tables, table, tables_asked

import tocsin as tc

PAGE = Path(__file__).resolve().parent.parent / "docs" / "attribution.md"
ONSET = "regime: old > soviet"
SEED = 1917
WORLDS = 60
DRAWS = 2000
NAMES = ["calibration", "totals", "offspring", "reproduction", "tree"]


def when(row: dict[Any, Any], name: str = "date") -> str:
    """Return a date of a row, or `on entry`."""
    return "on entry" if pd.isna(row[name]) else str(row[name].date())


class Tables:
    """The tables, each made when it is asked for."""

    @cached_property
    def history(self) -> tc.History:
        """Return the packaged history."""
        return tc.load_history("1917")

    @cached_property
    def fit(self) -> tc.Fit:
        """Return the fit of its model."""
        assert self.history.model_path is not None
        return tc.Model.from_toml(self.history.model_path).fit(self.history)

    @cached_property
    def attribution(self) -> tc.Attribution:
        """Return the attribution of all events."""
        return self.fit.attribute(draws=DRAWS)

    def calibration(self) -> str:
        """Return the reliability of shares in simulated worlds."""
        found = tc.calibration(self.fit, self.history, worlds=WORLDS, seed=SEED)
        rows = [
            (
                interval(row["lower"], row["upper"], 1),
                f"{row['count']:,}",
                number(row["expected"]),
                number(row["observed"]),
                interval(row["low"], row["high"]),
            )
            for row in found.to_dict("records")
        ]
        head = ["shares", "how many", "mean share", "share that was true", "95% interval"]
        return f"{WORLDS} worlds, seed {SEED}:\n\n" + table(head, rows)

    def totals(self) -> str:
        """Return what explains the soviet republics."""
        found = self.attribution.select(transition=ONSET).total("cause")
        rows = [
            (
                row["cause"],
                number(row["events explained"], 1),
                interval(row["lower"], row["upper"], 1),
                interval(row["caused lower"], row["caused upper"], 0),
                number(row["share"]),
            )
            for row in found.to_dict("records")
        ]
        count = found["events"].iloc[0]
        head = ["cause", f"events explained, of {count}", "95% interval", "events caused, 95%", "share"]
        return f"{DRAWS:,} draws:\n\n" + table(head, rows)

    def offspring(self) -> str:
        """Return the events that set off most."""
        found = self.attribution.offspring().sort_values("offspring", ascending=False, kind="stable")
        rows = [
            (
                row["unit"],
                f"{row['variable']}={row['to']}",
                when(row),
                number(row["offspring"], 1),
                interval(row["lower"], row["upper"], 1),
            )
            for row in found.head(8).to_dict("records")
        ]
        return table(["unit", "state", "since", "offspring", "95% interval"], rows)

    def reproduction(self) -> str:
        """Return the reproduction number of soviet republics by year."""
        found = self.attribution.select(transition=ONSET).reproduction("year")
        rows = [
            (row["period"], row["events"], number(row["offspring"]), interval(row["lower"], row["upper"]))
            for row in found.to_dict("records")
        ]
        return table(["year", "soviet republics", "mean offspring among them", "95% interval"], rows)

    def tree(self) -> str:
        """Return the consensus tree of the soviet republics, the least supported last."""
        found = self.attribution.select(transition=ONSET).tree().table
        rows = [
            (
                when(row),
                row["unit"],
                "home" if row["kind"] == "home" else f"{row['parent']}, {when(row, 'parent_date')}",
                "" if row["kind"] == "home" else row["layer"],
                number(row["support"]),
                interval(row["lower"], row["upper"]),
                number(row["home"]),
            )
            for row in found.sort_values("support", ascending=False, kind="stable").to_dict("records")
        ]
        head = ["soviet republic", "unit", "likeliest parent", "layer", "support", "95% interval", "home"]
        return table(head, rows)


def main() -> int:
    """Print, write or check the tables."""
    options = tables_asked(argparse.ArgumentParser(description="The tables of docs/attribution.md."), NAMES)
    tables = Tables()
    return serve_tables(PAGE, options, lambda name: f"\n{getattr(tables, name)()}\n")


if __name__ == "__main__":
    sys.exit(main())
