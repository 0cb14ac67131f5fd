"""The answer of a congress in a terminal and as files: what was believed, what it changes, and what came."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
from rich.console import Group
from rich.text import Text

from tocsin.congress.congress import FEW
from tocsin.files.csv_for_people import write_tables
from tocsin.files.results import CONGRESS
from tocsin.report.terminal import figure, frame_table, per_hundred

if TYPE_CHECKING:
    from tocsin.congress.congress import Congress

STRENGTH = "susceptibility | 1"  # the part of a parameter's name that says it is a strength


def congress_page(made: Congress) -> Group:
    """Return the whole answer for a terminal."""
    asked = made.questions
    believed = pd.DataFrame(
        {
            "of": asked["unit"] + " " + asked["state"],
            "until": asked["horizon"],
            "experts": asked["experts"],
            "they said": [_between(a, b) for a, b in asked[["lowest", "highest"]].to_numpy()],
            "the congress": [per_hundred(p) for p in asked["pooled"]],
            "model before": [per_hundred(p) for p in asked["before"]],
            "with it": [per_hundred(p) for p in asked["with_congress"]],
            "the record": [
                "not over" if pd.isna(x) else "came" if x else "did not come" for x in asked["came"]
            ],
            "fit without": [per_hundred(p) for p in asked["without"]],
            "fit with": [per_hundred(p) for p in asked["fit_with"]],
        }
    )
    worlds = made.worlds.copy()
    worlds["95% of worlds"] = [f"{a:g} – {b:g}" for a, b in worlds[["lower", "upper"]].to_numpy()]
    scores = made.scores.copy()
    scores["brier"], scores["log_score"] = scores["brier"].map(figure), scores["log_score"].map(figure)
    return Group(
        frame_table(
            believed,
            f"What the congress of {made.as_of} believed, and what the record says (of 100)",
            ("experts", "fit without", "fit with", "until", "they said"),
        ),
        frame_table(
            worlds[["state", "worlds", "expected", "95% of worlds", "record"]],
            "Worlds of what was known on the day",
        ),
        frame_table(
            _moved(made), "Strengths (logarithms): draws of the day, and of the fit to the whole record"
        ),
        frame_table(scores, "How good they were, where the record has the answer"),
        *(Text(line) for line in notes(made)),
    )


def _between(low: float, high: float) -> str:
    return per_hundred(low) if low == high else f"{per_hundred(low)} – {per_hundred(high)}"


def _moved(made: Congress, most: int = 12) -> pd.DataFrame:
    """Return the strengths that the congress moved most, in standard deviations of the day."""
    table = made.parameters[made.parameters["parameter"].str.contains(STRENGTH, regex=False)]
    shift = ((table["with_congress"] - table["before"]) / table["before_sd"]).abs()
    table = table.loc[shift.sort_values(ascending=False).index[:most]]
    shown = pd.DataFrame({"parameter": table["parameter"]})
    for name, title in (
        ("before", "day"),
        ("with_congress", "with the congress"),
        ("without", "fit without"),
        ("fit_with", "fit with"),
    ):
        pairs = table[[name, f"{name}_sd"]].to_numpy()
        shown[title] = [f"{mean:.2f} ± {spread:.2f}" for mean, spread in pairs]
    return shown


def notes(made: Congress) -> list[str]:
    """Return what was done, how far it may be trusted, and what was left out."""
    day, whole = made.effective
    shared = made.questions[made.questions["experts"].str.contains(", ")]
    apart = "No question that is open on the day was judged by two experts. "
    if len(shared):
        worst = shared.sort_values("disagreement", ascending=False).iloc[0]
        apart = (
            f"Experts disagree most about {worst['unit']} ({worst['state']} until {worst['horizon']}): from "
            f"{per_hundred(worst['lowest'])} to {per_hundred(worst['highest'])} of 100. "
        )
    lines = [
        f"Of {made.draws} draws of the parameters, {day:.0f} count after the congress, of the whole record {whole:.0f}."
        + (
            " That is too few to lean on: these weights show little but the luck of the draw."
            if day < FEW
            else ""
        ),
        apart
        + "Experts of one question are pooled by the geometric mean of their densities, all alike; different "
        "questions are taken to be told independently, which experts who read the same papers do not do.",
        "Each draw is met by worlds that go on from the day of the judgement as it was known; the noise of so few "
        "worlds is added to the spread of the pool. Experts knew the record until their day, and so do the draws.",
        "Hindsight is a danger: whoever collects old judgements knows what came. This is a weight to be argued with.",
    ]
    return lines + [
        f"Left out: {each.expert} on {each.unit}, line {each.line}: {why}." for each, why in made.left_out
    ]


def write_congress(made: Congress, folder: Path) -> None:
    """Write questions.csv, worlds.csv, parameters.csv and scores.csv."""
    tables = {
        "questions": made.questions,
        "worlds": made.worlds,
        "parameters": made.parameters,
        "scores": made.scores,
    }
    facts = {"as_of": str(made.as_of), "effective": list(made.effective), "draws": made.draws}
    write_tables(folder, CONGRESS, tables, facts)
