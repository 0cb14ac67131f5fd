"""Attribution: which cause, which source and which event of it moved the hazard at the instant of each event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tocsin.infer.shares import Shares

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from tocsin.history import History
    from tocsin.infer.trees import Tree, Trees


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
        from tocsin.infer.totals import names_of, within

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
        from tocsin.infer.totals import total

        return total(self, by, period)

    def offspring(self) -> pd.DataFrame:
        """Return the expected offspring of every event: its reproduction number.

        R_j = sum over later events i of the share of event j in the hazard of i (the case reproduction number
        of Wallinga & Teunis 2004). A state held on entry has rows of its own, without an event number. Events
        near the end of the window have had little time.

        Returns:
            The rows of `events` and those held on entry, with offspring, lower, upper.
        """
        from tocsin.infer.offspring import offspring

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
        from tocsin.infer.offspring import reproduction

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
        from tocsin.infer.trees import arcs

        return arcs(self)

    def tree(self) -> Tree:
        """Return the consensus tree: each event with its likeliest parent.

        The maximum parent credibility tree (Hall, Woolhouse & Rambaut 2015), over all trees and not only those
        drawn: parents come before their offspring, so the likeliest parents make a tree by themselves.
        """
        from tocsin.infer.trees import consensus

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
        from tocsin.infer.trees import draw_trees

        return draw_trees(self, count, seed)

    # --- how it is shown and kept -----------------------------------------------------------------------

    def write(self, folder: str | Path) -> list[str]:
        """Write causes.csv, sources.csv, totals.csv, offspring.csv, tree.csv and, with networkx, tree.graphml.

        Returns:
            What a reader should know of it: whether tree.graphml had to be left out.

        Raises:
            TocsinError: a file cannot be written.
        """
        from tocsin.infer.trees import write

        return write(self, Path(folder))

    def __str__(self) -> str:
        from tocsin.infer.totals import as_text

        return as_text(self)

    def __repr__(self) -> str:
        return (
            f"<Attribution of {self.causes['event'].nunique()} events to {len(self.total())} causes, "
            f"{self.draws} draws>"
        )

    def _repr_html_(self) -> str:
        from tocsin.infer.totals import as_html

        return as_html(self)
