"""A frame under the codes of another list, row by row and date by date, with a table of what is unclear."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from tocsin.errors import TocsinError, suggestion
from tocsin.units.resolve import Period, found, period, preferred, refusal
from tocsin.units.table import EARLIEST, LATEST, Stretch, check_scheme

if TYPE_CHECKING:
    import pandas as pd

Piece = tuple[datetime.date, datetime.date, str]  # first and last day, code
Fault = tuple[Any, ...]  # first and last day, why there is no code

DAY = datetime.timedelta(days=1)


@dataclass(frozen=True)
class Crosswalk:
    """A frame under other codes, and what could not be said.

    Attributes:
        frame: the rows, or the parts of rows, whose units have one code in the other list.
        unclear: row (from 1), column, value, start, end, reason: what is not in `frame`, wholly or in part.
        rows: how many rows came in, were used (wholly or in part), left out, and cut in two or more.

    Example:
        >>> import pandas as pd
        >>> import tocsin as tc
        >>> rows = pd.DataFrame({"state": [345], "day": ["1993-01-01"]})
        >>> len(tc.units.crosswalk(rows, "state", of="cow", to="gw", time="day").frame)
        1
    """

    frame: pd.DataFrame
    unclear: pd.DataFrame
    rows: dict[str, int]

    def __str__(self) -> str:
        counts = ", ".join(f"{count:,} {what}" for what, count in self.rows.items())
        reasons = self.unclear["reason"].value_counts()
        lines = [f"  {count:,} x {reason}" for reason, count in list(reasons.items())[:20]]
        more = [f"  and {len(reasons) - 20:,} more reasons"] if len(reasons) > 20 else []
        return "\n".join([f"rows: {counts}", *lines, *more])

    __repr__ = __str__


def crosswalk(
    frame: pd.DataFrame,
    columns: str | Sequence[str],
    *,
    of: str,
    to: str,
    time: str | Sequence[str] | None = None,
    year: str | None = None,
) -> Crosswalk:
    """Return a frame with units under the codes of another list, each on its own date.

    Rows with a first and a last day are cut where a code changes: a border of COW's Yugoslavia (345) to 2016 becomes
    one of Gleditsch and Ward's Yugoslavia (345) to 2006-06-04 and one of Serbia (340) after. Nothing is guessed: a
    unit that may be either of two, or has no code on a date, stands in `unclear` and not in `frame`.

    Parameters:
        frame: any pandas frame.
        columns: the column, or columns, of units.
        of: the list of their codes (or ``"name"``).
        to: the list wanted.
        time: the column of dates, months or years, or the two columns of first and last day; None: at any time.
        year: the day of a year (or month) on which a code is asked for: ``"start"``, ``"end"``, or None: the code
            must be the same on all days of it on which the unit has one.

    Raises:
        TocsinError: a column or list that is not there, or a time that is none.

    >>> borders = pd.DataFrame({"source": [345], "target": [339], "start": ["1992-01-01"], "end": ["2016-12-31"]})
    >>> tc.units.crosswalk(borders, ["source", "target"], of="cow", to="gw", time=("start", "end")).frame
    """
    wanted, scheme = check_scheme(to, "to"), check_scheme(of, "of")
    if year not in (None, "start", "end"):
        raise TocsinError(f"year={year!r}: say 'start', 'end' or None")
    names = [columns] if isinstance(columns, str) else list(columns)
    times = [] if time is None else [time] if isinstance(time, str) else list(time)
    for name in names + times:
        if name not in frame.columns:
            raise TocsinError(f"the frame has no column {name!r}" + suggestion(name, map(str, frame.columns)))
    spans = len(times) == 2
    cut = _pieces if spans else partial(_single, year=year)
    keys = frame[[*names, *times]].astype(object)
    keys = keys.where(keys.notna(), None)
    asked = {
        name: keys.groupby([name, *times], dropna=False, sort=False).ngroup().to_numpy() for name in names
    }
    answers: dict[str, list[tuple[list[Piece], list[Fault]]]] = {}
    plain = np.ones(len(frame), bool)  # rows whose units have one code throughout
    for name, group in asked.items():
        firsts = keys[[name, *times]].iloc[np.unique(group, return_index=True)[1]]
        answers[name] = [
            cut(unit, scheme, wanted, _span(when)) for unit, *when in firsts.itertuples(False, None)
        ]
        plain &= np.array([len(pieces) == 1 and not faults for pieces, faults in answers[name]], bool)[group]
    given = {name: keys[name].tolist() for name in names}
    taken: list[int] = []
    made: list[tuple[Piece, ...]] = []
    unclear: list[tuple[Any, ...]] = []
    used = parted = 0
    for row, alone in enumerate(plain.tolist()):
        found = [answers[name][asked[name][row]] for name in names]
        if alone:
            parts = [tuple(pieces[0] for pieces, _ in found)]
        else:
            for name, (_, faults) in zip(names, found, strict=True):
                unclear += [(row + 1, name, given[name][row], *fault) for fault in faults]
            parts = [(piece,) for piece in found[0][0]]
            for pieces, _ in found[1:]:
                parts = _meet(parts, pieces)
        used += bool(parts)
        parted += len(parts) > 1
        taken += [row] * len(parts)
        made += parts
    out = frame.iloc[taken].copy()
    for place, name in enumerate(names):
        out[name] = [part[place][2] for part in made]
    if spans:
        out[times[0]] = [None if part[0][0] == EARLIEST else part[0][0].isoformat() for part in made]
        out[times[1]] = [None if part[0][1] == LATEST else part[0][1].isoformat() for part in made]
    rows = {"in": len(frame), "used": used, "left out": len(frame) - used, "cut": parted}
    return Crosswalk(out.reset_index(drop=True), _table(unclear), rows)


def _span(when: Sequence[Any]) -> Period:
    if len(when) == 2:
        first = EARLIEST if when[0] is None else period(when[0])[0]
        last = LATEST if when[1] is None else period(when[1])[1]
        return first, last
    return period(when[0] if when else None)


def _meet(parts: list[tuple[Piece, ...]], pieces: list[Piece]) -> list[tuple[Piece, ...]]:
    """Return the days that both have, each with the codes of both."""
    both = []
    for part in parts:
        for start, end, code in pieces:
            first, last = max(part[0][0], start), min(part[0][1], end)
            if first <= last:
                both.append((*((first, last, each[2]) for each in part), (first, last, code)))
    return both


def _rows(unit: object, of: str, span: Period) -> tuple[list[Stretch], list[Stretch], str]:
    """Return all rows of a unit, those within a span, and why there are none."""
    if unit is None or str(unit).strip() == "":
        return [], [], "no unit is named"
    try:
        rows = found(unit, of)
    except TocsinError as error:
        return [], [], str(error)
    return rows, [row for row in rows if row.start <= span[1] and span[0] <= row.end], ""


def _single(
    unit: object, of: str, to: str, span: Period, year: str | None
) -> tuple[list[Piece], list[Fault]]:
    """The one code of a unit in a period, or why there is none."""
    first, last = span
    if year is not None:
        first = last = last if year == "end" else first
    rows, there, why = _rows(unit, of, (first, last))
    there = preferred(there, to)
    codes = {row.codes[to] for row in there if row.codes[to]}
    if len(codes) == 1:
        return [(span[0], span[1], codes.pop())], []
    on = None if first == EARLIEST else first if first == last else f"{first} to {last}"
    return [], [(first, last, why or refusal(unit, on, to, rows, there))]


def _pieces(unit: object, of: str, to: str, span: Period) -> tuple[list[Piece], list[Fault]]:
    """The codes of a unit through a span of days, and the days on which it has none or several."""
    first, last = span
    if first > last:
        return [], [(first, last, "it ends before it begins")]
    rows, there, why = _rows(unit, of, span)
    if why:
        return [], [(first, last, why)]
    starts = {first}
    for row in there:
        starts |= {max(row.start, first), min(row.end, last) + DAY if row.end < last else first}
    pieces: list[Piece] = []
    faults: list[Piece] = []
    ordered = sorted(starts)
    for begin, after in zip(ordered, [*ordered[1:], None], strict=True):
        end = last if after is None else after - DAY
        now = preferred([row for row in there if row.start <= begin <= row.end], to)
        codes = {row.codes[to] for row in now if row.codes[to]}
        if len(codes) == 1:
            _joined(pieces, (begin, end, codes.pop()))
        else:
            _joined(faults, (begin, end, refusal(unit, None if codes else begin, to, rows, now)), bool(codes))
    return pieces, [*faults]


def _joined(pieces: list[Piece], piece: Piece, same: bool = True) -> None:
    """Add a piece, joined to the last where it goes on in it."""
    if same and pieces and pieces[-1][2] == piece[2] and pieces[-1][1] + DAY == piece[0]:
        pieces[-1] = (pieces[-1][0], piece[1], piece[2])
    else:
        pieces.append(piece)


def _table(unclear: list[tuple[Any, ...]]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(unclear, columns=["row", "column", "value", "start", "end", "reason"])
