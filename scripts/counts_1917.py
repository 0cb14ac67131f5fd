"""Count the packaged history `1917`: the tables and cautions of docs/histories/1917.md, as Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from make_history_1917 import KINDS
from record import DAY, Row, read

CONFIDENCE = ("high", "medium", "low", "unrated")  # the last where the record gives no rating


def counts(folder: Path) -> str:
    """Return the counts of the packaged files as tables in Markdown."""
    episodes = read(folder, "episodes.csv")
    events, strict = (in_scope(read(folder, "events.csv"), name) for name in ("broad", "strict"))
    ties, covariates = read(folder, "ties.csv"), read(folder, "covariates.csv")
    units = read(folder, "units.csv")
    lines = ["| table | rows |", "|---|---|"]
    for path in sorted(folder.glob("*.csv")):
        if path.name == "judgements.csv":
            continue  # written by hand, below notes of its own; see docs/monitor.md
        lines.append(f"| {path.name} | {len(read(folder, path.name))} |")

    kinds = Counter(row["kind"] for row in episodes).most_common()
    lines += [
        "",
        "| kind of episode | rows |",
        "|---|---|",
        *(f"| {kind} | {total} |" for kind, total in kinds),
    ]
    lines += [
        "",
        "| state | rows | spells, broad | left | spells, strict | left |",
        "|---|---|---|---|---|---|",
    ]
    for kind in KINDS:
        cells = [sum(map(kind.chosen, episodes))]
        for rows in (events, strict):
            mine = [row["state"] == kind.inside for row in rows if row["variable"] == kind.variable]
            cells += [sum(mine), len(mine) - sum(mine)]
        lines.append(f"| {kind.variable}={kind.inside} | " + " | ".join(map(str, cells)) + " |")

    lines += ["", "| layer | rows | pairs | weights | confidence |", "|---|---|---|---|---|"]
    for layer, total in Counter(row["layer"] for row in ties).items():
        rows = [row for row in ties if row["layer"] == layer]
        pairs = {(row["source"], row["target"]) for row in rows}
        weights = sorted({float(row["weight"]) for row in rows})
        span = f"{weights[0]:g}" if len(weights) == 1 else f"{weights[0]:g} to {weights[-1]:g}"
        lines.append(f"| {layer} | {total} | {len(pairs)} | {span} | {ratings(rows)} |")

    lines += ["", "| covariate | rows | units | lowest | highest | confidence |", "|---|---|---|---|---|---|"]
    for covariate in sorted({row["covariate"] for row in covariates}):
        rows = [row for row in covariates if row["covariate"] == covariate]
        values = [float(row["value"]) for row in rows]
        places = len({row["unit"] for row in rows})
        lines.append(
            f"| {covariate} | {len(rows)} | {places} | {min(values):g} | {max(values):g} | {ratings(rows)} |"
        )

    lines += ["", "| joined spell | first day | left | episodes |", "|---|---|---|---|"]
    lefts = [row for row in events if row["state"] in {kind.after for kind in KINDS}]
    for row in events:
        if "; " in row["episodes"] and row not in lefts:
            same = [other["time"] for other in lefts if other["episodes"] == row["episodes"]]
            parts = row["episodes"].replace(f"{row['unit']}-", "")
            left = same[0] if same else "not in the window"
            lines.append(f"| {row['unit']}, {row['variable']} | {row['time']} | {left} | {parts} |")

    return "\n".join([*lines, "", *remarks(units, episodes, events, ties, covariates)]) + "\n"


def remarks(
    units: Sequence[Row],
    episodes: Sequence[Row],
    events: Sequence[Row],
    ties: Sequence[Row],
    covariates: Sequence[Row],
) -> list[str]:
    """Return the counts on which the cautions in the documentation rest, one to a line."""
    republics = [row for row in episodes if row["kind"] == "soviet_republic"]
    entries = [row for row in events if row["state"] == "soviet"]
    chosen = [row for row in episodes if any(kind.chosen(row) for kind in KINDS)]
    one_day = [row for row in chosen if row["end"] == row["start"]]
    behind_army = [
        row
        for row in entries
        if any(
            tie["layer"] == "red_army" and tie["target"] == row["unit"] and in_force(tie, row["time"])
            for tie in ties
        )
    ]
    against_soviet = [
        tie
        for tie in ties
        if tie["layer"] == "intervention"
        and any(
            row["unit"] == tie["target"] and row["start"] <= tie["start"] <= (row["end"] or "9999")
            for row in republics
        )
    ]
    founded = {(row["unit"], row["time"]) for row in events if row["state"] == "communist"}
    splits = [row for row in covariates if row["covariate"] == "party_split" and float(row["value"]) > 0]
    on_founding = [row for row in splits if (row["unit"], row["start"]) in founded]
    first_day = min(row["enter"] for row in units)
    older = [row for row in splits if row["start"] < first_day]
    checked = sum(row["checked"] == "yes" for row in episodes)
    starts = Counter(row["start"] for row in episodes)
    shared = sum(number for number in starts.values() if number > 1)
    return [
        f"- units: {len(units)}; kinds: {tally(units, 'kind')}",
        f"- episodes by confidence: {ratings(episodes)}; by scope: {tally(episodes, 'scope')}",
        f"- episodes whose source was looked at while compiling: {checked} of {len(episodes)}",
        f"- episodes whose first day is shared with another's: {shared} of {len(episodes)}",
        f"- soviet republics (rows) by form: {tally(republics, 'form')}",
        f"- risings, mutinies and strikes by aim: {tally([row for row in episodes if row['aim']], 'aim')}",
        f"- soviet republics (rows) by scope: {tally(republics, 'scope')}; "
        f"by origin: {tally(republics, 'origin')}",
        f"- soviet republics (spells) by scope: {tally(entries, 'scope')}; "
        f"by origin: {tally(entries, 'origin')}",
        f"- episodes that end on their first day and are left a day later: {len(one_day)}",
        f"- events by confidence: {ratings(events)}",
        "- soviet republics (spells) that begin under a tie of red_army: "
        f"{len(behind_army)} of {len(entries)}; by origin: {tally(behind_army, 'origin')}",
        f"- interventions that begin while their target is soviet: {len(against_soviet)} "
        f"of {sum(row['layer'] == 'intervention' for row in ties)}",
        "- rows of party_split that begin on the day the party is founded: "
        f"{len(on_founding)} of {len(splits)}",
        f"- rows of party_split that begin before the window: {', '.join(row['unit'] for row in older)}",
    ]


def in_scope(events: Sequence[Row], scope: str) -> list[Row]:
    """Return the events of a reading of the record."""
    return [row for row in events if not row["scopes"] or scope in row["scopes"].split("; ")]


def in_force(tie: Row, day: str) -> bool:
    """Say whether an event of that day sees a tie: one that begins on the day itself is not seen."""
    return tie["start"] < day <= (date.fromisoformat(tie["end"]) + DAY).isoformat()


def tally(rows: Sequence[Row], column: str) -> str:
    found = Counter(row[column] for row in rows).most_common()
    return ", ".join(f"{value} {number}" for value, number in found)


def ratings(rows: Sequence[Row]) -> str:
    found = Counter(row["confidence"] for row in rows)
    return ", ".join(f"{level} {found[level]}" for level in CONFIDENCE if found[level])
