"""What is wrong with a ledger: by itself, and against the worlds that it is to value. Everything, in one go."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tocsin.errors import ModelError, TocsinError, listed, suggestion
from tocsin.states import parse_clause

if TYPE_CHECKING:
    from tocsin.ensemble.frame import Frame
    from tocsin.ledger.ledger import Clause, Ledger, Stock

CONFIDENCE = ("high", "medium", "low", "unrated")

PLACE = "place"  # in a condition: the place of each stock


def problems_of(ledger: Ledger) -> list[str]:
    """Return everything that is wrong with a ledger by itself."""
    found: list[str] = []
    names = list(ledger.names())
    seen: set[tuple[str, str | None]] = set()
    for stock in ledger.stocks:
        what = f"stock {stock.name!r}" + (f" in {stock.place!r}" if stock.place else "")
        if (stock.name, stock.place) in seen:
            found.append(f"{what}: declared twice")
        seen.add((stock.name, stock.place))
        found += _of_stock(stock, what)
    moved: dict[str, str] = {}
    for treaty in ledger.treaties:
        what = f"treaty {treaty.name!r}"
        if treaty.at is None and treaty.when is None:
            found.append(f"{what}: say when it moves stocks: at = a date, or when = a condition")
        if not treaty.stocks:
            found.append(f"{what}: it moves no stocks")
        found += _unknown(what, treaty.stocks, names) + _condition(what, treaty.when)
        for name in treaty.stocks:
            if name in moved:
                found.append(
                    f"{what}: the stock {name!r} is already moved by {moved[name]!r}; make it two stocks"
                )
            moved[name] = treaty.name
    for clause in ledger.clauses:
        found += _of_clause(clause, ledger, names, moved)
    for kind in ("treaties", "clauses", "facts"):
        listed = [each.name for each in getattr(ledger, kind)]
        found += [
            f"{kind}: {name!r} is named twice" for name in dict.fromkeys(listed) if listed.count(name) > 1
        ]
    for fact in ledger.facts:
        found += _confidence(f"fact {fact.name!r}", fact.confidence)
    return found


def _of_stock(stock: Stock, what: str) -> list[str]:
    found = _number(f"{what}: amount", stock.amount)
    for rival in stock.rivals:
        if rival.low is not None or rival.high is not None:
            ends = [
                fault
                for end in (rival.low, rival.high)
                for fault in _number(f"{what}: the rival figure {rival.text!r}", end)
            ]
            if not ends and rival.low > rival.high:  # type: ignore[operator]
                ends = [f"{what}: the rival figure {rival.text!r} has low {rival.low} and high {rival.high}"]
            found += ends
    if stock.whole is not None and not found:
        found = _number(f"{what}: whole", stock.whole)
        if not found and stock.whole < stock.high:
            found = [f"{what}: whole, {stock.whole!r}, is less than a figure of the part, {stock.high!r}"]
    return found + _confidence(what, stock.confidence)


def _of_clause(clause: Clause, ledger: Ledger, names: Sequence[str], moved: Mapping[str, str]) -> list[str]:
    what = f"clause {clause.name!r}"
    found = _unknown(what, clause.stocks, names) + _condition(what, clause.when)
    found += [
        f"{what}: no treaty moves the stock {name!r}"
        for name in clause.stocks
        if name in names and name not in moved
    ]
    if clause.when is None and clause.at is None:
        found.append(f"{what}: say when it gives back: when = a condition, or at = a date")
    if clause.at is not None and clause.by is not None:
        found.append(f"{what}: give at or by, not both")
    found += _number(f"{what}: lasting", clause.lasting)
    if clause.placed:
        lies = {stock.name for stock in ledger.stocks if stock.place is None}
        found += [
            f"{what}: the stock {name!r} lies in no place" for name in clause.stocks or moved if name in lies
        ]
    return found


def _number(what: str, value: Any) -> list[str]:
    """Return what is wrong with a number of at least 0."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        return [f"{what} is a number, not {value!r}"]
    return [] if 0 <= value < math.inf else [f"{what} must be at least 0, not {value!r}"]


def refuse(found: Sequence[str], where: str, error: type[TocsinError] = ModelError) -> None:
    """Raise an error that lists every problem, if there is any."""
    if found:
        raise error(listed(where, found))


def split_condition(text: str) -> tuple[tuple[str, ...], str]:
    """Return the units and the clause of ``germany|bavaria regime=soviet``; raise ModelError if unreadable."""
    units, _, clause = text.strip().partition(" ")
    named = tuple(unit for unit in units.split("|") if unit)
    if not named or "=" in units or "=" not in clause:
        raise ModelError(f"cannot read the condition {text!r}: write it as 'germany regime=soviet'")
    return named, clause.strip()


def problems_in(ledger: Ledger, frame: Frame) -> list[str]:
    """Return the units, variables, states and dates of a ledger that worlds do not have."""
    found: list[str] = []

    def unit(what: str, name: str | None) -> None:
        if name is not None and name not in frame.units:
            found.append(f"{what}: there is no unit {name!r}" + suggestion(name, frame.units))

    def time(what: str, value: Any) -> None:
        if value is None:
            return
        try:
            frame.grid([value])
        except TocsinError as error:
            found.append(f"{what}: {error}")

    def condition(what: str, text: str | None) -> None:
        if text is None:
            return
        units, clause = split_condition(text)
        for name in units:
            if name != PLACE:
                unit(what, name)
        try:
            parse_clause(clause, {variable.name: variable for variable in frame.variables})
        except ModelError as error:
            found.append(f"{what}: {error}")

    for stock in ledger.stocks:
        what = f"stock {stock.name!r}"
        unit(what, stock.holder)
        unit(what, stock.place)
    for treaty in ledger.treaties:
        what = f"treaty {treaty.name!r}"
        unit(what, treaty.taker)
        time(what, treaty.at)
        condition(what, treaty.when)
    for clause in ledger.clauses:
        what = f"clause {clause.name!r}"
        time(what, clause.by)
        time(what, clause.at)
        condition(what, clause.when)
    return list(dict.fromkeys(found))


def _confidence(what: str, value: str) -> list[str]:
    if value in CONFIDENCE:
        return []
    return [f"{what}: the confidence {value!r} is unknown" + suggestion(str(value), CONFIDENCE)]


def _unknown(what: str, used: Sequence[str], names: Sequence[str]) -> list[str]:
    return [
        f"{what}: there is no stock {name!r}" + suggestion(name, names) for name in used if name not in names
    ]


def _condition(what: str, text: str | None) -> list[str]:
    if text is None:
        return []
    try:
        split_condition(text)
    except ModelError as error:
        return [f"{what}: {error}"]
    return []
