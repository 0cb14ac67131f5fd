"""Design rows: the terms of one formula for every unit, every stretch of time and every joint state.

A formula sees covariates, calendar and state variables. For one unit these are constant over *pieces* of
time and over the states it may be in; so a formula is a small matrix of distinct rows, and for every piece
and state the number of its row. Hazards then cost one look-up, whatever the formula.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tocsin.errors import FitError, ModelError, suggestion
from tocsin.history.arrays import THINNED
from tocsin.model.formula import argument_of, check_formula, design_matrix, summands
from tocsin.model.learned import Level, Role
from tocsin.model.special_terms import (
    AGE,
    UNKNOWN_TERM,
    Special,
    age_columns,
    age_formula,
    age_of,
    cut_special,
)
from tocsin.model.terms import Node, categories_of, factors_of, names_of, parse, transforms_of
from tocsin.model.transforms import cuts_of, learn, piece_names, pieces

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from tocsin.history.arrays import Numbers
    from tocsin.history.history import History
    from tocsin.model.special_terms import Special
    from tocsin.program.joint_states import JointStates

CALENDAR = ("t", "month", "year")

MOST_PIECES = 50_000_000

MANY_PIECES = 20_000

MANY_NUMBERS = 1_000_000  # in a matrix, from which looking for equal rows costs more than it saves


@dataclass(frozen=True)
class Design:
    """The distinct rows of one formula and where each is in force.

    Attributes:
        terms: names of the terms (k).
        matrix: distinct rows (rows, k); column after column where it is long.
        starts: time from which each piece is in force (pieces,), unit by unit.
        first: first piece of each unit (units + 1,).
        rows: row of each piece and column of states (pieces, columns); -1 where a covariate is missing.
        columns: column of `rows` for each joint state (joint states,).
        early: row of each early event and column of states (early events, columns), by left limit.
        uses: the names that the formula uses.
        learnt: what the formula learnt of its columns: levels, and which are numbers.
        scale: by what the hazard of each row is multiplied (rows,), None for nothing; see `damping`.
        specials: terms that follow exposures, whose levels are columns of `rows` beside the states.
        strides: by how many columns each level of these moves the row (specials,).
        follows: which of them each term is multiplied by as a number (k,), -1 for none.
        age: the age of the unit's state, where the formula names it. Where it has levels (see `age_columns`) the rows
            of one level stand after those of the one before, `base` of each, and `rows` tells those of the first.
        times: where the age is a number, by what it is multiplied in each term (rows, k); the terms of the age stand
            last, and `matrix` has what is added to the product: zero, but where terms are centred.
    """

    terms: tuple[str, ...]
    matrix: NDArray[np.float64]
    starts: NDArray[np.float64]
    first: NDArray[np.int64]
    rows: NDArray[np.int32]
    columns: NDArray[np.int32]
    early: NDArray[np.int32]
    uses: tuple[str, ...]
    learnt: Role
    scale: NDArray[np.float64] | None = None
    specials: tuple[Special, ...] = ()
    strides: tuple[int, ...] = ()
    follows: tuple[int, ...] = ()
    age: Special | None = None
    base: int = 0
    times: NDArray[np.float64] | None = None

    def taken(self, who: NDArray[np.int64]) -> Design:
        """Return the design of these units, each as often as it is named (units,)."""
        count = np.diff(self.first)[who]
        first = np.concatenate([[0], np.cumsum(count)]).astype(np.int64)
        piece = np.repeat(self.first[who] - first[:-1], count) + np.arange(first[-1])
        return replace(
            self, starts=self.starts[piece], first=first, rows=np.ascontiguousarray(self.rows[piece])
        )

    @cached_property
    def by_term(self) -> NDArray[np.float64]:
        """Return the matrix column after column (k, rows): as long matrices lie in memory already."""
        return np.ascontiguousarray(self.matrix.T)

    @cached_property
    def thin(self) -> NDArray[np.float64]:
        """Return one of so many rows of a long matrix, column after column (k, rows / THINNED)."""
        return np.ascontiguousarray(self.by_term[:, ::THINNED])

    @cached_property
    def ranges(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the least and the largest value of each term (k,)."""
        return self.by_term.min(axis=1, initial=np.inf), self.by_term.max(axis=1, initial=-np.inf)


def known_names(history: History, joint: JointStates) -> list[str]:
    """Return every name that a formula may use with this history."""
    numbers = history.numbers
    calendar = list(CALENDAR) if history.dated else ["t"]
    return [*joint.names, *numbers.covariates, *numbers.static, *calendar]


def _calendar_starts(history: History) -> NDArray[np.float64]:
    numbers = history.numbers
    count = int(np.ceil(numbers.end - numbers.start))
    return numbers.start + np.arange(count, dtype=np.float64)


def _calendar_values(history: History, name: str, starts: NDArray[np.float64]) -> NDArray[Any]:
    """Return t, month or year of the clock unit (k, k + 1] that begins at or before each start; a period is
    its own t."""
    numbers = history.numbers
    first = 0.0 if history.dated else history._clock.began(numbers.start)
    whole = np.floor(starts - numbers.start) + first
    if name == "t":
        return whole
    import pandas as pd

    dates = pd.DatetimeIndex(pd.to_datetime(history.to_date(np.floor(starts))))
    return np.asarray(dates.month if name == "month" else dates.year, dtype=np.int64)


def _pieces(
    history: History, dated: list[str], calendar: bool, cuts: Sequence[float] = ()
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return unit and start of every piece, sorted; each unit's first piece starts when it enters."""
    numbers = history.numbers
    count = len(numbers.units)
    units = [np.arange(count, dtype=np.int64)]
    starts = [numbers.enter.astype(np.float64)]
    everyone: list[NDArray[np.float64]] = []
    for name in dict.fromkeys(_alike(history, dated).values()):
        rows = numbers.covariates[name]
        own = rows.unit >= 0
        # A row that ends where the next of its unit begins makes one piece.
        apart = np.ones(own.size, dtype=bool)
        apart[:-1] = (rows.unit[1:] != rows.unit[:-1]) | (rows.start[1:] != rows.end[:-1])
        for times, kept in ((rows.start, own), (rows.end, own & apart)):
            units.append(rows.unit[kept].astype(np.int64))
            starts.append(times[kept])
            everyone.append(np.unique(times[~own]))
    if calendar:
        everyone.append(_calendar_starts(history))
    everyone.append(np.array(cuts, dtype=np.float64))
    common = np.unique(np.concatenate(everyone)) if everyone else np.empty(0)
    if common.size * count > MOST_PIECES:
        raise FitError(
            f"a formula of calendar terms or covariates common to all makes {common.size} pieces of time for "
            f"each of {count} units, which is too many: use a coarser clock or fewer changes"
        )
    units.append(np.repeat(np.arange(count, dtype=np.int64), common.size))
    starts.append(np.tile(common, count))
    unit, start = np.concatenate(units), np.concatenate(starts)
    inside = (start >= numbers.enter[unit]) & (start < numbers.exit[unit])
    inside[:count] = True  # a unit that is never present still has its first piece
    # Sorted by unit, then time: complex numbers are, and runs that are sorted already cost next to nothing.
    pairs = np.sort(unit[inside] + 1j * start[inside], kind="stable")
    unit, start = pairs.real.astype(np.int64), pairs.imag.copy()
    fresh = np.ones(unit.size, dtype=bool)
    fresh[1:] = (unit[1:] != unit[:-1]) | (start[1:] != start[:-1])
    return unit[fresh], start[fresh]


def _alike(history: History, names: list[str]) -> dict[str, str]:
    """Return for each dated covariate the first one whose rows are in force for the same units and times."""
    found: dict[str, str] = {}
    for name in names:
        rows = history.numbers.covariates[name]
        for other in found.values():
            others = history.numbers.covariates[other]
            if all(np.array_equal(getattr(rows, x), getattr(others, x)) for x in ("unit", "start", "end")):
                found[name] = other
                break
        else:
            found[name] = name
    return found


def _lookup(
    row_unit: NDArray[np.int64],
    row_start: NDArray[np.float64],
    row_end: NDArray[np.float64],
    row_value: NDArray[np.float64],
    unit: NDArray[np.int64],
    start: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the value in force just after `start` for each unit, NaN where no row (start, end] covers it."""
    if np.array_equal(row_unit, unit) and np.array_equal(row_start, start):  # rows are the pieces
        return row_value if (row_end > row_start).all() else np.where(row_end > row_start, row_value, np.nan)
    values = np.full(unit.size, np.nan)
    if not row_unit.size:
        return values
    times, ranks = np.unique(np.concatenate([row_start, start]), return_inverse=True)
    span = times.size + 1
    row_key = row_unit * span + ranks[: row_unit.size]
    order = np.argsort(row_key, kind="stable")
    position = np.searchsorted(row_key[order], unit * span + ranks[row_unit.size :], side="right") - 1
    row = order[np.maximum(position, 0)]
    covers = (position >= 0) & (row_unit[row] == unit) & (row_end[row] > start)
    values[covers] = row_value[row[covers]]
    return values


def covariate_values(
    history: History, name: str, unit: NDArray[np.int64], start: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return a dated covariate just after `start`: the unit's own row, the row of all, the value outside."""
    rows = history.numbers.covariates[name]
    own = rows.unit >= 0
    if own.all():
        value = _lookup(rows.unit.astype(np.int64), rows.start, rows.end, rows.value, unit, start)
    else:
        value = _lookup(
            rows.unit[own].astype(np.int64), rows.start[own], rows.end[own], rows.value[own], unit, start
        )
        zeros = np.zeros(int((~own).sum()), dtype=np.int64)
        shared = _lookup(
            zeros, rows.start[~own], rows.end[~own], rows.value[~own], np.zeros_like(unit), start
        )
        value = np.where(np.isnan(value), shared, value)
    if name in history.numbers.static:
        static = history.numbers.static[name]
        if static.dtype.kind == "f":
            value = np.where(np.isnan(value), static[unit], value)
    if name in history.outside:
        value = np.where(np.isnan(value), history.outside[name], value)
    return value


def _raw_columns(
    names: list[str], history: History, unit: NDArray[np.int64], start: NDArray[np.float64]
) -> dict[str, NDArray[Any]]:
    raw: dict[str, NDArray[Any]] = {}
    for name in names:
        if name in history.numbers.covariates:
            raw[name] = covariate_values(history, name, unit, start)
        elif name in history.numbers.static:
            raw[name] = history.numbers.static[name][unit]
        else:
            raw[name] = _calendar_values(history, name, start)
    return raw


def _mostly_distinct(raw: Mapping[str, NDArray[Any]], count: int) -> bool:
    """Say whether so many combinations of numbers differ that looking for equal ones gains nothing."""
    numeric = [np.ascontiguousarray(v, dtype=np.float64) for v in raw.values() if v.dtype.kind in "fi"]
    if count < MANY_PIECES or not numeric:
        return False
    sample = np.linspace(0, count - 1, MANY_PIECES // 8).astype(np.int64)
    for values in numeric:
        if np.unique(values[sample]).size > 0.9 * sample.size:  # one that differs alone makes all differ
            alone = np.sort(values)
            if 2 * np.count_nonzero(alone[1:] != alone[:-1]) > count:
                return True
    for place in (sample, slice(None)):  # a sample first: most covariates change seldom
        code = np.zeros(sample.size if place is sample else count, dtype=np.uint64)
        for values in numeric:  # wraps around; what falls together by chance costs nothing but time
            code = code * np.uint64(0x9E3779B97F4A7C15) + values[place].view(np.uint64)
            code ^= code >> np.uint64(29)
        code.sort()
        if 2 * np.count_nonzero(code[1:] != code[:-1]) < code.size:
            return False
    return True


def _distinct(raw: Mapping[str, NDArray[Any]], count: int) -> tuple[pd.DataFrame, NDArray[np.int64]]:
    """Return the distinct combinations of raw values, and the one of each piece (-1: missing)."""
    import pandas as pd

    if _mostly_distinct(raw, count):
        known = np.logical_and.reduce([~pd.isna(values) for values in raw.values()])
        if known.all():
            return pd.DataFrame(dict(raw), copy=False), np.arange(count)
        chosen = {name: np.asarray(values)[known] for name, values in raw.items()}
        return pd.DataFrame(chosen, copy=False), np.where(known, np.cumsum(known) - 1, -1)
    code = np.zeros(count, dtype=np.int64)
    missing = np.zeros(count, dtype=bool)
    for values in raw.values():
        codes, uniques = pd.factorize(values, sort=True)
        missing |= codes < 0
        code = np.unique(code * (len(uniques) + 1) + codes, return_inverse=True)[1]
    code[missing] = -1
    present = np.unique(code[~missing])
    where = np.full(int(code.max(initial=-1)) + 1, -1, dtype=np.int64)
    where[present] = np.arange(present.size)
    first = np.full(present.size, -1, dtype=np.int64)
    index = np.flatnonzero(~missing)
    first[where[code[index[::-1]]]] = index[::-1]
    frame = pd.DataFrame(
        {name: np.asarray(values)[first] for name, values in raw.items()}, index=range(first.size)
    )
    return frame, np.where(code >= 0, where[code], -1)


def _of_panel(formula: str, history: History, joint: JointStates) -> Design | None:
    """Return the design of a sum of covariates that stand side by side already; None for any other."""
    panel = history.numbers.panel
    names = None if panel is None else summands(formula, panel.names)
    chosen = None if panel is None or names is None else panel.choose(names)
    if panel is None or names is None or chosen is None:
        return None
    nothing = np.empty((0, 1), dtype=np.int32)
    columns = joint.columns([])
    rows = panel.numbers[:, None]
    learnt = Role(("1", *names), numbers=tuple(names))
    made = Design(
        learnt.terms, chosen.whole.T, panel.start, panel.first, rows, columns, nothing, tuple(names), learnt
    )
    made.__dict__.update(thin=chosen.thin, ranges=chosen.ranges)  # known already
    return made


def _levels(
    formula: str,
    history: History,
    raw: Mapping[str, NDArray[Any]],
    combination: NDArray[np.int64],
    unit: NDArray[np.int64],
    learnt: Role | None,
    transforms: Mapping[str, Mapping[str, Any]],
) -> dict[str, tuple[Level, ...]]:
    """Return the levels of every category of a formula, by what reads it: ``x``, or ``C(year)`` for numbers.

    Parameters:
        raw: values of the names that are no state variables (pieces,); combination: -1 where one is missing.
        unit: the unit of each piece, for messages.
        learnt: what was learnt from another history, whose levels stand.

    Raises:
        ModelError: a level that is not among those that were learnt, or a kind of column that is another one.
    """
    import pandas as pd

    found: dict[str, tuple[Level, ...]] = {}
    as_categories = categories_of(cut_special(formula).formula)
    known = combination >= 0
    for name, values in raw.items() if known.any() else ():
        text = values.dtype.kind == "O"
        if learnt is not None and text == (name in learnt.numbers):
            was, now = ("numbers", "a category") if text else ("a category", "numbers")
            raise ModelError(
                f"{name!r} was {was} in the history that was fitted, and is {now} in {history.name!r}"
            )
        column = name if text else f"C({name})"
        if not text and name not in as_categories:
            continue
        there = set(pd.unique(values[known]).tolist())
        if learnt is None:
            order: Sequence[Any] = history.numbers.levels.get(name, sorted(there)) if text else sorted(there)
            if name in transforms:
                order = piece_names(transforms[name]["cuts"])
            found[column] = tuple(level for level in order if level in there)
            continue
        found[column] = learnt.levels.get(column, ())
        unseen = sorted(there.difference(found[column]))
        if unseen:
            raise _never_seen(name, unseen[0], found[column], history, unit[known & (values == unseen[0])])
    return found


def _never_seen(
    name: str, level: Level, known: Sequence[Level], history: History, units: NDArray[np.int64]
) -> ModelError:
    """Return the refusal of a level of which a fit knows nothing."""
    own = name in history.numbers.static or name in history.numbers.covariates
    where = f" of unit {history.numbers.units[units[0]]!r}" if own else ""
    have = ", ".join(str(each) for each in known[:8]) + (", ..." if len(known) > 8 else "")
    return ModelError(
        f"{name!r} is {str(level)!r}{where} in {history.name!r}, a level that was never seen when the model was fitted "
        f"(it knows {have}): nothing is known of it"
        + suggestion(str(level), [str(each) for each in known])
        + "; fit a history that has it, or leave such units and times out"
    )


Moments = tuple["NDArray[np.int64]", "NDArray[np.float64]"]


def _spoken(formula: str, without: set[str]) -> list[str]:
    """Return the names that a formula uses outside of some of its transforms."""

    def inside(node: Node) -> list[str]:
        if node.text in without and node.function:
            return []
        own = list(names_of(replace(node, parts=())))
        return own + [name for part in node.parts for name in inside(part)]

    return inside(parse(cut_special(formula).formula))


def _times(history: History) -> NDArray[np.float64]:
    """Return what `t` is when the window begins and when it ends."""
    numbers = history.numbers
    first = 0.0 if history.dated else float(history._clock.began(numbers.start))
    return np.array([first, first + numbers.end - numbers.start])


def _cut(node: Node, values: NDArray[np.float64]) -> dict[str, Any]:
    """Return what pieces learn: where they begin."""
    if not values.size:
        return {"cuts": list(node.numbers)}
    return {"cuts": cuts_of(node, float(values.min()), float(values.max()))}


def _weighed(
    history: History,
    values: NDArray[np.float64],
    combination: NDArray[np.int64],
    unit: NDArray[np.int64],
    start: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the values that each unit has, and how long it is there with them, in all as many as there are units.

    Parameters:
        values: by combination; combination: of each piece of time, -1 where it is missing; unit, start: of the pieces.
    """
    numbers = history.numbers
    last = np.append(unit[1:] != unit[:-1], True)
    end = np.where(last, numbers.exit[unit], np.append(start[1:], 0.0))
    time = np.maximum(end - start, 0.0)
    away = numbers.absences
    for i, begin, finish in zip(away.unit, away.start, away.end, strict=True):
        mine = slice(*np.searchsorted(unit, [i, i + 1]))
        time[mine] -= np.maximum(np.minimum(end[mine], finish) - np.maximum(start[mine], begin), 0.0)
    chosen = combination[: unit.size]
    kept = (chosen >= 0) & (time > 0)
    who, value, time = unit[kept], values[chosen[kept]], time[kept]
    order = np.lexsort((value, who))
    who, value, time = who[order], value[order], time[order]
    fresh = (
        np.append(True, (who[1:] != who[:-1]) | (value[1:] != value[:-1])) if who.size else np.zeros(0, bool)
    )
    total = np.add.reduceat(time, np.flatnonzero(fresh)) if who.size else time
    return value[fresh], total * np.unique(who).size / max(float(total.sum()), 1e-300)


def build_design(
    formula: str,
    history: History,
    joint: JointStates,
    *,
    intercept: bool = True,
    early: Moments | None = None,
    learnt: Role | None = None,
    unknown: bool = False,
) -> Design:
    """Evaluate a formula over the units, pieces of time and states of a history.

    Parameters:
        formula: the formula.
        history: the history whose covariates it reads.
        joint: the joint states of the model.
        intercept: whether the formula has an intercept (infectiousness has none).
        early: units and times of early events, whose marks are read by left limit.
        learnt: what the formula learnt from another history; None to learn from this one.
        unknown: whether a unit enters in a state of unknown age that the transition leaves.

    Raises:
        ModelError: an unknown name, a formula that cannot be evaluated, or a level that was never seen.
        FitError: more pieces of time than memory holds.
    """
    import pandas as pd

    said, cut, age = formula, cut_special(formula), age_of(formula)
    check_formula(said, known_names(history, joint), special=intercept)
    exposures = tuple(each for each in cut.specials if each.what != AGE)
    if exposures and age is not None:
        raise ModelError(
            f"the formula {said!r} has an exposure beside {age.inside}, which are not worked out together: give each a "
            "cause of its own, or leave one of them out"
        )
    formula = cut.formula
    names = check_formula(formula)
    names = tuple(name for name in names if name not in {each.name for each in cut.specials})
    for name in names:
        if name in joint.names and (name in history.numbers.covariates or name in history.numbers.static):
            raise ModelError(
                f"the name {name!r} in the formula {formula!r} is both a variable and a covariate"
            )
    laid = _of_panel(formula, history, joint) if intercept else None
    if laid is not None:
        return laid
    states = [name for name in names if name in joint.names]
    others = [name for name in names if name not in joint.names]
    dated = [name for name in others if name in history.numbers.covariates]
    bent = transforms_of(formula)
    for node in bent.values():
        for name in names_of(node):
            if name in states:
                raise ModelError(
                    f"the formula {said!r} bends {name!r} in {node.text}, which is a state variable: only numbers "
                    f"bend; write {name} itself, whose states are levels"
                )
    own = {*history.numbers.static, *dated}
    timed = [
        node for node in bent.values() if (node.function, node.argument) == ("pieces", "t") and "t" not in own
    ]
    spoken = set(_spoken(formula, {node.text for node in timed}))
    calendar = any(name in CALENDAR and name not in own for name in others if name in spoken)
    others = [name for name in others if name in spoken]
    taught = {} if learnt is None else learnt.transforms
    transforms = {node.text: dict(taught.get(node.text) or _cut(node, _times(history))) for node in timed}
    # Pieces of time begin at their cuts, and at no other unit of the clock.
    shift = history.numbers.start - _times(history)[0]
    cuts = [cut + shift for node in timed for cut in transforms[node.text]["cuts"]]
    unit, start = _pieces(history, dated, calendar, cuts)
    count = unit.size
    early_unit, early_time = early if early is not None else (np.empty(0, dtype=np.int64), np.empty(0))
    # Just before an event, the row in force is the one that holds at its instant: rows hold on (start, end].
    raw = _raw_columns(
        others,
        history,
        np.concatenate([unit, early_unit]),
        np.concatenate([start, np.nextafter(early_time, -np.inf)]),
    )
    everywhere, when = (
        np.concatenate([unit, early_unit]),
        np.concatenate([start, np.nextafter(early_time, -np.inf)]),
    )
    for node in (each for each in bent.values() if each.function == "pieces"):
        values = when - shift if node in timed else argument_of(formula, node, pd.DataFrame(raw, copy=False))
        if node not in timed:
            transforms[node.text] = dict(taught.get(node.text) or _cut(node, values[np.isfinite(values)]))
        raw[node.text] = pieces(values, transforms[node.text]["cuts"])
        if not {*names_of(node)} & set(_spoken(formula, {node.text})):
            for name in names_of(node):
                raw.pop(name, None)
    others = list(raw)
    frame, combination = _distinct(raw, count + early_unit.size)
    levels = _levels(formula, history, raw, combination, everywhere, learnt, transforms)
    for node in (each for each in bent.values() if each.function != "pieces"):
        values = argument_of(formula, node, frame)
        transforms[node.text] = dict(
            taught.get(node.text) or learn(node, *_weighed(history, values, combination, unit, start))
        )
    for name, known in levels.items():
        column = frame[name.removeprefix("C(").removesuffix(")") if name not in frame else name]
        frame[name] = pd.Categorical(column, categories=list(known))
    inner = {name: joint.variables[name].states for name in states}
    inner |= {each.name: each.levels for each in exposures if each.levels}
    for each in exposures:
        if not each.levels:
            frame[each.name] = np.ones(len(frame))
    moves = list(itertools.product(*inner.values()))
    blocks = []
    for values in moves if inner else ():
        block = frame.copy()
        for (name, known), value in zip(inner.items(), values, strict=True):
            block[name] = pd.Categorical([value] * len(block), categories=known)
        blocks.append(block)
    table = pd.concat(blocks, ignore_index=True) if inner else frame
    if not len(table):
        raise FitError(
            f"the formula {formula!r} has no row without a missing value: "
            f"{', '.join(others)} is known for no unit at any time"
        )
    if age is None:
        whole = table
    else:
        unknown = _learnt_unknown(age, unknown, learnt, history)
        whole = _by_age(age, unknown, table)
    matrix, terms = design_matrix(age_formula(said, unknown), whole, intercept, transforms)
    if not np.isfinite(matrix).all():
        bad = whole.iloc[int(np.argwhere(~np.isfinite(matrix))[0, 0])].to_dict()
        raise ModelError(f"the formula {formula!r} is not finite where {bad}")
    levels_of_age = len(whole) // len(table)
    side = matrix if age is None else np.hstack(np.split(matrix, levels_of_age))
    many = len(frame) > 0.5 * (count + early_unit.size) > 0.5 * MANY_PIECES
    if many or matrix.size > MANY_NUMBERS:  # combinations differ, and hardly two of them make one row
        unique, number = matrix, np.arange(len(table), dtype=np.int64)[:, None]
    else:
        side, number = np.unique(side, axis=0, return_inverse=True)
        unique = side if age is None else np.vstack(np.split(side, levels_of_age, axis=1))
    number = np.append(number.reshape(len(moves), len(frame)), np.full((len(moves), 1), -1), axis=1)
    rows = np.ascontiguousarray(number[:, combination].T.astype(np.int32))
    first = np.zeros(len(history.numbers.units) + 1, dtype=np.int64)
    first[1:] = np.cumsum(np.bincount(unit, minlength=len(history.numbers.units)))
    sizes = [len(each.levels) or 1 for each in exposures]
    times = None
    if age is not None and age.form != "pieces":
        aged = np.array([age.name in term.split(":") for term in terms])
        order = np.argsort(aged, kind="stable")
        terms, unique = [terms[k] for k in order], unique[:, order]
        times, unique = np.where(aged[order], unique, 0.0), np.where(aged[order], 0.0, unique)
    return Design(
        tuple(terms),
        unique,
        start,
        first,
        rows[:count],
        joint.columns(states) * np.int32(math.prod(sizes)),
        rows[count:],
        names,
        Role(
            tuple(terms),
            levels,
            tuple(name for name in others if raw[name].dtype.kind in "fi"),
            transforms=transforms,
        ),
        specials=exposures,
        strides=tuple(math.prod(sizes[k + 1 :]) for k in range(len(sizes))),
        follows=_followed(exposures, terms),
        age=age,
        base=len(unique) // levels_of_age,
        times=times,
    )


def _followed(specials: Sequence[Special], terms: Sequence[str]) -> tuple[int, ...]:
    """Return for each term which of the special ones it is multiplied by as a number, -1 for none."""
    place = {each.name: k for k, each in enumerate(specials) if not each.levels}
    return tuple(
        next((place[factor] for factor in factors_of(term) if factor in place), -1) if place else -1
        for term in terms
    )


def _by_age(age: Special, unknown: bool, table: pd.DataFrame) -> pd.DataFrame:
    """Return a table once for each level of an age, with the columns that `age_formula` reads."""
    import pandas as pd

    columns = age_columns(age, unknown)
    blocks = []
    for level in range(len(columns[age.name])):
        block = table.copy()
        for name, values in columns.items():
            value = values[level]
            known = list(values) if isinstance(value, str) else None
            block[name] = value if known is None else pd.Categorical([value] * len(block), categories=known)
        blocks.append(block)
    return pd.concat(blocks, ignore_index=True)


def _learnt_unknown(age: Special, met: bool, learnt: Role | None, history: History) -> bool:
    """Return whether unknown ages are a level: as the fitted history had it, or as this one has where none was.

    Raises:
        ModelError: ages are unknown, and those of the fitted history were all known.
    """
    if learnt is None:
        return met
    had = any(UNKNOWN_TERM in term.split(":") for term in learnt.terms)
    if met and not had:
        raise ModelError(
            f"{age.inside!r} is unknown of some units in {history.name!r}, and was known of all when the model was "
            "fitted: say since when they have been in their states (a column VARIABLE_since in units), or count from "
            "where they are first seen (unknown='entry')"
        )
    return had


# --- Hazards multiplied for some units over some time: a design whose rows carry a factor beside
#     their terms


class Damping(NamedTuple):
    """A hazard multiplied by a factor.

    Fields: number of the cause; position of the unit, -1 for all; time over which it holds, (start, end].
    """

    cause: int
    unit: int
    start: float
    end: float
    factor: float


def damped(design: Design, numbers: Numbers, dampings: Sequence[Damping]) -> Design:
    """Return a design that gives its rows times the factors of the dampings in force.

    Where a factor is zero, a missing covariate does no harm.
    """
    count = len(numbers.units)
    unit = np.repeat(np.arange(count), np.diff(design.first))
    start = design.starts
    origin = np.arange(unit.size)
    cut_unit, cut_time = [], []
    for each in dampings:
        units = np.arange(count) if each.unit < 0 else np.array([each.unit])
        for time in (each.start, each.end):
            inside = units[(numbers.enter[units] < time) & (time < numbers.exit[units])]
            cut_unit.append(inside)
            cut_time.append(np.full(inside.size, time))
    unit = np.concatenate([unit, *cut_unit])
    start = np.concatenate([start, *cut_time])
    origin = np.concatenate([origin, np.full(unit.size - origin.size, -1)])
    order = np.lexsort((origin < 0, start, unit))
    unit, start = unit[order], start[order]
    # A cut lies in the last piece of its unit that began before it.
    origin = np.maximum.accumulate(origin[order])
    fresh = np.ones(unit.size, dtype=bool)
    fresh[1:] = (unit[1:] != unit[:-1]) | (start[1:] != start[:-1])
    unit, start, origin = unit[fresh], start[fresh], origin[fresh]
    factor = np.ones(unit.size)
    for each in dampings:
        here = (start >= each.start) & (start < each.end)
        factor[here if each.unit < 0 else here & (unit == each.unit)] *= each.factor
    levels, level = np.unique(factor, return_inverse=True)
    size = design.matrix.shape[0]
    rows = design.rows[origin]
    shifted = rows + size * level[:, None]
    rows = np.where((rows >= 0) | (factor == 0.0)[:, None], np.maximum(shifted, size * level[:, None]), -1)
    first = np.zeros(count + 1, dtype=np.int64)
    first[1:] = np.cumsum(np.bincount(unit, minlength=count))
    return replace(
        design,
        matrix=np.tile(design.matrix, (levels.size, 1)),
        times=None if design.times is None else np.tile(design.times, (levels.size, 1)),
        starts=start,
        first=first,
        rows=np.ascontiguousarray(rows.astype(np.int32)),
        scale=np.repeat(levels, size),
    )


def factors(design: Design, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the factors of the rows of a design (rows,), damped where it is."""
    return values if design.scale is None else values * design.scale
