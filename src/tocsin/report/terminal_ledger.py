"""The answer of a ledger in a terminal: what was staked, in how many worlds it comes back, what came in fact."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from rich.console import Group
from rich.text import Text

from tocsin.files.csv_for_people import write_tables
from tocsin.files.results import LEDGER
from tocsin.report.terminal import frame_table

if TYPE_CHECKING:
    from tocsin.ensemble.ensemble import Ensemble
    from tocsin.ledger.ledger import Ledger

LIMITS = (
    "What this cannot say: whether a soviet Germany would have given anything back, and what refusing would have "
    "cost. Dates of the war and of the German defeat are taken as they were; worlds differ in what the model moves. A "
    "condition counts a republic from the day on which it is proclaimed, however short-lived."
)


def staked_table(ledger: Ledger) -> pd.DataFrame:
    """Return what was staked, one row a stock, rival figures side by side; lands of one stock added up."""
    rows = []
    for name, mine in ledger.staked().groupby("stock", sort=False):
        first = mine.iloc[0]
        lands = int(mine["place"].notna().sum())
        rows.append(
            {
                "stock": f"{name} of {lands} lands" if lands else str(name),
                "amount": float(mine["amount"].sum()),
                "measure": str(first["measure"]),
                "rival figures": str(first["rivals"]) if not lands else "",
                "confidence": str(first["confidence"]) if mine["confidence"].nunique() == 1 else "mixed",
                "source": str(first["source"]),
            }
        )
    return pd.DataFrame(rows)


def worlds_table(ledger: Ledger, ensembles: Mapping[str, Ensemble]) -> pd.DataFrame:
    """Return in how many worlds each clause of each treaty comes true, with its 95% interval."""
    parts = []
    for label, ensemble in ensembles.items():
        found = ledger.returned(ensemble)
        when = "date" if "date" in found else "time"
        parts.append(
            pd.DataFrame(
                {
                    "worlds of": label,
                    "treaty": found["treaty"],
                    "made in": [f"{count:,} of {ensemble.worlds:,}" for count in found["worlds"]],
                    "given back by": found["clause"],
                    "until": found[when].astype(str),
                    "in worlds": [f"{count:,}" for count in found["returned"]],
                    "of 100 with the treaty": [
                        hundred(*row) for row in found[["share", "lower", "upper"]].to_numpy()
                    ],
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def bet_table(ledger: Ledger, ensembles: Mapping[str, Ensemble]) -> pd.DataFrame:
    """Return the break-even: per stock, p* for three risks of refusing, and the worlds' own p with its q*."""
    level = ledger.break_even([0.25, 0.5, 0.75])
    if level.empty or not ledger.clauses:
        return pd.DataFrame()
    rows: dict[str, dict[str, Any]] = {}
    for each in level.to_dict("records"):
        row = rows.setdefault(str(each["stock"]), {"stock": each["stock"], "measure": each["measure"]})
        low, high = each["probability_low"], each["probability_high"]
        row[f"p* if q is {each['refusing']:g}"] = _range(each["probability"], low, high)
    for label, ensemble in ensembles.items():
        for each in ledger.bet(ensemble).to_dict("records"):
            rows[str(each["stock"])][f"q*, {label}"] = _range(
                each["risk"], each["risk_low"], each["risk_high"]
            )
    return pd.DataFrame(list(rows.values())).fillna("")


def fact_table(value: pd.DataFrame, causes: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return what came back in fact, by the rules of the ledger: what, when and by which way.

    Parameters:
        value: the value of the record as one world, of `Ledger.in_fact`.
        causes: shares of causes of the observed events, to name the likeliest road of each land.
    """
    when = "returned_on" if "returned_on" in value else "returned_at"
    rows: dict[tuple[str, str, str], list[str]] = {}
    for row in value.to_dict("records"):
        if not row["staked_high"]:
            continue
        back, moment = not pd.isna(row[when]), row[when]
        if back:
            moment = moment.date().isoformat() if hasattr(moment, "date") else f"{moment:g}"
        placed = not pd.isna(row["place"])
        way = str(row["way"]) if back else ""
        if back and placed and causes is not None:
            way += _road(causes, str(row["place"]), float(row["returned_at"]))
        what = f"{row['stock']}{' of ' + str(row['place']) if placed else ''}"
        amount = f"{what} {row['staked']:,g} {row['measure']}"
        rows.setdefault((str(row["treaty"]), str(moment) if back else "not", way), []).append(amount)
    return pd.DataFrame(
        [
            {"treaty": treaty, "what": "; ".join(what), "back on": on, "by": way}
            for (treaty, on, way), what in rows.items()
        ],
        columns=["treaty", "what", "back on", "by"],
    )


def answer(ledger: Ledger, label: str, ensemble: Ensemble) -> str:
    """Return the answer in a sentence: in how many worlds the first clause gives back what was staked."""
    found = ledger.returned(ensemble)
    if found.empty:
        return f"Worlds of {label}: no clause gives anything back."
    row = found.iloc[0]
    until = row["date"] if "date" in found else f"{row['time']:g}"
    share = hundred(row["share"], row["lower"], row["upper"])
    return (
        f"Worlds of {label}: {row['treaty']} is made in {row['worlds']:,} of {ensemble.worlds:,} worlds; in "
        f"{row['returned']:,} of these, {share} of 100, a {row['clause']} by {until} gives back what was staked."
    )


def doubt_words(ensemble: Ensemble) -> str:
    """Return what uncertainty of the parameters the intervals hold, and which worlds were stopped."""
    if ensemble.draws is None:
        return "all are at the best estimates; the intervals hold the chance of so many worlds, and nothing else."
    head, *stops = ensemble.doubt
    told = [head[0].lower() + head[1:], "The intervals hold the doubt about the parameters.", *stops]
    return " ".join(told)


def _road(causes: pd.DataFrame, place: str, time: float) -> str:
    """Return the largest share among the causes of the event in a place on the day of a time."""
    mine = causes[(causes["unit"].astype(str) == place) & (causes["time"] == time)]
    if mine.empty:
        return ""
    top = mine.sort_values("share", kind="stable").iloc[-1]
    return f" ({top['cause']}, {100 * float(top['share']):.0f} of 100 of the hazard)"


def ledger_page(
    ledger: Ledger, ensembles: Mapping[str, Ensemble], value: pd.DataFrame, causes: pd.DataFrame | None = None
) -> Group:
    """Return the whole answer for a terminal.

    Parameters:
        ensembles: worlds by the name under which they are shown.
        value, causes: as for `fact_table`.
    """
    title = f"{ledger.title or 'Ledger'}: what was staked"
    parts: list[Any] = [frame_table(staked_table(ledger), title, ("rival figures", "source", "confidence"))]
    parts.append(
        frame_table(
            worlds_table(ledger, ensembles),
            "In how many worlds it comes back",
            ("made in", "until", "in worlds", "worlds of"),
        )
    )
    bet = bet_table(ledger, ensembles)
    if len(bet):
        parts.append(frame_table(bet, f"The bet: {ledger.clauses[0].name}"))
        parts.append(
            Text(
                "p*: how likely the return must be for signing to lose no more than refusing, p* = 1 - q / s, "
                "where s is the share staked and q the probability that refusing costs the whole. q*: with the "
                "worlds' own share of returns, signing lost less where q was above it. In brackets, from the lowest "
                "to the highest of the rival figures, and for q* of the 95% interval of the worlds too.",
                style="dim",
            )
        )
    parts.append(frame_table(fact_table(value, causes), "What came back in fact"))
    for clause in ledger.clauses:
        if clause.when is None:
            parts.append(Text(f"{clause.name}: {clause.note} Source: {clause.source}.", style="dim"))
    for fact in ledger.facts:
        note = f" {fact.note}." if fact.note else ""
        parts.append(
            Text(f"{fact.name}: {fact.value} ({fact.confidence}). {fact.source}.{note}", style="dim")
        )
    for label, ensemble in ensembles.items():
        if ensemble.interventions:
            parts.append(Text(f"Changed in {label}: {'; '.join(ensemble.interventions)}.", style="dim"))
        parts.append(Text(answer(ledger, label, ensemble)))
    for label, ensemble in ensembles.items():
        parts.append(Text(" ".join([f"Worlds of {label}:", doubt_words(ensemble)])))
    return Group(*parts, Text(LIMITS))


def write_value(ledger: Ledger, ensembles: Mapping[str, Ensemble], folder: Path) -> None:
    """Write staked.csv, returned.csv and value.csv, one row a world and stock; raise TocsinError if it fails."""
    tables = {"staked": ledger.staked()}
    for name, ask in (("returned", ledger.returned), ("value", ledger.value)):
        parts = [ask(ensemble) for ensemble in ensembles.values()]
        for label, part in zip(ensembles, parts, strict=True):
            part.insert(0, "worlds_of", label)
        tables[name] = pd.concat(parts, ignore_index=True)
    write_tables(folder, LEDGER, tables)


def hundred(share: float, lower: float, upper: float) -> str:
    """Return a share of worlds as a number of 100 with its interval."""
    if pd.isna(share):
        return "no such world"
    if share == 0:
        return f"0 (at most {100 * upper:.2g})"
    if share == 1:
        return f"100 (at least {100 * lower:.4g})"
    return f"{100 * share:.1f} ({100 * lower:.1f} to {100 * upper:.1f})"


def _range(middle: float, low: float, high: float) -> str:
    if pd.isna(middle):
        return ""
    return f"{middle:.2f}" if f"{low:.2f}" == f"{high:.2f}" else f"{middle:.2f} ({low:.2f} to {high:.2f})"
