"""Attribution in a terminal: sums with their intervals, what set off most, one unit's events, and the tree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
from rich.console import Console
from rich.text import Text
from rich.tree import Tree as Drawing

from tocsin.attribution.attribution import cautions, names_of
from tocsin.history.describe import short_labels
from tocsin.report.terminal import console, frame_table
from tocsin.wording.numbers import counted

if TYPE_CHECKING:
    from tocsin.attribution.attribution import Attribution
    from tocsin.history.history import History
    from tocsin.model.model import Model

SUMS = {
    "transition": ["transition", "cause"],
    "layer": ["layer"],
    "source": ["source"],
    "period": ["period", "layer"],
}

TOP = 10  # sources and events that set off most

MANY = 30  # rows of a table by source; the rest is in the files of --out

CLEAR = 12  # lines of one event

WEAK = 0.5  # support below which a parent is told to be weak: another is as likely


def refuse_unknown(history: History, model: Model, unit: str | None, transition: str | None) -> None:
    """Refuse a unit or a transition that does not exist, before anything is fitted."""
    moves = [move.name for move in model.transitions]
    for kind, name, known in (("unit", unit, history.numbers.units), ("transition", transition, moves)):
        if name is not None:
            names_of(kind, name, list(known))


def print_attribution(
    attribution: Attribution,
    unit: str | None = None,
    transition: str | None = None,
    by: str | None = None,
    tree: bool = False,
) -> None:
    """Print an attribution.

    Parameters:
        unit, transition: only the events of this unit, or of this transition.
        by: only the sums by transition, layer, source or period.
        tree: the consensus tree, beside what else is asked for.

    Raises:
        TocsinError: there is no such unit or transition.
    """
    page = console()
    chosen = attribution.select(transition, unit)
    if not len(chosen.causes):
        about = " of ".join(name for name in (transition, unit) if name is not None)
        page.print(f"{f'{about}: ' if about else ''}no event that the model explains", markup=False)
        return
    if by is not None:
        _print_sums(page, chosen, by)
    elif unit is not None:
        _print_events(page, chosen)
    elif not tree:
        _print_sums(page, chosen, "transition")
        if len(chosen.sources):
            _print_sums(page, chosen, "source", TOP)
            _print_offspring(page, chosen)
    if tree:
        _print_tree(page, chosen)
    for note in cautions(chosen):
        page.print(f"{note[0].upper()}{note[1:]}.", markup=False)


def _interval(lower: float, upper: float, digits: int = 2) -> str:
    return "" if pd.isna(lower) else f"{lower:.{digits}f} to {upper:.{digits}f}"


def _level(attribution: Attribution) -> str:
    return f"{100 * attribution.level:g}% interval"


def _print_sums(page: Console, attribution: Attribution, by: str, most: int = MANY) -> None:
    keys = SUMS[by]
    table = attribution.total(keys)
    if by == "source":
        table = table[table["source"].notna()]
    titles = {
        "transition": "How many events each cause explains, by its shares of their hazard",
        "layer": "How many events each layer explains",
        "source": "The units that set off most: events explained, in all layers",
        "period": "How many events each layer explains, by period",
    }
    if not len(table):
        page.print("All comes from home: no event has a source.", markup=False)
        return
    shown = table.head(most) if by == "source" else table
    called = short_labels(attribution.history) if by == "source" else {}
    columns = {
        key: ["(home)" if pd.isna(name) else called.get(str(name), str(name)) for name in shown[key]]
        for key in keys
    }
    listed = pd.DataFrame(
        {
            **columns,
            "events explained": [f"{value:.1f}" for value in shown["events explained"]],
            _level(attribution): [
                _interval(*pair, 1) for pair in zip(shown["lower"], shown["upper"], strict=True)
            ],
            "events caused": [
                _interval(*pair, 0) for pair in zip(shown["caused lower"], shown["caused upper"], strict=True)
            ],
            "of": shown["events"].to_numpy(),
            "share": [f"{value:.2f}" for value in shown["share"]],
            "interval": [
                _interval(*pair) for pair in zip(shown["share lower"], shown["share upper"], strict=True)
            ],
        }
    )
    if by == "source":
        listed = listed[listed.columns[:4]]
    _print_table(page, listed, attribution, titles[by], len(keys))
    if len(table) > len(shown):
        page.print(f"{counted(len(table) - len(shown), 'source')} more set off less.", markup=False)


def _print_table(
    page: Console, listed: pd.DataFrame, attribution: Attribution, title: str, names: int
) -> None:
    """Print a table, its first columns names and the others numbers; without intervals where there are none."""
    if not attribution.draws:
        drawn = (_level(attribution), "events caused", "interval")
        listed = listed.drop(columns=[name for name in drawn if name in listed])
    last = [name for name in ("interval", "share", "of", "events caused") if name in listed]
    page.print(frame_table(listed, title, last, names))


def _when(row: Any, attribution: Attribution, name: str = "") -> str:
    """Return the date of an event (or of a source's), as fine as the clock is, or its time."""
    date = row.get(f"{name}date")
    if date is not None:
        fine = {"month": 7, "year": 4}.get(attribution.history.clock, 10)
        return "" if pd.isna(date) else str(date.date())[:fine]
    time = row.get(f"{name}time")
    return "" if time is None or pd.isna(time) else f"{time:g}"


def _print_offspring(page: Console, attribution: Attribution) -> None:
    table = attribution.offspring()
    top = (
        table[table["sends"].astype(bool)].sort_values("offspring", ascending=False, kind="stable").head(TOP)
    )
    rows, units = top.to_dict("records"), short_labels(attribution.history)
    listed = pd.DataFrame(
        {
            "event": [f"{units[str(row['unit'])]}, {row['variable']}: {row['to']}" for row in rows],
            "since": [_when(row, attribution) or "on entry" for row in rows],
            "set off": [f"{row['offspring']:.1f}" for row in rows],
            _level(attribution): [_interval(row["lower"], row["upper"], 1) for row in rows],
        }
    )
    title = "The events that set off most: expected offspring (reproduction number)"
    _print_table(page, listed, attribution, title, 2)


def _print_events(page: Console, attribution: Attribution) -> None:
    causes, arcs, units = attribution.causes, attribution.parents, short_labels(attribution.history)
    for event, rows in causes.groupby("event", sort=False):
        head = rows.iloc[0]
        found = [
            (each["cause"], "at home", *_share(each))
            for each in rows[rows["layer"].isna()].to_dict("records")
        ]
        mine = arcs[arcs["event"] == event].sort_values("share", ascending=False, kind="stable")
        for each in mine[: _clear(mine["share"])].to_dict("records"):
            since = _when(each, attribution, "source_") or "entry"
            found.append(
                (
                    each["cause"],
                    f"{units[str(each['source'])]}, {each['source_state']} since {since}",
                    *_share(each),
                )
            )
        listed = pd.DataFrame(
            {
                "cause": [row[0] for row in found],
                "from": [row[1] for row in found],
                "share": [f"{row[2]:.2f}" for row in found],
                _level(attribution): [_interval(row[3], row[4]) for row in found],
            }
        )
        where = units[str(head["unit"])]
        title = f"{_when(head, attribution)} {where}, {head['variable']}: {head['from']} > {head['to']}"
        _print_table(page, listed, attribution, title, 2)
        rest = mine["share"][_clear(mine["share"]) :]
        if len(rest):
            page.print(f"and {counted(len(rest), 'weaker source')}, {rest.sum():.3f} together", markup=False)


def _clear(shares: pd.Series[Any]) -> int:
    """Return how many shares of a falling row are worth a line: those that do not round to nothing."""
    return int(min((shares >= 0.005).sum(), CLEAR))


def _share(row: dict[Any, Any]) -> tuple[float, float, float]:
    return row["share"], row["lower"], row["upper"]


def _print_tree(page: Console, attribution: Attribution) -> None:
    """Print the consensus tree as families; events from home that set off nothing in it are counted."""
    table, units = attribution.tree().table, short_labels(attribution.history)
    known = {row["event"]: row for row in attribution.events.to_dict("records")}
    children: dict[Any, list[dict[Any, Any]]] = {}
    for row in table.to_dict("records"):
        if row["kind"] == "home":
            parent: Any = "home"
        elif row["kind"] == "event":
            parent = row["parent_event"]
        else:
            parent = (row["parent"], row["parent_state"], _when(row, attribution, "parent_"))
        children.setdefault(parent, []).append(row)
    explained = set(table["event"])
    drawing = Drawing(
        Text("The consensus tree: each event below its likeliest parent, with the support of that")
    )

    def grow(branch: Drawing, row: dict[Any, Any]) -> None:
        told = f"{_when(row, attribution)} {units[str(row['unit'])]}, {row['variable']}: {row['to']}"
        through = "home" if row["kind"] == "home" else row["layer"]
        span = _interval(row["lower"], row["upper"])
        weak = ", weak" if row["support"] < WEAK else ""
        support = f"{row['support']:.2f}{f' ({span})' if span else ''}{weak}"
        line = Text(told).append(f"  {through} {support}", style="dim" if weak else "")
        inner = branch.add(line)
        for child in children.get(row["event"], []):
            grow(inner, child)

    lone = 0
    for row in children.get("home", []):
        if row["event"] in children:
            grow(drawing, row)
        else:
            lone += 1
    for parent in [key for key in children if key != "home" and key not in explained]:
        if isinstance(parent, tuple):
            told = f"{parent[2] or 'on entry'} {units[str(parent[0])]}, {parent[1]}"
        else:
            event = known[parent]
            told = (
                f"{_when(event, attribution)} {units[str(event['unit'])]}, {event['variable']}: {event['to']}"
            )
        inner = drawing.add(Text(told).append("  not explained here", style="dim"))
        for child in children[parent]:
            grow(inner, child)
    page.print(drawing)
    if lone:
        page.print(
            f"Not shown: {counted(lone, 'event')} from home that set off nothing in this tree.", markup=False
        )
