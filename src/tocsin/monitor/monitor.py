"""The monitor: one step takes news in, fits anew, forecasts and keeps a bulletin; a replay takes many, as if live."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tocsin.errors import TocsinError, check_whole
from tocsin.files.locks import alone
from tocsin.files.whole import to_json
from tocsin.forecasts.forecast import check_asked
from tocsin.history.tables.schema import REPORTED
from tocsin.history.time import read_time
from tocsin.model.followed_state import wave_of
from tocsin.model.model import Model
from tocsin.monitor.bulletin import changed, expected, kept_rows, past_scores, rises, support_of
from tocsin.monitor.news import Entry, read_rows, refuse_ahead, sorted_news
from tocsin.monitor.record import FILE, Record

if TYPE_CHECKING:
    from tocsin.history.history import History
    from tocsin.history.time import Clock

Progress = Callable[[str, int, int], None]

AHEAD = {"day": 90.0, "month": 3.0}  # the horizon, unless one is asked for


@contextmanager
def opened(folder: Path, begun: bool = True) -> Iterator[Record]:
    """Open the record of a monitor, with nobody else at it.

    Parameters:
        begun: whether there must be one.

    Raises:
        TocsinError: another process is at it, it cannot be read or written, or there is none.
    """
    if begun and not (folder / FILE).is_file():
        raise TocsinError(
            f"{folder}: there is no monitor here; begin one with `tocsin monitor {folder} --history HISTORY`"
        )
    with alone(folder, "monitoring"), Record.opened(folder) as record:
        if begun and record.about("asked") is None:
            raise TocsinError(
                f"{folder}: the monitor was stopped while it was begun; begin it again with --history HISTORY"
            )
        yield record


def begin(
    record: Record,
    history: History,
    model: Path | None = None,
    wave: str | None = None,
    horizon: float | None = None,
    worlds: int = 500,
    seed: int = 1917,
    events: bool = True,
) -> None:
    """Begin a monitor with a history.

    Parameters:
        model: a model in TOML, instead of the history's own.
        wave: the state to forecast, such as ``regime=soviet``; by default the model's own.
        horizon: how far bulletins look ahead, in units of the clock; 90 days, 3 months, or a tenth of the record.
        worlds, seed: of each forecast.
        events: whether the record begins with the history's events; a replay begins without.

    Raises:
        TocsinError: there is a monitor here already, or the history brings no model and none was given.
    """
    if record.about("asked") is not None:
        raise TocsinError(
            f"{record.folder}: there is a monitor here already; name another folder to begin a new one"
        )
    check_whole(2, worlds=worlds)
    check_whole(seed=seed)
    if model is not None:
        history = copy(history)
        history._model_path = model
    declared = model_of(history)
    followed = wave_of(declared, wave, history)
    span = history.numbers.end - history.numbers.start
    ahead = AHEAD.get(history.clock, max(span // 10, 1.0)) if horizon is None else horizon
    check_asked(declared, followed.variable, followed.state, ahead)
    record.begin(
        history,
        events,
        variable=followed.variable,
        state=followed.state,
        horizon=ahead,
        worlds=worlds,
        seed=seed,
    )


def model_of(history: History) -> Model:
    """Return the model that comes with a history."""
    if history.model_path is None:
        raise TocsinError(f"the history {history.name!r} brings no model: name one with --model FILE")
    return Model.from_toml(history.model_path)


def step(
    record: Record,
    rows: Sequence[Entry] = (),
    as_of: object | None = None,
    take_new: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Take news in, fit anew from the last estimates, forecast, and keep a bulletin; return its content.

    News is committed before the forecast is made: whatever stops it, the same call again finds the news known and
    makes the bulletin.

    Parameters:
        rows: events, see `news.read_rows`.
        as_of: the day of the bulletin; by default that of the last event, or of the last bulletin if it is later.
        take_new: whether rows take the place of events of the record from which they differ.

    Raises:
        HistoryError: rows that the record cannot hold, by file and line; nothing of them is kept.
        TocsinError: the day lies before that of the last bulletin.
    """
    last = record.ask("SELECT max(cut) FROM bulletins")[0][0]
    known = record.entries()
    cut = _cut(record.clock, as_of, [*known, *rows], last)
    if last is not None and cut < last:
        raise TocsinError(
            f"the last bulletin is of {record.label(last)}; a new one cannot be of {as_of}, which is earlier"
        )
    day = record.label(cut)
    refuse_ahead(rows, cut, record.clock.lag, day)
    before = record.ask("SELECT cut, content FROM bulletins WHERE cut < ? ORDER BY cut DESC LIMIT 1", [cut])
    with record.changing():
        news = sorted_news(rows, known, record.courses, take_new)
        late = record.add(news, day, last)
        history = record.history(cut)
    asked = record.about("asked")
    content, made, parameters = expected(record, model_of(history), history, cut, asked, progress)
    upto = json.loads(before[0][1])["events"] if before else 0
    lag, since = record.clock.lag, before[0][0] if before else -math.inf
    fresh = [
        each
        for each in record.entries()
        if each.last + lag <= cut and ((each.number or 0) > upto or each.last + lag > since)
    ]
    content |= {
        "history": history.title or history.name,
        "wave": f"{asked['variable']}={asked['state']}",
        "last_bulletin": record.label(before[0][0]) if before else None,
        "changed": changed(news, late, fresh),
        "rose": rises(content["forecast"]["units"]) if content["forecast"] else [],
        "support": support_of(history, cut, before[0][0] if before else None),
        "past": past_scores(record, history, cut, asked),
        "events": record.ask("SELECT coalesce(max(number), 0) FROM events")[0][0],
    }
    end = cut + asked["horizon"] if made is None else made.question.end
    told, counts = kept_rows(made) if made is not None else ([], [])
    with record.changing():
        for table in ("bulletins", "forecasts", "counts"):
            record.ask(f"DELETE FROM {table} WHERE cut = ?", [cut])
        record.put("bulletins", [(cut, end, day, to_json(content), json.dumps(parameters))])
        record.put("forecasts", told)
        record.put("counts", counts)
    return content


def _cut(clock: Clock, as_of: object | None, entries: Sequence[Entry], last: float | None) -> float:
    """Return the clock number of the day of a bulletin."""
    if as_of is None:
        ends = [each.last + clock.lag for each in entries] + ([] if last is None else [last])
        if not ends:
            raise TocsinError("the record has no event yet: give the day of the bulletin with --as-of DATE")
        return max(ends)
    try:
        number = read_time(as_of, clock)
    except ValueError as error:
        raise TocsinError(f"{as_of!r} is no time of this record: {error}") from None
    return float(number // 1) + clock.lag if clock.grouped else number


# --- As if live


def replay(
    record: Record,
    history: History,
    every: int | None = None,
    until: object | None = None,
    done: Callable[[dict[str, Any]], None] | None = None,
    progress: Progress | None = None,
) -> int:
    """Take the events of a history in as they became known, month by month, with a bulletin of each; return how many.

    A replay that was stopped goes on where it stood. A day on which nothing has happened yet has no bulletin.

    Parameters:
        history: that with which the record was begun.
        every: how many months (of a history by days), or units of the clock, lie between bulletins; 1 by default, and
            a hundredth of a record of plain numbers.
        until: the last day; that of the history by default.
        done: called with each bulletin.
    """
    with tempfile.TemporaryDirectory() as folder:
        history.write(Path(folder) / "all")
        rows = read_rows(Path(folder) / "all" / "events.csv", record.clock)
    clock = record.clock
    known = [max(each.last + clock.lag, _told(each, clock)) for each in rows]
    number = 0
    days = [day for day in _days(history, every, until) if any(at <= day for at in known)]
    for place, day in enumerate(days):
        last = record.ask("SELECT max(cut) FROM bulletins")[0][0]
        if last is not None and day <= last:
            continue
        if progress is not None:
            progress("bulletins", place, len(days))
        new = [row for row, at in zip(rows, known, strict=True) if at <= day and (last is None or at > last)]
        content = step(record, new, record.label(day))
        number += 1
        if done is not None:
            done(content)
    return number


def _told(entry: Entry, clock: Clock) -> float:
    """Return when a row was reported, as a clock number."""
    return (
        read_time(entry.cells[REPORTED], clock) + clock.lag
        if REPORTED in entry.cells
        else entry.last + clock.lag
    )


def _days(history: History, every: int | None, until: object | None) -> list[float]:
    """Return the clock numbers of the bulletins of a replay."""
    numbers = history.numbers
    lag = numbers.lag
    end = numbers.end - (0.0 if history.grouped or not history.dated else 1.0)
    if until is not None:
        end = min(end, history.to_number(until) + lag)
    if not history.dated or history.grouped:
        size = float(every) if every else (1.0 if history.grouped else (numbers.end - numbers.start) / 100.0)
        count = int((end - numbers.start) // size)
        return [numbers.start + size * (k + 1) for k in range(count)]
    year, month = history.window[0].year, history.window[0].month
    days: list[float] = []
    while True:
        month += every or 1
        year, month = year + (month - 1) // 12, (month - 1) % 12 + 1
        day = history.to_number(f"{year:04d}-{month:02d}-01")
        if day >= end:
            return [*days, end] if not days or days[-1] < end else days
        days.append(day)


def bulletins(record: Record) -> list[tuple[str, str]]:
    """Return the day and the content (JSON) of every bulletin, in order."""
    return [
        (str(day), str(content))
        for day, content in record.ask("SELECT as_of, content FROM bulletins ORDER BY cut")
    ]
