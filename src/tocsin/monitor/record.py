"""The record of a monitor: a DuckDB file that holds every event and bulletin, and a history written from it.

DuckDB's transactions keep what was committed, whatever stops the process; the folder `record` beside the file is
written from it, whole, and written again where a stopped process left it behind.
"""

from __future__ import annotations

import csv
import datetime
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tomli_w

from tocsin.errors import HistoryError, Problem, TocsinError
from tocsin.files.reading import read_toml
from tocsin.files.whole import write_whole
from tocsin.history.history import load_history
from tocsin.history.tables.schema import EVENTS, REPORTED, Report
from tocsin.history.time import EPOCH, number_text
from tocsin.history.toml import read_head
from tocsin.monitor.news import Entry, News, Orders, read_rows, span

if TYPE_CHECKING:
    from tocsin.history.history import History
    from tocsin.history.time import Clock

FILE, RECORD, HEAD = "monitor.duckdb", "record", "history.toml"

_TABLES = """
CREATE TABLE IF NOT EXISTS about (key VARCHAR PRIMARY KEY, value VARCHAR NOT NULL);
CREATE TABLE IF NOT EXISTS events (number INTEGER PRIMARY KEY, unit VARCHAR NOT NULL, variable VARCHAR NOT NULL,
    state VARCHAR NOT NULL, time VARCHAR NOT NULL, cells VARCHAR NOT NULL, file VARCHAR NOT NULL,
    line INTEGER NOT NULL, received VARCHAR, late BOOLEAN NOT NULL);
CREATE TABLE IF NOT EXISTS against (number INTEGER PRIMARY KEY, received VARCHAR NOT NULL, what VARCHAR NOT NULL,
    why VARCHAR NOT NULL, cells VARCHAR NOT NULL, file VARCHAR NOT NULL, line INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS bulletins (cut DOUBLE PRIMARY KEY, horizon_end DOUBLE NOT NULL, as_of VARCHAR NOT NULL,
    content VARCHAR NOT NULL, parameters VARCHAR NOT NULL);
CREATE TABLE IF NOT EXISTS forecasts (cut DOUBLE, unit VARCHAR, probability DOUBLE, lower DOUBLE, upper DOUBLE);
CREATE TABLE IF NOT EXISTS counts (cut DOUBLE, entries INTEGER, worlds INTEGER);
"""

ORDER = (*EVENTS.required, "time_latest", "sequence", "coding", REPORTED)


class Record:
    """An open record; who opens it holds the folder's lock.

    Attributes:
        folder: of the monitor.
    """

    def __init__(self, folder: Path, connection: Any) -> None:
        self.folder, self._connection = folder, connection

    @staticmethod
    @contextmanager
    def opened(folder: Path) -> Iterator[Record]:
        """Open the DuckDB file of a folder, which is made if need be.

        Raises:
            TocsinError: it cannot be opened or written, or is no DuckDB file.
        """
        import duckdb

        path = folder / FILE
        try:
            with duckdb.connect(str(path)) as connection:
                connection.execute(_TABLES)
                yield Record(folder, connection)
        except duckdb.Error as error:
            said = str(error).splitlines()[0]
            raise TocsinError(f"{path}: DuckDB cannot read or write it: {said}") from None

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Keep all changes of a block, or none."""
        self._connection.begin()
        try:
            yield
            self._connection.commit()
        except BaseException:
            self._roll_back()
            raise

    def _roll_back(self) -> None:
        import contextlib

        import duckdb

        with contextlib.suppress(duckdb.Error):  # a failed commit has rolled back already
            self._connection.rollback()

    def ask(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a question in SQL."""
        rows: list[tuple[Any, ...]] = self._connection.execute(query, list(values)).fetchall()
        return rows

    def put(self, table: str, rows: Sequence[Sequence[Any]]) -> None:
        """Add rows to a table."""
        if rows:
            marks = ", ".join("?" * len(rows[0]))
            self._connection.executemany(
                f"INSERT INTO {table} VALUES ({marks})", [list(each) for each in rows]
            )

    # --- what it is about

    def about(self, key: str) -> Any:
        """Return what was kept under a word, None for nothing."""
        found = self.ask("SELECT value FROM about WHERE key = ?", [key])
        return json.loads(found[0][0]) if found else None

    def keep(self, **values: Any) -> None:
        """Keep values under words."""
        for key in values:
            self.ask("DELETE FROM about WHERE key = ?", [key])
        self.put("about", [(key, json.dumps(value)) for key, value in values.items()])

    @property
    def path(self) -> Path:
        """Return the folder of the history."""
        return self.folder / RECORD

    @cached_property
    def clock(self) -> Clock:
        """Return the clock of the history."""
        report = Report()
        head = read_head(self.path / HEAD, report)
        report.raise_if_any(str(self.path))
        assert head is not None
        return head.clock

    def label(self, cut: float) -> str:
        """Return the day, period or number of a clock number."""
        clock = self.clock
        return str(_day(clock, cut - clock.lag)) if clock.dated else number_text(cut)

    @property
    def courses(self) -> Orders:
        """Return the states on entry and what may recur."""
        return Orders(self.about("initial"), frozenset(self.about("recurrent")))

    def begin(self, history: History, events: bool, **asked: Any) -> None:
        """Write a history beside the file and take its events over, or none of them; keep what is to be asked."""
        history.write(self.path)
        self.__dict__.pop("clock", None)
        _open_ended(self.path, str(history.window[1]) if history.dated else f"{history.window[1]:.17g}")
        numbers = history.numbers
        initial = {
            each.name: {
                unit: each.states[int(code)]
                for unit, code in zip(numbers.units, numbers.initial[each.name], strict=True)
            }
            for each in history.variables
        }
        rows = read_rows(self.path / "events.csv", self.clock) if events else []
        with self.changing():
            recurrent = [each.name for each in history.variables if each.recurrent]
            self.keep(initial=initial, recurrent=recurrent, asked=asked)
            self.add(News(added=rows), None)

    # --- events

    def entries(self) -> list[Entry]:
        """Return the events of the record."""
        rows = self.ask("SELECT number, cells, file, line FROM events ORDER BY number")
        found = [(number, json.loads(cells), file, line) for number, cells, file, line in rows]
        return [Entry(cells, file, line, *span(cells, self.clock), n) for n, cells, file, line in found]

    def add(self, news: News, as_of: str | None, late: float | None = None) -> int:
        """Add news to the record, marked as reported late where a bulletin could have known it; return how many were.

        Parameters:
            as_of: the day on which they came; None for what the record began with.
            late: clock number of the last bulletin.
        """
        for old, row in news.replaced:
            self._note(old, as_of or "", "replaced", f"by {row.file}, line {row.line}")
            self.ask("DELETE FROM events WHERE number = ?", [old.number])
        begin, day = self.ask("SELECT coalesce(max(number), 0) + 1 FROM events")[0][0], as_of or ""
        rows, count = [], 0
        for number, each in enumerate([*news.added, *(row for _, row in news.replaced)], begin):
            is_late = late is not None and each.last + self.clock.lag <= late
            count += is_late
            cells = {REPORTED: day, **each.cells} if is_late else dict(each.cells)
            told = [cells[name] for name in EVENTS.required]
            rows.append((number, *told, _json(cells), each.file, each.line, as_of, is_late))
        self.put("events", rows)
        for each, why in news.against:
            self._note(each, as_of or "", "against", why)
        return count

    def _note(self, entry: Entry, as_of: str, what: str, why: str) -> None:
        cells = _json(entry.cells)
        if self.ask("SELECT 1 FROM against WHERE cells = ? AND what = ?", [cells, what]):
            return
        number = self.ask("SELECT coalesce(max(number), 0) + 1 FROM against")[0][0]
        self.put("against", [(number, as_of, what, why, cells, entry.file, entry.line)])

    # --- the history

    def history(self, last: float | None = None) -> History:
        """Write the record as a history, its window reaching at least to a clock number, and read it.

        Raises:
            HistoryError: an event that the history cannot hold, by the file and line from which it came.
        """
        rows = self.ask("SELECT cells, file, line FROM events ORDER BY number")
        text, lines = _as_csv([json.loads(cells) for cells, _, _ in rows])
        self._write("events.csv", text)
        self._write(HEAD, self._head(last))
        try:
            return load_history(self.path)
        except HistoryError as error:
            places = {line: (file, at) for line, (_, file, at) in zip(lines, rows, strict=True)}
            raise HistoryError([_placed(each, places) for each in error.problems], str(self.folder)) from None

    def _write(self, name: str, text: str) -> None:
        path = self.path / name
        if not path.is_file() or path.read_bytes() != text.encode():
            write_whole(path, text)

    def _head(self, last: float | None) -> str:
        head = read_toml(self.path / HEAD)
        clock = self.clock
        if last is not None and last > clock.number(clock.last) + clock.lag:
            end: Any = last
            if clock.dated:
                end = _day(clock, last - clock.lag)
            head["window"] = [head["window"][0], end]
            self.__dict__.pop("clock", None)
        return tomli_w.dumps(head, multiline_strings=False)


def _day(clock: Clock, number: float) -> datetime.date:
    return datetime.date.fromordinal(EPOCH + int(clock.days(number)))


def _placed(problem: Problem, places: Mapping[int, tuple[str, int]]) -> Problem:
    if problem.file != "events.csv" or problem.line is None or problem.line not in places:
        return problem
    file, line = places[problem.line]
    return replace(problem, file=file, line=line)


def _json(cells: Mapping[str, str]) -> str:
    return json.dumps(dict(cells), sort_keys=True, ensure_ascii=False)


def _as_csv(rows: Sequence[Mapping[str, str]]) -> tuple[str, list[int]]:
    """Return events as CSV, and the line on which each begins."""
    named = dict.fromkeys(name for each in rows for name in each)
    columns = [name for name in ORDER if name in named or name in EVENTS.required]
    columns += sorted(name for name in named if name not in columns)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    lines, line = [], 2
    for each in rows:
        lines.append(line)
        cells = [each.get(name, "") for name in columns]
        writer.writerow(cells)
        line += 1 + sum(cell.count("\n") for cell in cells)
    return text.getvalue(), lines


def _open_ended(folder: Path, last: str) -> None:
    """Leave the ends open that say no more than where the record ended: it goes on, and they with it."""
    for name, column in (("units", "exit"), ("ties", "end"), ("covariates", "end")):
        path = folder / f"{name}.csv"
        if not path.is_file():
            continue
        rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"))))
        if not rows or column not in rows[0]:
            continue
        place = rows[0].index(column)
        for row in rows[1:]:
            row[place] = "" if row[place] == last else row[place]
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(rows)
        write_whole(path, text.getvalue())
