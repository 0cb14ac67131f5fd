"""Attribution: which cause, which source and which event of it moved the hazard at the instant of each event."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tocsin.attribution.shares import Shares, gathered
from tocsin.errors import TocsinError, suggestion

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from tocsin.attribution.trees import Tree, Trees
    from tocsin.history.history import History

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Attribution:
    """Shares of causes and sources in the hazard of every explained event, with intervals.

    share of cause c = lambda_c / sum over causes of lambda; of source j its part of that. Shares say what moved
    the hazard at the instant of the event; they are not but-for probabilities. `lower` and `upper` enclose a
    share with probability `level` over the uncertainty of the parameters, and are missing (NaN) where there
    is none to draw from.

    Attributes:
        history: whose events these are.
        events: every event after entry: event (its number), time, [date], unit, variable, from, to, transition
            (missing where the model declares none), sends (whether it can set off others by the model, of the
            transitions that are attributed).
        causes: one row an explained event and cause: event, time, [date], unit, variable, from, to, transition,
            cause, layer (missing for a baseline), share, lower, upper. The shares of one event sum to one.
        sources: one row an event, contagion cause and source unit, with the source's own share.
        parents: one row an event, contagion cause and event of the source by which it came to count:
            source_event (missing where the state was held on entry), source_time, [source_date], source_state.
        proportional: whether all splits among sources are exact; False where a response alpha differs from 1,
            whose exposure is split by the sources' shares of it.
        level: probability of the intervals.
        notes: how the intervals were made, or why there are none.
        drawn: the shares of every draw of the parameters, in the rows of causes, sources and parents; or None.
        entered: by transition, the events by which units came to count as sources of its causes.
        exposures: one row an event, cause and exposure inside its exponent (`exposure(...)` in a formula): the term,
            the exposure just before the event, and `ratio`, by what it multiplied the hazard of the cause, with
            `lower` and `upper`. Such an exposure multiplies, and has no split by source. Empty where times are open.

    Example:
        >>> import tocsin as tc
        >>> history = tc.load_history("1917")
        >>> fit = tc.Model.from_toml(history.model_path).fit(history)
        >>> shares = fit.attribute(history)
        >>> list(shares.total().columns)[:3]
        ['transition', 'cause', 'events explained']
    """

    history: History
    events: pd.DataFrame
    causes: pd.DataFrame
    sources: pd.DataFrame
    parents: pd.DataFrame
    proportional: bool
    level: float
    notes: tuple[str, ...]
    drawn: Shares | None
    entered: Mapping[str, NDArray[np.int64]]
    exposures: pd.DataFrame

    @property
    def draws(self) -> int:
        """Return how many draws of the parameters the intervals rest on; 0 where there are none."""
        return 0 if self.drawn is None else int(self.drawn.causes.shape[1])

    # --- parts ------------------------------------------------------------------------------------------

    def select(
        self,
        transition: str | Sequence[str] | None = None,
        unit: str | Sequence[str] | None = None,
        start: object = None,
        end: object = None,
    ) -> Attribution:
        """Return the attribution of some events: of transitions, units, or a stretch of time.

        Sources stay all that there are: the reproduction numbers of a selected transition count what it owes to
        any event.

        Parameters:
            transition, unit: one name or several; all by default.
            start, end: dates or numbers, both included.

        Raises:
            TocsinError: an unknown transition or unit, or no time of this history.
        """

        causes = self.causes
        kept = np.ones(len(causes), dtype=bool)
        for column, asked, known in (
            ("transition", transition, list(self.entered)),
            ("unit", unit, list(self.history.numbers.units)),
        ):
            if asked is not None:
                kept &= causes[column].isin(names_of(column, asked, known)).to_numpy()
        if start is not None or end is not None:
            kept &= within(self.history, causes["time"].to_numpy(dtype=float), start, end)
        chosen = causes["event"][kept].unique()
        rows = [np.flatnonzero(table["event"].isin(chosen)) for table in (causes, self.sources, self.parents)]
        tables = [
            table.iloc[row].reset_index(drop=True)
            for table, row in zip((causes, self.sources, self.parents), rows, strict=True)
        ]
        drawn = None if self.drawn is None else self.drawn.take(*rows)
        named = self.entered if transition is None else names_of("transition", transition, list(self.entered))
        entered = {name: self.entered[name] for name in named}
        senders = np.concatenate([np.empty(0, dtype=np.int64), *entered.values()])
        events = self.events.assign(sends=self.events["event"].isin(senders))
        return replace(
            self,
            events=events,
            causes=tables[0],
            sources=tables[1],
            parents=tables[2],
            drawn=drawn,
            entered=entered,
            exposures=self.exposures[self.exposures["event"].isin(chosen)].reset_index(drop=True),
        )

    # --- sums -------------------------------------------------------------------------------------------

    def total(
        self, by: str | Sequence[str] = ("transition", "cause"), period: str | float | None = None
    ) -> pd.DataFrame:
        """Return summed shares: how many events each cause, layer, source, ... explains.

        Parameters:
            by: one or several of transition, variable, unit, period, cause, layer, source.
            period: year, quarter, month or day for dates, a length for plain numbers; by default what makes
                about ten periods of the window.

        Returns:
            One row a group: its names (a layer or source is missing for what comes from home), `events
            explained` (the sum of its shares: what is expected of it) with `lower` and `upper`, `events caused`
            (the median of how many it set off in fact, a whole number) with `caused lower` and `caused upper`,
            `events` (explained events of the same transition, unit and period, whatever their cause), and
            `share` with `share lower` and `share upper`. The interval of events explained holds the doubt about
            parameters; that of events caused also which cause each event had.

        Raises:
            TocsinError: an unknown name in `by`, or no such period.
        """

        return total(self, by, period)

    def offspring(self) -> pd.DataFrame:
        """Return the expected offspring of every event: its reproduction number.

        R_j = sum over later events i of the share of event j in the hazard of i (the case reproduction number
        of Wallinga & Teunis 2004). A state held on entry has rows of its own, without an event number. Events
        near the end of the window have had little time.

        Returns:
            The rows of `events` and those held on entry, with offspring, lower, upper.
        """
        from tocsin.attribution.offspring import offspring

        return offspring(self)

    def reproduction(self, period: str | float | None = None) -> pd.DataFrame:
        """Return the wave's reproduction number over time, by the period in which a source event fell.

        The mean of the case reproduction numbers of the events of a period that can set off others by the
        model: the cohort reproduction number (Wallinga & Teunis 2004; Fraser 2007), which looks forward from
        a period to what its events set off, whenever that was.

        Parameters:
            period: as in `total`.

        Returns:
            One row a period with such events: period, events, offspring, lower, upper (mean a source event).
        """
        from tocsin.attribution.offspring import reproduction

        return reproduction(self, period)

    # --- trees ------------------------------------------------------------------------------------------

    def arcs(self) -> pd.DataFrame:
        """Return every possible parent of every event, home among them, the likeliest first.

        support = mean over the draws of the parameters of the parent's share, over all causes and layers: the
        share of drawn trees (`trees`) in which it is the parent.

        Returns:
            The columns of an event, and parent (`home` or the source unit), parent_event, parent_time,
            [parent_date], parent_state, layer and cause (through which most of it comes), support, lower,
            upper.
        """
        from tocsin.attribution.trees import arcs

        return arcs(self)

    def tree(self) -> Tree:
        """Return the consensus tree: each event with its likeliest parent.

        The maximum parent credibility tree (Hall, Woolhouse & Rambaut 2015), over all trees and not only those
        drawn: parents come before their offspring, so the likeliest parents make a tree by themselves.
        """
        from tocsin.attribution.trees import consensus

        return consensus(self)

    def trees(self, count: int | None = None, seed: int = 1917) -> Trees:
        """Draw transmission trees: each event draws its parent event, or home, from its shares.

        Tree k uses draw k (mod their number) of the parameters; without draws all use the given ones.

        Parameters:
            count: how many trees; as many as there are draws by default, 200 without.
            seed: of the drawing.

        Raises:
            TocsinError: `count` or `seed` is no whole number above zero.
        """
        from tocsin.attribution.trees import draw_trees

        return draw_trees(self, count, seed)

    # --- how it is shown and kept -----------------------------------------------------------------------

    def write(self, folder: str | Path) -> list[str]:
        """Write causes.csv, sources.csv, totals.csv, offspring.csv, tree.csv and, with networkx, tree.graphml.

        Returns:
            What a reader should know of it: whether tree.graphml had to be left out.

        Raises:
            TocsinError: a file cannot be written.
        """
        from tocsin.attribution.trees import write

        return write(self, Path(folder))

    def __str__(self) -> str:

        return as_text(self)

    def __repr__(self) -> str:
        return (
            f"<Attribution of {self.causes['event'].nunique()} events to {len(self.total())} causes, "
            f"{self.draws} draws>"
        )

    def _repr_html_(self) -> str:

        return as_html(self)


# --- Sums of shares by transition, layer, source, period and the like, and the whole as text

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
    said += exposure_sentences(attribution)
    if attribution.draws:
        said.append(
            "events explained are what is expected of a cause, given its shares: their interval holds the doubt about "
            "parameters; events caused are whole events, and their interval holds which cause came first as well"
        )
    said.append("a share is no but-for probability: without its cause an event might have come all the same")
    return said


def exposure_sentences(attribution: Attribution) -> list[str]:
    """Return what exposures inside exponents did to the hazards of the events, and what cannot be said of them."""
    said = []
    groups = attribution.exposures.groupby(["transition", "cause", "term"], sort=False)
    for (transition, cause, term), rows in groups:
        felt = rows[rows["exposure"] != 0.0]
        if not len(felt):
            said.append(f"{transition}, {cause}: {term} was zero at all {len(rows)} events")
            continue
        middle = felt.iloc[(felt["ratio"].rank(method="first") - (len(felt) + 1) / 2).abs().argmin()]
        span = "" if math.isnan(middle["lower"]) else f" ({middle['lower']:.3g} to {middle['upper']:.3g})"
        said.append(
            f"{transition}, {cause}: with {term} the hazard was {middle['ratio']:.3g}{span} times what it would have "
            f"been without it, at the median of the {len(felt)} of {len(rows)} events where it was not zero"
        )
    if said:
        said.append(
            "an exposure inside the exponent multiplies the hazard, so that it has no split by source; its ratio at "
            "each event is in `exposures`"
        )
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


def bounds(value: Floats, drawn: NDArray[np.floating] | None, level: float) -> tuple[Floats, Floats]:
    """Return the equal-tailed intervals of values over draws (n, D), widened to hold the values themselves.

    A strength estimated at zero lies at the end of its law, and so may what is computed from it.
    """
    if drawn is None:
        return np.full(value.size, math.nan), np.full(value.size, math.nan)
    if not value.size:
        return value, value
    # Between such draws a further one falls with just this probability, however few there are (Weibull 1939).
    lower, upper = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=1, method="weibull")
    return np.minimum(lower, value), np.maximum(upper, value)
