"""Sums of shares by transition, layer, source, period and the like, and the whole as text."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tocsin.errors import TocsinError, suggestion
from tocsin.infer.attributed import bounds
from tocsin.infer.shares import gathered

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from tocsin.history import History
    from tocsin.infer.attribution import Attribution

    Floats = NDArray[np.float64]

KEYS = ("transition", "variable", "unit", "period", "cause", "layer", "source")
CAUSED = ("events caused", "caused lower", "caused upper")
PARTS = ("cause", "layer", "source")  # of an event; the others are of the event itself
PERIODS = ("year", "quarter", "month", "day")
WIDTHS = {"year": 365.25, "quarter": 91.3, "month": 30.4, "day": 1.0}
MANY = 12  # periods of a window that are still easy to read
REPEATS = 5  # draws of the causes of all events under each draw of the parameters
AT_ONCE = 20_000_000  # shares from which causes are drawn at once


def names_of(column: str, asked: str | Sequence[str], known: Sequence[str]) -> list[str]:
    """Return names asked for as a list; refuse those that are not known."""
    listed = [asked] if isinstance(asked, str) else [str(name) for name in asked]
    for name in listed:
        if name not in known:
            raise TocsinError(f"there is no {column} {name!r}" + suggestion(name, known))
    return listed


def within(history: History, time: Floats, start: object, end: object) -> NDArray[np.bool_]:
    """Return which times lie between two dates or numbers, both included."""
    first = -np.inf if start is None else history.to_number(start)
    last = np.inf if end is None else history.to_number(end)
    if first > last:
        raise TocsinError(f"start={start!r} is after end={end!r}")
    whole = np.floor(time) if history.dated else time
    return np.asarray((whole >= first) & (whole <= last))


def periods(history: History, time: Floats, period: str | float | None) -> NDArray[Any]:
    """Return the period in which each time falls: a label for dates, the beginning for plain numbers.

    Raises:
        TocsinError: no such period of this history.
    """
    start, end = history.numbers.start, history.numbers.end
    if not history.dated:
        if isinstance(period, str):
            raise TocsinError(
                f"times of {history.name!r} are plain numbers: period= is a length, not {period!r}"
            )
        width = (end - start) / 10 if period is None else float(period)
        if isinstance(period, bool) or not 0 < width < np.inf:
            raise TocsinError(f"period= is a length above 0, not {period!r}")
        # An event at the very end of a period belongs to it, as the window is (first, last].
        return np.asarray(start + width * np.maximum(np.ceil((time - start) / width) - 1, 0))
    finer = PERIODS[: {"year": 1, "month": 3}.get(history.clock, 4)]
    if period is None:
        unit = {"month": 30.4, "year": 365.25}.get(history.clock, 1.0)
        fitting = [name for name in reversed(finer) if (end - start) * unit / WIDTHS[name] <= MANY]
        period = fitting[0] if fitting else "year"
    if period not in finer:
        raise TocsinError(f"period= is {', '.join(finer)}, not {period!r}" + suggestion(str(period), finer))
    days: NDArray[Any] = np.atleast_1d(np.asarray(history.to_date(time), dtype="datetime64[D]"))
    if period == "day":
        return np.asarray(np.datetime_as_string(days))
    if period == "year":
        return np.asarray(np.datetime_as_string(days, unit="Y"))
    months = days.astype("datetime64[M]")
    if period == "month":
        return np.asarray(np.datetime_as_string(months))
    number = months.astype(int)
    return np.array([f"{1970 + n // 12} Q{n % 12 // 3 + 1}" for n in number], dtype=object)


def total(
    attribution: Attribution, by: str | Sequence[str], period: str | float | None = None
) -> pd.DataFrame:
    """Return summed shares; see `Attribution.total`."""
    import pandas as pd

    keys = [by] if isinstance(by, str) else list(by)
    for key in keys:
        if key not in KEYS:
            raise TocsinError(f"by= names {', '.join(KEYS)}, not {key!r}" + suggestion(str(key), KEYS))
    if not keys or len(set(keys)) < len(keys):
        raise TocsinError("by= names one or several things, each once")
    if period is not None and "period" not in keys:
        raise TocsinError("period= goes with by='period'")
    table, drawn = _rows(attribution, "source" in keys)
    names = ["event", *(key for key in keys if key != "period")]
    frame = table[names].copy()
    if "period" in keys:
        frame["period"] = periods(attribution.history, table["time"].to_numpy(dtype=float), period)
    groups = frame.groupby(keys, sort=False, dropna=False)
    number = np.asarray(groups.ngroup(), dtype=np.int64)
    size = int(number.max(initial=-1)) + 1
    result = frame.iloc[np.unique(number, return_index=True)[1]][keys].reset_index(drop=True)
    value: Floats = np.bincount(number, table["share"].to_numpy(dtype=float), minlength=size).astype(float)
    lower, upper = bounds(value, None if drawn is None else gathered(number, drawn, size), attribution.level)
    whole = [key for key in keys if key not in PARTS]
    if whole:
        counted = frame.drop_duplicates(["event", *whole]).groupby(whole, sort=False, dropna=False)
        events = result.merge(counted.size().rename("events").reset_index(), on=whole, how="left")["events"]
    else:
        events = pd.Series(np.full(size, frame["event"].nunique()))
    count = events.to_numpy(dtype=np.int64)
    result["events explained"], result["lower"], result["upper"] = value, lower, upper
    for name, numbers in zip(CAUSED, _caused(table, number, drawn, size, attribution.level), strict=True):
        result[name] = numbers
    result["events"] = count
    for name, sums in (("share", value), ("share lower", lower), ("share upper", upper)):
        result[name] = sums / np.maximum(count, 1)
    if {"source", "unit"} & set(keys):
        result = result.sort_values("events explained", ascending=False, kind="stable")
    return result.reset_index(drop=True)


def _caused(
    table: pd.DataFrame,
    number: NDArray[np.int64],
    drawn: NDArray[np.floating] | None,
    size: int,
    level: float,
) -> NDArray[np.float64]:
    """Return how many events each group caused in fact: median and ends of an interval (3, size).

    Under each draw of the parameters each event draws its cause from its shares, and the groups count: a sum of
    independent events of unlike probabilities (Poisson's binomial) over the uncertainty of the parameters.

    Parameters:
        table: rows with the number of their event; number: the group of each row; drawn: their shares (rows, D).
    """
    if drawn is None:
        return np.full((3, size), np.nan)
    events, code = np.unique(table["event"].to_numpy(), return_inverse=True)
    order = np.argsort(code, kind="stable")
    head = np.flatnonzero(np.append(True, np.diff(code[order]) > 0))[: events.size]
    rng = np.random.default_rng([1917, events.size])
    counts = []
    step = max(1, AT_ONCE // max(code.size, 1))
    for first in range(0, drawn.shape[1], step):
        share = drawn[order, first : first + step].astype(np.float64)
        summed = np.cumsum(share, axis=0)
        before = (summed[head] - share[head])[code[order]]
        whole = np.add.reduceat(share, head, axis=0) if head.size else np.empty((0, share.shape[1]))
        for _ in range(REPEATS):
            mark = before + (rng.random(whole.shape) * whole)[code[order]]
            chosen = (summed - share <= mark) & (mark < summed)
            counts.append(gathered(number[order], chosen.astype(np.float32), size))
    found = np.concatenate(counts, axis=1) if counts else np.zeros((size, 1))
    # The least number of at least so many draws: an interval of counts holds no less than its level.
    return np.quantile(found, [0.5, (1 - level) / 2, (1 + level) / 2], axis=1, method="inverted_cdf")


def _rows(attribution: Attribution, apart: bool) -> tuple[pd.DataFrame, NDArray[np.floating] | None]:
    """Return the rows to sum, with their draws: of causes, or of sources and what comes from home."""
    import pandas as pd

    drawn = attribution.drawn
    if not apart:
        return attribution.causes, None if drawn is None else drawn.causes
    home = np.flatnonzero(attribution.causes["layer"].isna())
    at_home = attribution.causes.iloc[home].assign(source=None)
    parts = [part for part in (at_home, attribution.sources) if len(part)] or [at_home]
    table = pd.concat(parts, ignore_index=True)
    return table, None if drawn is None else np.concatenate([drawn.causes[home], drawn.sources])


def headline(attribution: Attribution) -> str:
    """Return in a sentence how many events were attributed."""
    count = attribution.causes["event"].nunique()
    explained = attribution.causes["transition"].nunique()
    return (
        f"{count:,} event{'s' if count != 1 else ''} of {explained} transition{'s' if explained != 1 else ''}: "
        "how many of them each cause explains, by its shares of the hazard"
    )


def cautions(attribution: Attribution) -> list[str]:
    """Return what a reader should know of the shares."""
    said = list(attribution.notes)
    if not attribution.proportional:
        said.append(
            "where a response is not 1, a cause's share is divided among its sources by their shares of the exposure"
        )
    if attribution.draws:
        said.append(
            "events explained are what is expected of a cause, given its shares: their interval holds the doubt about "
            "parameters; events caused are whole events, and their interval holds which cause came first as well"
        )
    said.append("a share is no but-for probability: without its cause an event might have come all the same")
    return said


def shown(attribution: Attribution) -> pd.DataFrame:
    """Return the sums by transition and cause as they are shown, with the interval in words."""
    table = attribution.total()
    result = table[["transition", "cause"]].copy()
    result["events"] = [
        f"{value:.1f} of {count}"
        for value, count in zip(table["events explained"], table["events"], strict=True)
    ]
    result["share"] = [f"{value:.2f}" for value in table["share"]]
    if attribution.draws:
        result[f"{100 * attribution.level:g}% interval"] = [
            f"{low:.2f} to {high:.2f}"
            for low, high in zip(table["share lower"], table["share upper"], strict=True)
        ]
        result["events caused"] = [
            f"{low:.0f} to {high:.0f}"
            for low, high in zip(table["caused lower"], table["caused upper"], strict=True)
        ]
    return result


def as_text(attribution: Attribution) -> str:
    """Return an attribution as text: sums by transition and cause, and what to know of them."""
    if not len(attribution.causes):
        return "No events that the model explains.\n" + "\n".join(cautions(attribution)[:-1])
    lines = [headline(attribution), "", shown(attribution).to_string(index=False), ""]
    return "\n".join([*lines, *cautions(attribution)])


def as_html(attribution: Attribution) -> str:
    """Return an attribution as HTML, for notebooks."""
    if not len(attribution.causes):
        return "<p>No events that the model explains.</p>"
    told = "".join(f"<li>{html.escape(each)}</li>" for each in cautions(attribution))
    table = shown(attribution).to_html(index=False, border=0)
    return f"<p>{html.escape(headline(attribution))}</p>{table}<ul>{told}</ul>"
