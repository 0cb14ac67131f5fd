"""What users hand over: a frame or a file as a raw table, periods as whole numbers, rows joined into runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from tocsin.errors import nearest
from tocsin.history.tables import cells, frames
from tocsin.history.tables.frames import Raw, from_frame
from tocsin.history.time import EARLIEST, LATEST, Clock, is_number

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.history.intake.account import Account
    from tocsin.history.tables.schema import Report

    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

ERA = range(1000, 3000)  # whole numbers that are taken for years, where nothing else is said

TREATMENTS = ("error", "not at risk", "carry")


def raw_of(table: object, name: str, report: Report) -> Raw:
    """Return a frame, a dict of columns, or a CSV or Parquet file as a raw table called `name`."""
    if isinstance(table, str | Path):
        from tocsin.history.read_folder import read_table

        return read_table(Path(table), report)
    return from_frame(table, name, report)


def needed(raw: Raw, wanted: Mapping[str, str | None], report: Report) -> bool:
    """Report columns that are asked for and not there; True if all are.

    Parameters:
        wanted: the argument that names each column, and the name.
    """
    good = raw.sound
    for argument, column in wanted.items():
        if column is not None and column not in raw.columns:
            there = ", ".join(list(raw.columns)[:12])
            why = f"there is no column {column!r} ({argument}=); there are: {there}"
            report.add(raw.file, why, column=column, nearest=nearest(column, raw.columns))
            good = False
    return good


def choice(argument: str, value: object, options: Sequence[object], why: str, report: Report) -> None:
    """Report an argument that is none of its options, or was not given where it must be spoken."""
    if value not in options or isinstance(value, bool):
        told = " or ".join(repr(option) for option in options)
        report.add("history", f"say {argument}= {told}: {why}", column=argument, value=value)


@dataclass(frozen=True)
class Periods:
    """Periods (years, months, numbered steps) as whole numbers."""

    clock: str

    @classmethod
    def of(cls, raw: Raw, column: str, clock: str | None, report: Report) -> Periods | None:
        """Return the periods of a column: as `clock` says, else as its cells are written."""
        if clock in ("year", "month", "step"):
            return cls(clock)
        if clock is not None:
            why = "rows of a panel are periods: clock is 'year', 'month' or 'step'"
            report.add("history", why, column="clock", value=clock)
            return None
        _, distinct = cells.encode(raw.columns[column])
        written = {frames.plain(value) or "" for value in cells.listed(distinct)}
        written = {text.strip() for text in written if not cells.is_missing(text)}
        if written and all(text.lstrip("-").isdigit() for text in written):
            return cls("year" if all(int(text) in ERA for text in written) else "step")
        if written and all(len(text) == 7 and text[4] == "-" for text in written):
            return cls("month")
        why = "say clock='year', 'month' or 'step': the cells do not tell how long a period is"
        odd = [text for text in written if not text.lstrip("-").isdigit()]
        if odd and 2 * len(odd) < len(written):
            good = min(text for text in written if text not in odd)
            why = f"no period such as {good}, as others are: correct the cell, or say clock="
            report.rows(raw, *_rows_of(raw, column, odd), why)
        else:
            report.add(raw.file, why, column=column, value=next(iter(sorted(written)), None))
        return None

    def index(self, raw: Raw, column: str, report: Report) -> tuple[Ints, NDArray[np.bool_]]:
        """Return the periods of a column as numbers (rows,), and the rows that have none."""
        first, last = (-1e15, 1e15) if self.clock == "step" else (EARLIEST, LATEST)
        values, missing, wrong = cells.times(
            raw, column, Clock(self.clock, first, last, self.clock == "year"), report
        )
        return self.number(values), missing | wrong

    def number(self, times: Any) -> Ints:
        """Return times (days since 1970-01-01, or periods) as numbers of periods."""
        if self.clock == "step":
            return np.asarray(times).astype(np.int64)
        days = np.asarray(times, np.int64).astype("datetime64[D]")
        if self.clock == "year":
            return np.asarray(days.astype("datetime64[Y]").astype(np.int64) + 1970)
        return np.asarray(days.astype("datetime64[M]").astype(np.int64))

    def times(self, index: Any) -> Any:
        """Return numbers of periods as a column of times."""
        whole = np.asarray(index, np.int64)
        if self.clock != "month":
            return frames.numeric(whole)
        days = whole.astype("datetime64[M]").astype("datetime64[D]").astype(np.int32)
        return frames.numeric(days).cast(pa.date32())

    def time(self, index: int) -> Any:
        """Return one period as it is written in a window."""
        return self.times([index])[0].as_py()

    def text(self, index: int) -> str:
        """Return one period in words."""
        return str(self.time(int(index)))[:7]


def _rows_of(raw: Raw, column: str, texts: Sequence[str]) -> tuple[Ints, str]:
    """The rows whose cells are these texts, and the column."""
    codes, values = cells.encode(raw.columns[column])
    hit = np.array([(frames.plain(value) or "").strip() in texts for value in cells.listed(values)] + [False])
    return np.flatnonzero(hit[codes]), column


def counts_of(raw: Raw, column: str, report: Report) -> tuple[NDArray[np.float64], Bools]:
    """Read a column of events as numbers, and which rows have none; a column of words is one fault."""
    _, values = cells.encode(raw.columns[column])
    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        told = [(frames.plain(value) or "").strip() for value in cells.listed(values)]
        told = sorted(text for text in told if not cells.is_missing(text))
        if told and not any(is_number(text) or cells.slip(text) for text in told):
            why = (
                f"the column of events holds words: write 0 and 1; in a panel, if they are states that are held, say "
                f"state={column!r} and states=[...]"
            )
            report.add(raw.file, why, column=column, value=", ".join(told[:3]))
            return np.full(raw.rows, np.nan), np.zeros(raw.rows, bool)
    found: tuple[NDArray[np.float64], Bools] = cells.floats(raw, column, report, "an event")
    return found


def runs(keys: Ints, start: Ints, end: Ints, value: NDArray[Any]) -> tuple[Ints, Ints]:
    """Join rows of one key and one value that follow each other without a hole.

    Parameters:
        keys, start, end, value: (rows,) of each row.

    Returns:
        The first row of each run, by key and start, and the end of each run.
    """
    if not len(keys):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    order = np.lexsort((start, keys))
    k, s, e, v = keys[order], start[order], end[order], value[order]
    opens = np.ones(len(k), bool)
    opens[1:] = (k[1:] != k[:-1]) | (s[1:] != e[:-1] + 1) | (v[1:] != v[:-1])
    heads = np.flatnonzero(opens)
    tails = np.append(heads[1:], len(k)) - 1
    return order[heads], e[tails]


def by_periods(raw: Raw, time: str, lag: int, periods: Periods, report: Report) -> dict[str, Any] | None:
    """Return ties given period by period as ties with start and end: alike ones in a row are one tie.

    Parameters:
        raw: a table of source, target and perhaps layer and weight, with a column of periods.
        time: the column of periods; a tie of period t holds in period t + lag.
    """
    if not needed(raw, {"source": "source", "target": "target"}, report):
        return None
    index, unread = periods.index(raw, time, report)
    report.rows(raw, np.flatnonzero(unread), time, "no period is given", kind="no period")
    names = [name for name in ("layer", "source", "target") if name in raw.columns]
    keys = np.zeros(raw.rows, np.int64)
    for name in names:
        codes, values = cells.names(raw, name, report)
        keys = keys * max(len(values), 1) + codes
    weight = np.ones(raw.rows)
    if "weight" in raw.columns:
        weight, missing = cells.floats(raw, "weight", report, "a weight")
        report.rows(raw, np.flatnonzero(missing), "weight", "bad number: no weight is given", kind="missing")
    if report:
        return None
    heads, ends = runs(keys, index + lag, index + lag, weight)
    take = frames.numeric(heads)
    out = {name: raw.columns[name].take(take) for name in names}
    return out | {
        "weight": frames.numeric(weight[heads]),
        "start": periods.times(index[heads] + lag),
        "end": periods.times(ends),
    }


@dataclass
class Covariates:
    """Covariates over the rows of a table, by unit and time.

    Attributes:
        numbers: values (rows,) of those that change, NaN where missing.
        texts: of those that are constant: the value of each row (codes) and the words.
        carried: cells that were filled by the last value of their unit.
    """

    numbers: dict[str, NDArray[np.float64]]
    texts: dict[str, tuple[NDArray[np.int32], Any]]
    carried: int = 0

    def say(self, account: Account) -> None:
        """Note how many cells were filled."""
        if self.carried:
            cells_ = (
                "1 cell without a value carries"
                if self.carried == 1
                else f"{self.carried:,} cells without a value carry"
            )
            account.note(f"{cells_} the last one of its unit")

    @classmethod
    def read(
        cls, raw: Raw, order: Ints, joined: Bools, names: Sequence[str], carry: bool, report: Report
    ) -> Covariates:
        """Read the columns `names` of a table whose rows stand in `order`; joined: the row before is of the unit."""
        out = cls({}, {})
        for name in names:
            if _is_text(raw, name):
                codes, words = cells.names(raw, name, report, required=False)
                codes = codes[order]
                moved = np.flatnonzero(joined & (codes != np.append(-1, codes[:-1])))
                why = f"{name!r} is a text that changes within a unit: make columns of 0 and 1 of it"
                report.rows(raw, order[moved], name, why)
                out.texts[name] = codes, words
                continue
            values = cells.floats(raw, name, report, "a covariate")[0][order]
            if carry:
                values, filled = _carried(values, joined)
                out.carried += filled
            out.numbers[name] = values
        return out


def _is_text(raw: Raw, name: str) -> bool:
    column = raw.columns[name]
    coded = pa.types.is_dictionary(column.type)
    kind = column.type.value_type if coded else column.type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)):
        return False
    codes, words = cells.encode(column)
    counts = np.bincount(codes[codes >= 0], minlength=len(words)).tolist()
    return coded or not cells.are_numbers(dict(zip(map(str, words.to_pylist()), counts, strict=True)))


def _carried(values: NDArray[np.float64], joined: Bools) -> tuple[NDArray[np.float64], int]:
    """Fill missing values by the last one of the unit; return how many cells were filled."""
    place = np.where(np.isnan(values) & joined, 0, np.arange(len(values)))
    heads = np.where(joined, 0, np.arange(len(values)))
    source = np.maximum(np.maximum.accumulate(place), np.maximum.accumulate(heads))
    filled = values[source]
    return filled, int((np.isnan(values) & ~np.isnan(filled)).sum())
