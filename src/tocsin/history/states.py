"""The events of each unit and variable in the order in which they happened, and the state before them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.words import StateVariable


@dataclass(frozen=True)
class Course:
    """What a set of events does to the states of units.

    Attributes:
        order: (events,) the events by unit, variable, time, sequence; where two events of one unit, variable
            and instant have no sequence but only one order is possible, in that order.
        initial: per variable (units,) the code of the state before a unit's first event.
        repeated: events into a state already held.
        duplicate: events that say again what another says.
        unordered: events of one unit, variable and instant whose order nothing tells.
    """

    order: NDArray[np.int64]
    initial: tuple[NDArray[np.int32], ...]
    repeated: NDArray[np.int64]
    duplicate: NDArray[np.int64]
    unordered: NDArray[np.int64]


def course(
    unit: NDArray[np.int32],
    variable: NDArray[np.int32],
    state: NDArray[np.int32],
    time: NDArray[np.float64],
    sequence: NDArray[np.float64],
    *,
    enter: NDArray[np.float64],
    given: Sequence[NDArray[np.int32] | None],
    variables: Sequence[StateVariable],
) -> Course:
    """Order events and follow the states.

    A state on entry that `units` gives is the state after the events dated at or before entry where those
    events end in it; the state before the first of them is then any other, so that the event is a true entry
    (a memory of it counts). Otherwise it is the state before them.

    Parameters:
        unit, variable, state, time, sequence: (events,) codes, clock numbers, ranks within an instant.
        enter: (units,) clock number at which each unit enters.
        given: per variable (units,) state on entry from the table of units, -1 where not given; or None.
        variables: the declared state variables.
    """
    initial: list[NDArray[Any]] = []
    for declared, column in zip(variables, given, strict=True):
        start = declared.code(str(declared.initial))
        base = np.full(len(enter), start, np.int32)
        initial.append(base if column is None else np.where(column >= 0, column, base).astype(np.int32))
    order = np.lexsort((state, sequence, time, variable, unit)).astype(np.int64)
    none = np.zeros(0, np.int64)
    if not len(order):
        return Course(order, tuple(initial), none, none, none)

    same_series = _same_as_before(order, unit, variable)
    same_instant = same_series & _same_as_before(order, time, sequence)
    duplicate = order[same_instant & _same_as_before(order, state)]
    if len(duplicate):
        order = order[~np.isin(order, duplicate)]
        same_series = _same_as_before(order, unit, variable)
        same_instant = same_series & _same_as_before(order, time, sequence)

    firsts = np.flatnonzero(~same_series)
    u, v = unit[order[firsts]], variable[order[firsts]]
    _back_date(initial, order, firsts, u, v, time, state, enter, given, variables)
    before = np.empty(len(order), np.int32)
    unordered: list[int] = []
    if same_instant.any():
        unordered = _settle(order, firsts, same_instant, unit, variable, state, initial, variables)
    before[1:] = state[order[:-1]]
    before[firsts] = (
        np.array([initial[b][a] for a, b in zip(u, v, strict=True)], np.int32)
        if len(u) < 1000
        else (np.stack(initial)[v, u])
    )
    free = np.array([declared.recurrent for declared in variables])
    repeated = order[(before == state[order]) & ~free[variable[order]]]
    repeated = repeated[~np.isin(repeated, unordered)]
    return Course(
        order, tuple(initial), np.sort(repeated), np.sort(duplicate), np.array(sorted(unordered), np.int64)
    )


def _same_as_before(order: NDArray[np.int64], *columns: NDArray[Any]) -> NDArray[np.bool_]:
    same = np.ones(len(order), bool)
    same[:1] = False
    for column in columns:
        values = column[order]
        same[1:] &= values[1:] == values[:-1]
    return same


def _back_date(
    initial: list[NDArray[Any]],
    order: NDArray[np.int64],
    firsts: NDArray[np.int64],
    u: NDArray[np.int32],
    v: NDArray[np.int32],
    time: NDArray[np.float64],
    state: NDArray[np.int32],
    enter: NDArray[np.float64],
    given: Sequence[NDArray[np.int32] | None],
    variables: Sequence[StateVariable],
) -> None:
    sizes = np.diff(np.append(firsts, len(order)))
    series = np.repeat(np.arange(len(firsts)), sizes)
    early = np.bincount(series, time[order] <= enter[u][series], len(firsts)).astype(np.int64)
    final = state[order[firsts + np.maximum(early - 1, 0)]]
    opening = state[order[firsts]]
    for index, declared in enumerate(variables):
        column = given[index]
        if column is None or len(declared.states) < 2:
            continue
        mine = np.flatnonzero((v == index) & (early > 0))
        held = column[u[mine]]
        turned = mine[(held >= 0) & (opening[mine] == held) & (final[mine] == held)]
        start = declared.code(str(declared.initial))
        other = np.where(opening[turned] == start, np.where(opening[turned] == 0, 1, 0), start)
        initial[index][u[turned]] = other


def _settle(
    order: NDArray[np.int64],
    firsts: NDArray[np.int64],
    same_instant: NDArray[np.bool_],
    unit: NDArray[np.int32],
    variable: NDArray[np.int32],
    state: NDArray[np.int32],
    initial: list[NDArray[Any]],
    variables: Sequence[StateVariable],
) -> list[int]:
    """Order the events of one instant where only one order is possible; return those where it is not.

    States within an instant differ (duplicates are gone), so an order is ruled out only by its first event
    being into the state already held: of two events, one of them into that state, the other comes first.
    """
    unordered: list[int] = []
    heads = np.flatnonzero(same_instant & ~np.append(False, same_instant[:-1])) - 1
    opens = set(firsts.tolist())
    for head in heads.tolist():
        tail = head + 1
        while tail < len(order) and same_instant[tail]:
            tail += 1
        rows = order[head:tail].copy()
        first = int(rows[0])
        declared = variables[int(variable[first])]
        held = (
            int(initial[int(variable[first])][unit[first]]) if head in opens else int(state[order[head - 1]])
        )
        if len(rows) == 2 and not declared.recurrent and held in state[rows]:
            order[head:tail] = rows[np.argsort(state[rows] == held, kind="stable")]
        else:
            unordered.extend(rows.tolist())
    return unordered
