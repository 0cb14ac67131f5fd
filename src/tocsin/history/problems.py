"""The report of everything that is wrong with a history, gathered before anything is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from tocsin.errors import HistoryError, Problem

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tocsin.history.frames import Raw

# A table of ten million rows can be wrong ten million times over; beyond this many faults of one kind in one
# column the report counts them instead of listing them.
MOST_OF_A_KIND = 1000
LONGEST_VALUE = 200
ORDER = ("history", "units", "events", "ties", "covariates", "episodes", "sources", "model")


class Report:
    """Gathers problems; `raise_if_any` refuses the history with all of them."""

    def __init__(self) -> None:
        self._problems: list[Problem] = []
        self._seen: dict[tuple[str, str | None, str], int] = {}

    def __bool__(self) -> bool:
        return bool(self._problems)

    def add(
        self,
        file: str,
        message: str,
        *,
        line: int | None = None,
        column: str | None = None,
        value: object = None,
        nearest: str | None = None,
        kind: str | None = None,
    ) -> None:
        """Note one problem; `kind` groups problems whose messages differ only in detail."""
        key = (file, column, kind or message)
        self._seen[key] = self._seen.get(key, 0) + 1
        if self._seen[key] > MOST_OF_A_KIND:
            return
        text = None if value is None else str(value)
        if text is not None and len(text) > LONGEST_VALUE:
            text = text[: LONGEST_VALUE - 1] + "…"
        self._problems.append(Problem(file, line, column, text, message, nearest))

    def rows(
        self,
        raw: Raw,
        rows: Iterable[int] | NDArray[np.integer],
        column: str | None,
        message: str | Callable[[int], str],
        *,
        nearest: Callable[[str], str | None] | None = None,
        kind: str | None = None,
    ) -> None:
        """Note a problem for each of the given rows of a table (0-based)."""
        label = kind or (message if isinstance(message, str) else "rows")
        key = (raw.file, column, label)
        for row in rows:
            row = int(row)
            if self._seen.get(key, 0) >= MOST_OF_A_KIND:
                self._seen[key] += 1
                continue
            value = None if column is None else raw.value(column, row)
            if value is not None and raw.garbled and "\ufffd" in value:
                continue  # the wrong encoding of this cell is reported already
            self.add(
                raw.file,
                message if isinstance(message, str) else message(row),
                line=raw.line(row),
                column=column,
                value=value,
                nearest=nearest(value) if nearest is not None and value is not None else None,
                kind=label,
            )

    def problems(self) -> list[Problem]:
        """All problems by table and line, with a count of those too many to list."""
        extra = [
            Problem(file, None, column, None, f"and {count - MOST_OF_A_KIND} more of these: {kind}")
            for (file, column, kind), count in self._seen.items()
            if count > MOST_OF_A_KIND
        ]

        def place(problem: Problem) -> tuple[int, str, float]:
            stem = problem.file.partition(".")[0]
            rank = ORDER.index(stem) if stem in ORDER else len(ORDER)
            return rank, problem.file, float("inf") if problem in extra else problem.line or 0

        return sorted(dict.fromkeys(self._problems + extra), key=place)

    def raise_if_any(self, where: str) -> None:
        """Raise HistoryError with every problem, if there is one."""
        if self._problems:
            raise HistoryError(self.problems(), where)
