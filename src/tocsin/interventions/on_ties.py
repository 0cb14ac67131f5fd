"""Interventions on ties: a layer or a tie taken away, scaled, rewired, or added."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tocsin.errors import ModelError, SentenceError, check_seed
from tocsin.history.describe import short_labels
from tocsin.interventions.altered import Altered, joined, kept, span
from tocsin.interventions.intervention import SPAN, Check, Intervention, Touched, date, number
from tocsin.model.declaration import layers_of
from tocsin.program.ties import swapped

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.history.arrays import TieArrays
    from tocsin.history.history import History
    from tocsin.program.program import Program


@dataclass(frozen=True)
class _OfLayer(Intervention, family=True):
    layer: str

    def touch(self, program: Program, found: Touched) -> None:
        """Note the hazards of the causes that go along the layer, of all units or of the target."""
        index = program.history.numbers.unit_index
        target = getattr(self, "target", None)
        reached = [self.layer in layers_of(cause) for _, cause in program.causes]
        found.hazards(reached, None if target is None else index[target], self.since(program))

    def chosen(self, rows: TieArrays, index: Mapping[str, int]) -> NDArray[np.bool_]:
        """Return which rows of the layer are meant."""
        return np.ones(len(rows.weight), dtype=bool)

    def scaled(self, now: Altered, by: float, start: str | None, end: str | None) -> Altered:
        """Return the arrays with the weights of the layer, or of the tie, multiplied over a time."""
        rows = now.numbers.ties[self.layer]
        if by == 1.0 or not len(rows.weight):
            return now
        cut, inside = _cut(rows, self.chosen(rows, now.numbers.unit_index), *span(now.history, start, end))
        cut = replace(cut, weight=np.where(inside, cut.weight * by, cut.weight))
        return _with_ties(now, self.layer, kept(cut, cut.weight > 0))


@dataclass(frozen=True)
class _OfTie(_OfLayer, family=True):
    source: str
    target: str

    def chosen(self, rows: TieArrays, index: Mapping[str, int]) -> NDArray[np.bool_]:
        """Return which rows of the layer are meant."""
        found: NDArray[np.bool_] = (rows.source == index[self.source]) & (rows.target == index[self.target])
        return found

    def pair(self, history: History) -> str:
        """Return 'A to B', as people call them."""
        places = short_labels(history)
        return f"{places.get(self.source, self.source)} to {places.get(self.target, self.target)}"

    def must_be(self, ask: Check, start: str | None, end: str | None) -> None:
        """Refuse a tie that is in force neither in the history nor in what was made of it."""
        first, last = span(ask.history, start, end)
        index = ask.numbers.unit_index
        told = ""
        for numbers in (ask.numbers, ask.history.numbers):
            rows = numbers.ties.get(self.layer)
            if rows is None:
                continue
            pair = self.chosen(rows, index)
            if (pair & (rows.start < last) & (rows.end > first)).any():
                return
            if pair.any():
                begin, finish = float(rows.start[pair].min()), float(rows.end[pair].max())
                told = f" then; it is in force between {ask.between(begin, finish)}"
            elif not told:
                told = self.others(ask, rows.source, rows.target)
        raise ask.refuse(f"layer {self.layer!r} has no tie from {self.source!r} to {self.target!r}{told}")

    def others(self, ask: Check, source: NDArray[np.int32], target: NDArray[np.int32]) -> str:
        """Return what ties there are instead."""
        units, index = ask.numbers.units, ask.numbers.unit_index
        if ((source == index[self.target]) & (target == index[self.source])).any():
            return f", only from {self.target!r} to {self.source!r}"
        found = [units[i] for i in np.unique(source[target == index[self.target]])]
        if not found:
            return f"; nothing reaches {self.target!r} there"
        listed = ", ".join(found[:8]) + (", ..." if len(found) > 8 else "")
        return f"; {self.target!r} is reached from: {listed}"


def remove_layer(layer: str, start: Any = None, end: Any = None) -> RemoveLayer:
    """Take every tie of a layer away, between two dates or always.

    Parameters:
        layer: name of the layer of ties.
        start, end: first and last date on which it is so, of the history's clock; None is the window's own end.

    Example:
        >>> import tocsin as tc
        >>> print(tc.remove_layer("comintern", start="1920-01-01"))
        remove layer comintern from 1920-01-01
    """
    return RemoveLayer(str(layer), date(start), date(end))


@dataclass(frozen=True)
class RemoveLayer(_OfLayer):
    """Every tie of a layer is taken away."""

    FORM = "remove layer {layer}" + SPAN
    said = staticmethod(remove_layer)
    start: str | None = None
    end: str | None = None

    def words(self, history: History) -> str:
        return f"without {history.called(self.layer)}{self.over()}"

    def alter(self, now: Altered) -> Altered:
        return self.scaled(now, 0.0, self.start, self.end)


def scale_layer(layer: str, by: float, start: Any = None, end: Any = None) -> ScaleLayer:
    """Multiply the weights of all ties of a layer by a number of at least 0.

    Parameters:
        layer: name of the layer of ties.
        by: the factor, 0 or more, without a unit.
        start, end: first and last date on which it is so, of the history's clock; None is the window's own end.

    Raises:
        SentenceError: a number or a date cannot be read.

    Example:
        >>> import tocsin as tc
        >>> print(tc.scale_layer("comintern", 0.5))
        scale layer comintern by 0.5
    """
    return ScaleLayer(str(layer), number(by), date(start), date(end))


@dataclass(frozen=True)
class ScaleLayer(_OfLayer):
    """The weights of all ties of a layer are multiplied."""

    FORM = "scale layer {layer} by {by}" + SPAN
    said = staticmethod(scale_layer)
    by: float
    start: str | None = None
    end: str | None = None

    def words(self, history: History) -> str:
        return f"{history.called(self.layer)}, {self.by:g} times as strong{self.over()}"

    def check(self, ask: Check) -> None:
        if self.by < 0:
            raise ask.refuse("weights cannot be negative")

    def alter(self, now: Altered) -> Altered:
        return self.scaled(now, self.by, self.start, self.end)


def rewire_layer(layer: str, seed: int = 0) -> RewireLayer:
    """Swap the ties of a layer at random; every unit keeps its numbers of ties (Maslov & Sneppen 2002).

    Parameters:
        layer: name of the layer of ties.
        seed: whole number from 0 to 2^64 - 1; the same seed swaps the same ties.

    Raises:
        SentenceError: the seed is no such number.

    Example:
        >>> import tocsin as tc
        >>> print(tc.rewire_layer("land_border", seed=3))
        rewire layer land_border seed 3
    """
    try:
        if isinstance(seed, str) and not (seed.isascii() and seed.isdigit()):
            raise ValueError
        number = int(seed)
        if number != seed and not isinstance(seed, str):
            raise ValueError
        check_seed(number if not isinstance(seed, bool) else seed)
    except (TypeError, ValueError, OverflowError, ModelError):
        raise SentenceError(f"a seed is a whole number from 0 to 2^64 - 1, not {seed!r}") from None
    return RewireLayer(str(layer), number)


@dataclass(frozen=True)
class RewireLayer(_OfLayer):
    """The ties of a layer are swapped at random, each unit keeping its degrees."""

    FORM = "rewire layer {layer}[ seed {seed}]"
    said = staticmethod(rewire_layer)
    seed: int = 0

    def words(self, history: History) -> str:
        return f"{history.called(self.layer)} between other places, drawn at random"

    def alter(self, now: Altered) -> Altered:
        return _with_ties(
            now, self.layer, swapped(now.numbers.ties[self.layer], np.random.default_rng(self.seed))
        )


def remove_tie(layer: str, source: str, target: str, start: Any = None, end: Any = None) -> RemoveTie:
    """Take the tie from one unit to another away: ``remove_tie("comintern", "russia", "germany")``.

    Parameters:
        layer: name of the layer of ties.
        source, target: names of the units that the tie leads from and to.
        start, end: first and last date on which it is so, of the history's clock; None is the window's own end.

    Example:
        >>> import tocsin as tc
        >>> print(tc.remove_tie("comintern", "russia", "germany"))
        remove tie comintern russia > germany
    """
    return RemoveTie(str(layer), str(source), str(target), date(start), date(end))


@dataclass(frozen=True)
class RemoveTie(_OfTie):
    """The tie between two units is taken away."""

    FORM = "remove tie {layer} {source} > {target}" + SPAN
    said = staticmethod(remove_tie)
    start: str | None = None
    end: str | None = None

    def words(self, history: History) -> str:
        return f"without {history.called(self.layer)} from {self.pair(history)}{self.over()}"

    def check(self, ask: Check) -> None:
        self.must_be(ask, self.start, self.end)

    def alter(self, now: Altered) -> Altered:
        return self.scaled(now, 0.0, self.start, self.end)


def scale_tie(
    layer: str, source: str, target: str, by: float, start: Any = None, end: Any = None
) -> ScaleTie:
    """Multiply the weight of the tie from one unit to another by a number of at least 0.

    Parameters:
        layer: name of the layer of ties.
        source, target: names of the units that the tie leads from and to.
        by: the factor, 0 or more, without a unit.
        start, end: first and last date on which it is so, of the history's clock; None is the window's own end.

    Raises:
        SentenceError: a number or a date cannot be read.

    Example:
        >>> import tocsin as tc
        >>> print(tc.scale_tie("comintern", "russia", "germany", 2))
        scale tie comintern russia > germany by 2
    """
    return ScaleTie(str(layer), str(source), str(target), number(by), date(start), date(end))


@dataclass(frozen=True)
class ScaleTie(_OfTie):
    """The weight of the tie between two units is multiplied."""

    FORM = "scale tie {layer} {source} > {target} by {by}" + SPAN
    said = staticmethod(scale_tie)
    by: float
    start: str | None = None
    end: str | None = None

    def words(self, history: History) -> str:
        named = f"{history.called(self.layer)} from {self.pair(history)}"
        return f"{named}, {self.by:g} times as strong{self.over()}"

    def check(self, ask: Check) -> None:
        if self.by < 0:
            raise ask.refuse("weights cannot be negative")
        self.must_be(ask, self.start, self.end)

    def alter(self, now: Altered) -> Altered:
        return self.scaled(now, self.by, self.start, self.end)


def add_tie(
    layer: str, source: str, target: str, weight: float = 1.0, start: Any = None, end: Any = None
) -> AddTie:
    """Tie one unit to another, with a weight above 0, between two dates or always.

    Parameters:
        layer: name of the layer of ties.
        source, target: names of the units that the tie leads from and to.
        weight: of the tie, above 0, in the units of the layer.
        start, end: first and last date on which it is so, of the history's clock; None is the window's own end.

    Raises:
        SentenceError: a number or a date cannot be read.

    Example:
        >>> import tocsin as tc
        >>> print(tc.add_tie("comintern", "russia", "hungary", weight=2))
        add tie comintern russia > hungary weight 2
    """
    return AddTie(str(layer), str(source), str(target), number(weight), date(start), date(end))


@dataclass(frozen=True)
class AddTie(_OfTie):
    """A tie is put where the history has none; where it has one, the rule of the layer joins the two."""

    FORM = "add tie {layer} {source} > {target}[ weight {weight}]" + SPAN
    said = staticmethod(add_tie)
    weight: float = 1.0
    start: str | None = None
    end: str | None = None

    def words(self, history: History) -> str:
        strength = f", {self.weight:g} strong" if self.weight != 1.0 else ""
        return f"with {history.called(self.layer)} from {self.pair(history)}{strength}{self.over()}"

    def check(self, ask: Check) -> None:
        """Refuse a weight that is none, and a second tie where the layer has no rule that joins the two."""
        if not self.weight > 0:
            raise ask.refuse("the weight of a tie must be above 0")
        rows = ask.numbers.ties.get(self.layer)
        if rows is None or ask.history.layers[self.layer] is not None:
            return
        first, last = span(ask.history, self.start, self.end)
        index = ask.numbers.unit_index
        there = self.chosen(rows, index)
        there &= (rows.start < last) & (rows.end > first)
        if there.any():
            raise ask.refuse(
                "the two are tied in this layer between "
                f"{ask.between(float(rows.start[there].min()), float(rows.end[there].max()))}; "
                "say 'scale tie ...', or choose other dates"
            )

    def alter(self, now: Altered) -> Altered:
        from tocsin.history.arrays import TieArrays, combined

        start, end = span(now.history, self.start, self.end)
        index = now.numbers.unit_index
        rows = now.numbers.ties.get(self.layer)
        new = TieArrays(
            np.array([index[self.source]], dtype=np.int32),
            np.array([index[self.target]], dtype=np.int32),
            np.array([self.weight]),
            np.array([start]),
            np.array([end]),
        )
        both = new if rows is None else joined([rows, new])
        rule = now.history.layers[self.layer]
        if rule is not None:
            columns = (both.source, both.target, both.weight, both.start, both.end)
            both = TieArrays(*combined(*columns, rule, len(now.numbers.units)))
        return _with_ties(now, self.layer, both)


# --- rows -----------------------------------------------------------------------------------------------


def _with_ties(now: Altered, layer: str, rows: TieArrays) -> Altered:
    return replace(now, numbers=replace(now.numbers, ties={**now.numbers.ties, layer: rows}))


def _cut(
    rows: TieArrays, chosen: NDArray[np.bool_], start: float, end: float
) -> tuple[TieArrays, NDArray[np.bool_]]:
    """Return rows of which none reaches across `start` or `end` if chosen, and which are chosen and inside."""
    overlap = chosen & (rows.start < end) & (rows.end > start)
    parts, marks = [kept(rows, ~overlap)], [np.zeros(int((~overlap).sum()), dtype=bool)]
    for low, high, inside in ((-np.inf, start, False), (start, end, True), (end, np.inf, False)):
        piece = replace(rows, start=np.maximum(rows.start, low), end=np.minimum(rows.end, high))
        part = kept(piece, overlap & (piece.start < piece.end))
        parts.append(part)
        marks.append(np.full(len(part.weight), inside))
    return joined(parts), np.concatenate(marks)
