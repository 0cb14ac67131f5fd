"""A multiverse in a terminal and as files."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from rich.console import Group
from rich.text import Text

from tocsin.check.specifications import VARY
from tocsin.files.csv_for_people import write_tables
from tocsin.files.results import MULTIVERSE
from tocsin.report.terminal import figure, frame_table

if TYPE_CHECKING:
    from tocsin.check.multiverse import Multiverse

LIMITS = (
    "Shares of specifications are no probabilities. Scores (aic) compare specifications of one letter in `data` only: "
    "elsewhere read the gain over home alone on the same data. The joint test deals the courses of events out anew "
    "among units with the same presence and states on entry, the same way for every specification: it asks whether "
    "who is tied to whom, and who is like whom, matters at all. It does not tell example from likeness."
)


def write_multiverse(found: Multiverse, history: str, folder: Path) -> None:
    """Write multiverse.csv and .parquet, strengths.csv, null.csv, curve.svg and the manifest multiverse.json."""
    from tocsin.charts.parts import to_svg
    from tocsin.charts.specification_curve import specification_curve

    parquet = io.BytesIO()
    found.table.to_parquet(parquet, index=False)
    null = pd.DataFrame({"world": np.arange(found.null.size), "median_gain": found.null})
    tables = {"multiverse": found.table, "strengths": found.strengths, "null": null}
    facts = {
        "history": history, "plan": found.plan.where, "worlds": found.plan.worlds, "seed": found.plan.seed,
        "median_gain": found.median_gain, "p": found.p, "same": found.same,
    }  # fmt: skip
    svg = to_svg(specification_curve(found, f"history {history}"))
    write_tables(
        folder, MULTIVERSE, tables, facts, {"multiverse.parquet": parquet.getvalue(), "curve.svg": svg}
    )


def multiverse_page(found: Multiverse, folder: Path) -> Group:
    """Return the gains by each choice, and the joint test."""
    table = found.table
    rows = [
        (kind, choice, len(part), *(figure(float(part["gain"].quantile(q))) for q in (0.0, 0.5, 1.0)),
         figure(float(part["share"].median())))
        for kind in VARY if table[kind].nunique() > 1
        for choice, part in table.groupby(kind, sort=False)
    ]  # fmt: skip
    names = ["kind", "choice", "specifications", "least gain", "median", "most", "median share of example"]
    again = f", {found.resumed} of them from an earlier run" if found.resumed else ""
    same = f"; {found.same} more combinations say the same as one of these" if found.same else ""
    heading = f"{found.plan.title or 'Multiverse'}: {len(table)} specifications{again}{same}"
    test = f"Median gain in log-likelihood over home alone: {found.median_gain:.2f}."
    if found.null.size:
        ends = np.quantile(found.null, [0.05, 0.95])
        test += (
            f" In {found.null.size} worlds whose courses were dealt out anew it is {ends[0]:.2f} to {ends[1]:.2f} "
            f"(90 of 100): p = {found.p:.3g}, one test for all specifications."
        )
    return Group(
        Text(heading, style="bold"), frame_table(pd.DataFrame(rows, columns=names), "Gain by choice"), Text(test),
        Text(LIMITS), Text(f"Written to {folder}"),
    )  # fmt: skip
