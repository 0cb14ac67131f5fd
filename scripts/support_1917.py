"""Plans for scarce support in 1917-1923, and the numbers of docs/support.md.

    python scripts/support_1917.py [--write | --check] [TABLE ...]

    --write    put the tables into the page
    --check    write nothing; exit with status 1 if the page holds other numbers

Each table is the answer of one `tocsin support 1917 ...`, whose words stand above it.
"""

from __future__ import annotations

import argparse
import sys
from functools import cached_property
from pathlib import Path

import pandas as pd
from markdown_1917 import serve_tables, table, tables_asked

import tocsin as tc
from tocsin.report.manifest import compared_table, plan_table
from tocsin.support.allocate import FIXED, LIMITS
from tocsin.support.candidates import main_source

PAGE = Path(__file__).resolve().parents[1] / "docs" / "support.md"
OCTOBER = "force russia regime=soviet at 1917-11-07"
WORLDS, SEED = 200, 1


class Plans:
    """The plans of the page, each made when it is asked for."""

    @cached_property
    def fit(self) -> tc.Fit:
        assert self.history.model_path is not None
        return tc.Model.from_toml(self.history.model_path).fit(self.history)

    @cached_property
    def history(self) -> tc.History:
        return tc.load_history("1917")

    def parties(self) -> str:
        """Return where the Comintern's support founds most parties."""
        return self._answer(tc.Support("comintern", "russia", 6, periods=2), "units party=communist")

    def republics(self) -> str:
        """Return where it makes most republics."""
        return self._answer(tc.Support("comintern", "russia", 6, periods=2), "units regime=soviet")

    def armies(self) -> str:
        """Return where the main sender of armed intervention shortens the life of republics most."""
        source = main_source(self.history, "intervention")
        support = tc.Support("intervention", source, 4, periods=2)
        return self._answer(support, "time regime=soviet", maximise=False)

    def prevented(self) -> str:
        """Return which places, kept out, keep most others out."""
        return self._answer(tc.Prevention("regime=soviet", 3), "units regime=soviet", maximise=False)

    def _answer(self, support: tc.Support | tc.Prevention, outcome: str, maximise: bool = True) -> str:
        found = self.fit.allocate(
            self.history,
            support,
            outcome,
            worlds=WORLDS,
            seed=SEED,
            maximise=maximise,
            interventions=[OCTOBER],
        )
        own = [note for note in found.notes() if note not in (FIXED, *LIMITS)]
        notes = "".join(f"- {note}\n" for note in own)
        return f"{_markdown(plan_table(found))}\n{_markdown(compared_table(found))}\n{notes}"


NAMES = ("parties", "republics", "armies", "prevented")


def _cell(cell: object) -> str:
    if not isinstance(cell, float):
        return str(cell)
    return f"{cell:,.0f}" if abs(cell) >= 1000 else f"{cell:.4g}"


def _markdown(frame: pd.DataFrame) -> str:
    rows = [[_cell(cell) for cell in row] for row in frame.itertuples(index=False)]
    return table(list(frame.columns), rows)


def main() -> int:
    """Print, write or check the tables."""
    options = tables_asked(argparse.ArgumentParser(description="The tables of docs/support.md."), NAMES)
    plans = Plans()
    return serve_tables(PAGE, options, lambda name: str(getattr(plans, name)()))


if __name__ == "__main__":
    sys.exit(main())
