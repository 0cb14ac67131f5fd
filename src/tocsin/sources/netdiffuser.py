"""netdiffuseR: who adopted when, and who names whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tocsin.sources.source import Cells, Source, others

if TYPE_CHECKING:
    import pandas as pd

CITATION = "Vega Yon, G. G. and T. W. Valente, netdiffuseR: Analysis of Diffusion and Contagion Processes on Networks"
PAGE = "github.com/USCCANA/netdiffuseR (help of new_diffnet and edgelist_to_adjmat)"


def adopters(cells: Cells, layout: str) -> pd.DataFrame:
    """Return unit, time (of adoption; missing: never in the study), and what else the file has of each."""
    found = {"unit": cells.text("id", "no unit"), "time": cells.number("toa")}
    return cells.result(found | others(cells, OPTIONAL))


def namings(cells: Cells, layout: str) -> pd.DataFrame:
    """Return source, target, weight as it acts: who is named (dst) acts on who names (src)."""
    found = {"source": cells.text("dst", "no unit"), "target": cells.text("src", "no unit")}
    cells.leave(found["source"] == found["target"], "a unit names itself")
    return cells.result(found | ({"weight": cells.number("w")} if cells.has("w") else {}))


OPTIONAL = ("group", "city", "village", "study")

SOURCES = (
    Source(
        name="netdiffuser",
        title="netdiffuseR",
        kind="adoptions",
        layouts={"units with their time of adoption": ("id", "toa")},
        optional=OPTIONAL,
        units="",
        precision="period (month or year of the study)",
        coverage="all units of the study; in Medical Innovation 18 stands for not within the 17 months",
        citation=CITATION,
        licence="MIT (the package); the data as their studies say",
        page=PAGE,
        tidy=adopters,
    ),
    Source(
        name="netdiffuser_edges",
        title="netdiffuseR",
        kind="ties",
        layouts={"who (src) names whom (dst)": ("src", "dst")},
        optional=("w",),
        units="",
        precision="",
        coverage="all units of the study",
        citation=CITATION,
        licence="MIT (the package); the data as their studies say",
        page=PAGE,
        tidy=namings,
    ),
)
