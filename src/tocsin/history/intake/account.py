"""The account of an intake: of each table the rows read, used and left out, and what became of the rest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from tocsin.history.history import History
    from tocsin.history.tables.frames import Raw

EXAMPLES = 3  # rows of each reason that the summary names


@dataclass
class Account:
    """What is noted while tables are read: how many rows each had, which are left out and why.

    Attributes:
        read: rows of each table as it came.
        left: (table, reason, rows from 0) of all that is left out; a row is counted under its first reason.
        notes: what else a reader should know, in sentences.
    """

    read: dict[str, int] = field(default_factory=dict)
    left: list[tuple[str, str, NDArray[np.int64]]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    _places: dict[str, NDArray[np.int64]] = field(default_factory=dict)

    def open(self, table: str, raw: Raw) -> None:
        """Note a table that is read; its empty rows are left out."""
        self.read[table] = raw.rows + len(raw.empty)
        self.leave(table, "an empty row", raw.empty)
        if raw.empty:
            self._places[table] = np.delete(np.arange(self.read[table]), raw.empty)

    def leave(self, table: str, reason: str, rows: Iterable[int] | NDArray[Any]) -> None:
        """Note rows (from 0) of a table that are left out."""
        found = np.asarray(rows if isinstance(rows, np.ndarray) else list(rows), np.int64)
        if table in self._places:
            found = self._places[table][found]
        for name, _, known in self.left:
            if name == table:
                found = np.setdiff1d(found, known)
        if len(found):
            self.left.append((table, reason, found))

    def note(self, sentence: str) -> None:
        """Note a sentence once."""
        if sentence not in self.notes:
            self.notes.append(sentence)


class Intake:
    """What became of the rows that a history was made of: ``print(history.intake)``.

    Rows read are rows used and rows left out, table by table, always.
    """

    def __init__(self, history: History, account: Account) -> None:
        self._history = history
        self._account = account

    @property
    def notes(self) -> list[str]:
        """What else a reader should know, in sentences."""
        return list(self._account.notes)

    @cached_property
    def rows(self) -> pd.DataFrame:
        """One row a table: table, read, used, left_out."""
        import pandas as pd

        out = dict.fromkeys(self._account.read, 0)
        for table, _, rows in self._account.left:
            out[table] += len(rows)
        read = self._account.read
        return pd.DataFrame(
            [(table, read[table], read[table] - lost, lost) for table, lost in out.items()],
            columns=["table", "read", "used", "left_out"],
        )

    @cached_property
    def left_out(self) -> pd.DataFrame:
        """One row for each row left out: table, row (from 1, the header not counted), reason."""
        import pandas as pd

        parts = [
            pd.DataFrame({"table": table, "row": rows + 1, "reason": reason})
            for table, reason, rows in self._account.left
        ]
        empty = pd.DataFrame({"table": [], "row": np.zeros(0, np.int64), "reason": []})
        return pd.concat(parts, ignore_index=True) if parts else empty

    @cached_property
    def without_ties(self) -> dict[str, list[str]]:
        """The units that no tie of a layer begins or ends at within the window, by layer."""
        numbers = self._history.numbers
        found = {}
        for layer, ties in numbers.ties.items():
            there = (ties.end > numbers.start) & (ties.start < numbers.end)
            tied = np.zeros(len(numbers.units), bool)
            tied[ties.source[there]] = tied[ties.target[there]] = True
            found[layer] = [numbers.units[place] for place in np.flatnonzero(~tied)]
        return found

    @cached_property
    def entry_states(self) -> pd.DataFrame:
        """The events that became states on entry, as they are dated at or before their unit's entry."""
        early = np.flatnonzero(self._history.numbers.early)
        events = self._history.events
        found = events.iloc[early] if len(events) else events
        return found[["unit", "variable", "state", "time"]].reset_index(drop=True)

    @cached_property
    def coverage(self) -> pd.DataFrame:
        """One row a unit: first and last time in the window, spells, time watched, events after entry."""
        import pandas as pd

        numbers = self._history.numbers
        clock = self._history._clock
        units = self._history.units[["unit", "enter", "exit"]]
        table = self._history.table("units")
        begin, finish = (
            np.clip(ends, clock.start, clock.end)
            for ends in (
                clock.begin(_times(table, "enter", clock)),
                clock.finish(_times(table, "exit", clock)),
            )
        )
        out = units.assign(watched=np.maximum(finish - begin, 0.0)).groupby("unit", sort=False)
        found = out.agg(
            first=("enter", "min"), last=("exit", "max"), spells=("enter", "size"), watched=("watched", "sum")
        )
        late = ~numbers.early
        counts = np.bincount(numbers.event_unit[late], minlength=len(numbers.units))
        events = pd.Series(counts, index=list(numbers.units))
        return found.assign(events=events.reindex(found.index).astype(int)).reset_index()

    def lines(self) -> list[str]:
        """The account in sentences."""
        history = self._history
        first, last = (history._clock.text(end) for end in (history._clock.first, history._clock.last))
        found = [f"{history.name}: {first} to {last}, clock {history.clock}"]
        for table, read, used, lost in self.rows.itertuples(index=False):
            found.append(f"{table}: {_count(read, 'row')} read, {used:,} used, {lost:,} left out")
            found += [
                f"  {_count(len(rows), 'row')} left out: {reason} ({_rows(rows)})"
                for name, reason, rows in self._account.left
                if name == table
            ]
        cover = self.coverage
        total = float(cover["watched"].sum())
        found.append(
            f"{_count(len(cover), 'unit')} watched for {total:,.10g} {_unit_of(history)} in all; "
            f"{_count(int(cover['events'].sum()), 'event')} after entry"
        )
        gaps = cover.loc[cover["spells"] > 1, "unit"].tolist()
        if gaps:
            found.append(f"{_count(len(gaps), 'unit')} watched with gaps: {some(gaps)}")
        entered = self.entry_states
        if len(entered):
            who = dict.fromkeys(entered["unit"])
            found.append(f"{_count(len(entered), 'event')} became states on entry: {some(who)}")
        for layer, units in self.without_ties.items():
            if units:
                found.append(f"{_count(len(units), 'unit')} without ties of {layer!r}: {some(units)}")
        return found + self.notes + [f"beware: {sentence}" for sentence in history.warnings]

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        from html import escape

        return f"<pre>{escape(str(self))}</pre>"


def _times(table: Any, column: str, clock: Any) -> NDArray[Any]:
    from tocsin.history.tables import frames

    values = table.column(column)
    return frames.to_numpy(values.cast("int32") if clock.dated else values)


def _unit_of(history: History) -> str:
    return {"day": "days", "month": "months", "year": "years", "step": "periods"}.get(
        history.clock, "units of time"
    )


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _rows(rows: NDArray[np.int64]) -> str:
    if len(rows) <= EXAMPLES:
        return f"row{'' if len(rows) == 1 else 's'} {', '.join(str(row + 1) for row in rows.tolist())}"
    return f"rows {', '.join(str(row + 1) for row in rows[:EXAMPLES].tolist())}, ..."


def some(names: Iterable[Any], most: int = 5) -> str:
    """Return the first names of many, and how many more there are."""
    found: Sequence[str] = [str(name) for name in names]
    more = f" and {len(found) - most:,} more" if len(found) > most else ""
    return ", ".join(found[:most]) + more


def account_of(raws: Mapping[str, Raw]) -> Account:
    """Return the account of tables that nobody has checked."""
    out = Account()
    for name, raw in raws.items():
        if raw.rows or raw.columns:
            out.open(name, raw)
    return out
