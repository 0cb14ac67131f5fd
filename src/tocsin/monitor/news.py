"""News: rows of events as they come in, beside what the record has: new, known, late, or against it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tocsin.errors import HistoryError, Problem
from tocsin.history.edtf import read_edtf
from tocsin.history.tables.frames import read_csv
from tocsin.history.tables.schema import EVENTS, REPORTED, Report, check_columns, check_look_alikes
from tocsin.history.time import read_time

if TYPE_CHECKING:
    from tocsin.history.time import Clock

Key = tuple[str, str]


@dataclass(frozen=True)
class Entry:
    """One event as it was written.

    Attributes:
        cells: what the row says by column; columns where it says nothing are left out.
        file, line: where it stands.
        first, last: clock numbers between which it lies.
        number: of the event in the record, None for news.
    """

    cells: Mapping[str, str]
    file: str
    line: int
    first: float
    last: float
    number: int | None = None

    @property
    def key(self) -> Key:
        """Return unit and variable."""
        return self.cells["unit"], self.cells["variable"]

    @property
    def moment(self) -> tuple[float, float, str, str]:
        """Return what two rows share that speak of one event."""
        return self.first, self.last, self.cells.get("sequence", ""), self.cells.get("coding", "")

    def says(self, other: Entry) -> bool:
        """Return whether another row says the same; when it was reported is no part of it."""
        return _told(self.cells) == _told(other.cells)

    def __str__(self) -> str:
        return " ".join(self.cells[name] for name in ("unit", "variable", "state", "time"))


@dataclass(frozen=True)
class Orders:
    """What may follow on what: the states of units before their first events, and the variables that may recur."""

    initial: Mapping[str, Mapping[str, str]]
    recurrent: frozenset[str]

    def coherent(self, entries: Iterable[Entry]) -> bool:
        """Return whether the events of one unit and variable each enter another state than the one before."""
        state: str | None = None
        ordered = sorted(entries, key=lambda each: (each.last, each.first, each.moment[2]))
        for place, each in enumerate(ordered):
            unit, variable = each.key
            if variable in self.recurrent:
                return True
            before = self.initial.get(variable, {}).get(unit) if place == 0 else state
            if before == each.cells["state"]:
                return False
            state = each.cells["state"]
        return True


@dataclass
class News:
    """What a file of events brought.

    Attributes:
        added: events that the record did not have.
        known: how many rows say what the record has.
        against: rows that contradict the record, with the reason; the record stands.
        replaced: events of the record with the rows that took their place, by request.
    """

    added: list[Entry] = field(default_factory=list)
    known: int = 0
    against: list[tuple[Entry, str]] = field(default_factory=list)
    replaced: list[tuple[Entry, Entry]] = field(default_factory=list)


def read_rows(path: Path, clock: Clock) -> list[Entry]:
    """Read a CSV of events as it is written.

    Raises:
        HistoryError: the file cannot be read, a column is missing, or a time is none.
    """
    report = Report()
    raw = read_csv(path, report)
    if raw.sound and check_columns(raw, EVENTS, (), report):
        check_look_alikes(raw, EVENTS, EVENTS.known, report)
    report.raise_if_any(str(path))
    entries: list[Entry] = []
    for row in range(raw.rows):
        told = {name: raw.value(name, row) for name in raw.columns}
        cells = {name: text.strip() for name, text in told.items() if text is not None and text.strip()}
        lacking = [name for name in EVENTS.required if name not in cells]
        if lacking:
            report.rows(raw, [row], lacking[0], "nothing stands here")
            continue
        try:
            entries.append(Entry(cells, path.name, raw.line(row), *span(cells, clock)))
        except ValueError as error:
            report.rows(raw, [row], "time", f"no time: {error}")
    report.raise_if_any(str(path))
    return entries


def span(cells: Mapping[str, str], clock: Clock) -> tuple[float, float]:
    """Return the clock numbers between which an event lies; raise ValueError where that is no time."""
    time = cells["time"]
    found = read_edtf(time, clock.name) if clock.dated else None
    first, last = found[:2] if found is not None else (time, time)
    return read_time(first, clock), read_time(cells.get("time_latest", last), clock)


def sorted_news(new: Sequence[Entry], known: Sequence[Entry], courses: Orders, take_new: bool) -> News:
    """Return what rows bring to a record.

    A row that the record has is known. One that says otherwise of an event that it has, or that does not follow from
    what stands before and after it, goes against the record, which stands; with `take_new` the row takes the place of
    the event that it differs from.
    """
    news = News()
    have: dict[Key, list[Entry]] = {}
    for each in known:
        have.setdefault(each.key, []).append(each)
    groups: dict[Key, list[Entry]] = {}
    for each in new:
        groups.setdefault(each.key, []).append(each)
    for key, rows in groups.items():
        _sort(news, rows, have.get(key, []), courses, take_new)
    return news


def _sort(news: News, rows: Sequence[Entry], have: list[Entry], courses: Orders, take_new: bool) -> None:
    fresh: list[Entry] = []
    swapped: list[tuple[Entry, Entry]] = []
    for row in rows:
        same = next((each for each in [*have, *fresh] if each.moment == row.moment), None)
        if same is None:
            fresh.append(row)
        elif same.says(row):
            news.known += 1
        elif take_new and same.number is not None and all(same is not old for old, _ in swapped):
            swapped.append((same, row))
        else:
            news.against.append((row, _differs(same, row)))
    gone = {id(old) for old, _ in swapped}
    after = [each for each in have if id(each) not in gone] + [row for _, row in swapped]
    if courses.coherent([*after, *fresh]):
        news.added += fresh
        news.replaced += swapped
        return
    news.against += [(row, f"would leave no course of events in place of “{old}”") for old, row in swapped]
    kept = list(have)
    for row in sorted(fresh, key=lambda each: each.last):
        if courses.coherent([*kept, row]):
            kept.append(row)
            news.added.append(row)
        else:
            news.against.append((row, _unfit(row, kept)))


def _differs(old: Entry, row: Entry) -> str:
    if old.cells["state"] != row.cells["state"]:
        return f"the record has “{old}” at this time"
    one, other = _told(old.cells), _told(row.cells)
    names = [name for name in sorted({*one, *other}) if one.get(name) != other.get(name)]
    return f"the record has this event with another {', '.join(names)}"


def _unfit(row: Entry, kept: Sequence[Entry]) -> str:
    earlier = [each for each in kept if each.last <= row.last]
    later = [each for each in kept if each.last > row.last]
    said = []
    if earlier:
        said.append(f"before it stands “{max(earlier, key=lambda each: each.last)}”")
    if later:
        said.append(f"after it stands “{min(later, key=lambda each: each.last)}”")
    beside = "; ".join(said) or "that is where the unit begins"
    return f"a move into the state that is held already, or that comes next: {beside}"


def _told(cells: Mapping[str, str]) -> dict[str, str]:
    return {name: text for name, text in cells.items() if name != REPORTED}


def refuse_ahead(rows: Sequence[Entry], cut: float, lag: float, as_of: object) -> None:
    """Refuse events that lie after the day of a bulletin; raise HistoryError."""
    told = f"this lies after {as_of}, the day of the bulletin: give a later day, or leave it to a later file"
    ahead = [
        Problem(each.file, each.line, "time", each.cells["time"], told)
        for each in rows
        if each.last + lag > cut
    ]
    if ahead:
        raise HistoryError(ahead, ahead[0].file)
