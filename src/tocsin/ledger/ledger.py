"""The ledger: what was staked by treaty, on what condition it comes back, and what each world returns."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tocsin.errors import TocsinError, suggestion
from tocsin.ledger.problems import PLACE, problems_in, problems_of, refuse

if TYPE_CHECKING:
    import pandas as pd

    from tocsin.ensemble.ensemble import Ensemble
    from tocsin.ensemble.frame import Frame
    from tocsin.history.history import History
    from tocsin.model.model import Model

REFUSING = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class Figure:
    """A rival figure of an amount: as it is written, and as numbers where it is in the same measure.

    Parameters:
        text: the figure as its source gives it.
        low, high: the figure as a number or a range; None where it is in another measure.
        source: who gives it.
    """

    text: str
    low: float | None = None
    high: float | None = None
    source: str = ""

    def __post_init__(self) -> None:
        if self.low is not None and self.high is None:
            object.__setattr__(self, "high", self.low)


@dataclass(frozen=True)
class Stock:
    """An amount of something that a unit holds before any treaty.

    Parameters:
        name: what it is: population, territory, coal. Stocks of one name in several places add up.
        holder: the unit that holds it.
        amount: how much, in `measure`.
        measure: the unit of measure: ``millions``, ``km2``, ``% of output``.
        whole: how much of it the holder has in all, in the same measure; None where it is not known.
        place: the unit in which it lies, for conditions about `place`; None where it lies in no one place.
        rivals: other figures of the same amount.
        source, citation, confidence, note: where the amount is from.
    """

    name: str
    holder: str
    amount: float
    measure: str = ""
    whole: float | None = None
    place: str | None = None
    rivals: Sequence[Figure] = ()
    source: str = ""
    citation: str = ""
    confidence: str = "unrated"
    note: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "rivals", tuple(self.rivals))

    @property
    def low(self) -> float:
        """Return the lowest figure in the stock's own measure."""
        return min([self.amount, *(rival.low for rival in self.rivals if rival.low is not None)])

    @property
    def high(self) -> float:
        """Return the highest figure in the stock's own measure."""
        return max([self.amount, *(rival.high for rival in self.rivals if rival.high is not None)])


@dataclass(frozen=True)
class Treaty:
    """Moves stocks from their holders to another unit, on a date or on an event.

    Parameters:
        name: what it is called.
        taker: the unit that receives.
        stocks: names of stocks.
        at: the date on which it moves them.
        when: a condition such as ``russia regime=soviet``. With `at`, it must hold on that date, or there is no
            treaty in that world; without, the treaty is made when it first holds.
        source, note: where the terms are from.
    """

    name: str
    taker: str
    stocks: Sequence[str]
    at: str | float | None = None
    when: str | None = None
    source: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "stocks", _names(self.stocks))
        object.__setattr__(self, "at", _time(self.at))


@dataclass(frozen=True)
class Clause:
    """Gives stocks back to their holders on a condition.

    Parameters:
        name: what it is called.
        when: the condition: ``germany regime=soviet``, ``germany|bavaria regime=soviet`` (either of them), or
            ``place regime=soviet`` (the place of each stock); None for what comes in every world on the day `at`,
            as it did in fact, because no model moves it.
        stocks: names of the stocks given back; empty for all that treaties move.
        by: the last day on which the condition may come true; None for the end of the window.
        at: a day at whose end the condition must hold, whatever went before; not together with `by`.
        lasting: for how many units of the clock it must hold without a break.
        source, note: where it is from.
    """

    name: str
    when: str | None = None
    stocks: Sequence[str] = ()
    by: str | float | None = None
    at: str | float | None = None
    lasting: float = 0.0
    source: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "stocks", _names(self.stocks))
        object.__setattr__(self, "by", _time(self.by))
        object.__setattr__(self, "at", _time(self.at))

    @property
    def placed(self) -> bool:
        """Return whether the condition is about the place of each stock."""
        return self.when is not None and PLACE in self.when.split(" ")[0].split("|")


@dataclass(frozen=True)
class Fact:
    """Something that happened and that no model of the ledger explains: a signature, an annulment.

    Parameters:
        name: what it is called.
        value: what the source says, as text.
        measure: ``date``, ``days`` or another unit of measure.
        source, citation, confidence, note: where it is from.
    """

    name: str
    value: str
    measure: str = ""
    source: str = ""
    citation: str = ""
    confidence: str = "unrated"
    note: str = ""


@dataclass(frozen=True)
class Ledger:
    """Stocks, the treaties that move them and the clauses that give them back.

    Parameters:
        stocks, treaties, clauses: each stock is moved by at most one treaty.
        facts: what came of it, kept beside the worlds and never mixed with them.
        title, note: what it is about.
        where: the file that it was read from, for messages.

    Raises:
        ModelError: the ledger is wrong; every problem is listed.
    """

    stocks: Sequence[Stock]
    treaties: Sequence[Treaty]
    clauses: Sequence[Clause] = ()
    facts: Sequence[Fact] = ()
    title: str = ""
    note: str = ""
    where: str = field(default="ledger", repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in ("stocks", "treaties", "clauses", "facts"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        refuse(problems_of(self), self.where)

    # --- what is on paper -------------------------------------------------------------------------------

    def names(self) -> tuple[str, ...]:
        """Return the names of the stocks, each once."""
        return tuple(dict.fromkeys(stock.name for stock in self.stocks))

    def staked(self) -> pd.DataFrame:
        """Return every stock that a treaty moves, with its rival figures side by side.

        Columns: stock, place, measure, amount, low, high (of all figures in the same measure; never averaged),
        treaty, holder, taker, rivals, source, rival_source, citation, confidence, note.
        """
        import pandas as pd

        rows = []
        for treaty in self.treaties:
            for stock in self.stocks:
                if stock.name in treaty.stocks:
                    rows.append(
                        {
                            "stock": stock.name,
                            "place": stock.place,
                            "measure": stock.measure,
                            "amount": stock.amount,
                            "low": stock.low,
                            "high": stock.high,
                            "treaty": treaty.name,
                            "holder": stock.holder,
                            "taker": treaty.taker,
                            "rivals": "; ".join(rival.text for rival in stock.rivals),
                            "source": stock.source,
                            "rival_source": "; ".join(
                                dict.fromkeys(r.source for r in stock.rivals if r.source)
                            ),
                            "citation": stock.citation,
                            "confidence": stock.confidence,
                            "note": stock.note,
                        }
                    )
        return pd.DataFrame(rows)

    def break_even(
        self, refusing: Sequence[float] = REFUSING, losing: Mapping[str, float] | None = None
    ) -> pd.DataFrame:
        """Return how likely the return must be for signing to lose no more than refusing.

            p* = max(0, 1 - A / S)

        S: what the treaty takes of a stock, lost for certain by signing and given back with probability p, so
        that signing costs S (1 - p). A: what refusing costs on average. Signing is the better bet where p > p*;
        where A is at least S, at any p. No data give A: it is what the quarrel of 1918 was about. Where a
        stock's whole is known, A = q whole, for several probabilities q that refusing costs the whole.

        Parameters:
            refusing: values of q.
            losing: instead, what refusing costs of a stock, in its measure, by the name of the stock.

        Returns:
            A row for each stock and alternative: stock, measure, staked, staked_low, staked_high, refusing (q,
            missing under `losing`), refused (A), probability (p*), and probability_low and probability_high from
            the lowest and highest figures of S.

        Raises:
            ModelError: a q that is no probability, or a stock that no treaty moves.
        """
        import pandas as pd

        moved = {name for treaty in self.treaties for name in treaty.stocks}
        found = [
            f"refusing: a probability lies between 0 and 1, not {q!r}" for q in refusing if not 0 <= q <= 1
        ]
        for name, amount in (losing or {}).items():
            if name not in moved:
                found.append(f"losing: no treaty moves a stock {name!r}" + suggestion(name, sorted(moved)))
            if not amount >= 0:
                found.append(f"losing: {name!r} must be at least 0, not {amount!r}")
        refuse(found, "break-even")
        rows = []
        for name in self.names():
            mine = [stock for stock in self.stocks if stock.name == name]
            staked = [sum(getattr(stock, key) for stock in mine) for key in ("amount", "low", "high")]
            wholes = [stock.whole for stock in mine]
            cases: list[tuple[float, float]] = []
            if losing is not None:
                cases = [(math.nan, float(losing[name]))] if name in losing else []
            elif name in moved and None not in wholes:
                whole = sum(each for each in wholes if each is not None)
                cases = [(float(q), q * whole) for q in refusing]
            for q, cost in cases:
                level = [max(0.0, 1.0 - cost / each) if each > 0 else 0.0 for each in staked]
                rows.append((name, mine[0].measure, *staked, q, cost, *level))
        columns = ["stock", "measure", "staked", "staked_low", "staked_high", "refusing", "refused"]
        return pd.DataFrame(rows, columns=[*columns, "probability", "probability_low", "probability_high"])

    def by(self, when: Any) -> Ledger:
        """Return the ledger with another last day for all conditions, but for those asked on a day of their own.

        Parameters:
            when: a date or a number.
        """
        return replace(
            self,
            clauses=[replace(clause, by=when) if clause.at is None else clause for clause in self.clauses],
        )

    # --- what worlds make of it -------------------------------------------------------------------------

    def value(self, ensemble: Ensemble) -> pd.DataFrame:
        """Value every world of an ensemble: a row for each world and stock that a treaty could move.

        A stock is staked in the worlds in which its treaty is made. Of the clauses that could give it back the
        first to come true does. A state entered at an instant is seen after it (left limit).

        Returns:
            world, stock, place, measure, treaty, staked (with staked_low and staked_high from the rival
            figures), signed (time), returned (with returned_low and returned_high), returned_at (time), where
            times are dates signed_on and returned_on, way (the clause), cause (of the event by which the
            condition came to hold; missing where it held already, or in the record), holder (in the end).

        Raises:
            TocsinError: the ledger names a unit, a variable, a state or a date that the worlds do not have;
                every problem is listed.
        """
        from tocsin.ledger.value import value

        return value(self, ensemble)

    def summary(self, ensemble: Ensemble) -> pd.DataFrame:
        """Return for each stock in how many worlds it was staked and returned, and how much came back.

        Shares have Wilson's 95% interval (lower, upper); amounts have the mean and the quantiles 5%, 50% and
        95% over the worlds in which the stock was staked.
        """
        from tocsin.ledger.value import summary

        return summary(self, ensemble)

    def returned(self, ensemble: Ensemble, dates: Iterable[Any] | None = None) -> pd.DataFrame:
        """Return for each clause and date in what share of the worlds with a treaty it had come true by then.

        Parameters:
            dates: asked instead of each clause's own last day; a condition that must hold on a day is asked on it.

        Returns:
            A row for each treaty and clause about its stocks, and each date: treaty, clause, date (or time), worlds
            (those in which the treaty is made), returned, share, lower, upper (Wilson's 95%
            interval), and of_all, the share of all worlds. Each clause stands by itself, whether or not another
            came first. A clause about places counts a world once the condition holds in any of them.
        """
        from tocsin.ledger.value import returned

        return returned(self, ensemble, dates)

    def bet(self, ensemble: Ensemble, clause: str | None = None) -> pd.DataFrame:
        """Return what the worlds say of the bet: how risky refusing must have been for signing to be right.

            q* = s (1 - p)

        s: the share of its whole that is staked of a stock. p: the share of worlds, among those with a treaty,
        in which the clause gives it back. Signing lost less than refusing if refusing would have cost the whole
        with a probability above q*; see `break_even`.

        Parameters:
            clause: by name; the first one by default.

        Returns:
            stock, measure, share (s), worlds, returned (p, with returned_lower and returned_upper by Wilson),
            risk (q*), and risk_low and risk_high over the rival figures and the interval of p together.

        Raises:
            ModelError: there is no such clause.
        """
        from tocsin.ledger.value import bet

        return bet(self, ensemble, clause)

    def in_fact(self, history: History, model: Model | None = None) -> pd.DataFrame:
        """Value what happened by the same rules, as one world; see `value`."""
        from tocsin.ensemble.paired import observed_world

        return self.value(observed_world(history, model))

    def check(self, frame: Frame) -> None:
        """Raise TocsinError with every name and date that worlds of this frame do not have."""
        refuse(problems_in(self, frame), self.where, TocsinError)

    # --- files ------------------------------------------------------------------------------------------

    @staticmethod
    def from_toml(source: str | Path) -> Ledger:
        """Read a ledger from a TOML file or text; raise ModelError that lists every problem."""
        from tocsin.ledger.toml import read_ledger

        return read_ledger(source)

    def to_toml(self) -> str:
        """Return the ledger as TOML text that `from_toml` reads back."""
        from tocsin.ledger.toml import write_ledger

        return write_ledger(self)

    def _repr_html_(self) -> str:
        kept = ["stock", "place", "amount", "low", "high", "measure", "treaty", "taker", "confidence"]
        table: str = self.staked()[kept].to_html(index=False, na_rep="", escape=True)
        return table


def _names(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _time(value: Any) -> str | float | None:
    if isinstance(value, date):
        return value.isoformat()[:10]
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
