"""What worlds are given: nothing, what happened until a date, or all that happened."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tocsin.errors import FitError, ModelError, SentenceError, TocsinError, TooLarge, suggestion
from tocsin.kernels.conditional_clocks import HAPPENED_KEPT, Past, Plan
from tocsin.kernels.exposure_sweep import AFTER, BEFORE, EXPLAINED, UNIT, VARIABLE
from tocsin.kernels.layout import (
    FORCE,
    IN_SOURCE,
    IN_TIE,
    KIND,
    LAYER,
    OUT_TARGET,
    TRANSITION,
    WHEN,
    A,
    B,
    C,
)
from tocsin.kernels.record_clocks import (
    DONE,
    NOT_FINITE,
    UNEXPLAINED,
    first_unlike,
    merge_source_clocks,
    name_streams,
    read_record_clocks,
)
from tocsin.program.grouped import cure, is_grouped
from tocsin.program.parameters import cause_key
from tocsin.program.ties import led_breaks
from tocsin.wording.numbers import noun

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.history.history import History
    from tocsin.kernels.layout import Layout, Tables
    from tocsin.program.program import Program

CLOCKS = ("cause", "source", "fresh")

FRESH = np.uint64(0x66726573683A3A3A)  # tells chance after the first divergence from that of the clocks

OBSERVED = "observed"  # names the streams from which the causes of observed events are drawn


@dataclass(frozen=True)
class Condition:
    """What worlds have in common with what happened, and how they are coupled to it.

    Attributes:
        given: ``nothing``, ``until`` or ``history``.
        clocks: under ``history``: ``cause``, ``source`` or ``fresh``.
        until: under ``until``: the time on the clock; in grouped time the end of the interval that holds the date.
        date: the same as it is read.
    """

    given: str = "nothing"
    clocks: str = "cause"
    until: float | None = None
    date: str = ""

    def __str__(self) -> str:
        if self.given == "history":
            return f"history, {self.clocks} clocks"
        return f"until {self.date}" if self.given == "until" else self.given

    @staticmethod
    def parse(given: Any, clocks: Any, history: History) -> Condition:
        """Read ``nothing``, ``until DATE`` or ``history``, and how clocks are coupled.

        Raises:
            SentenceError: a word that is none of these.
            ModelError: a date outside the window, or clocks without a history.
        """
        if isinstance(given, Condition):
            return given
        if clocks not in CLOCKS:
            raise SentenceError(
                f"clocks= is 'cause', 'source' or 'fresh', not {clocks!r}" + suggestion(str(clocks), CLOCKS)
            )
        words = given.split() if isinstance(given, str) else []
        known = ("nothing", "history")
        if not words or (words[0] != "until" and (words[0] not in known or len(words) > 1)):
            hint = suggestion(words[0], (*known, "until")) if words else ""
            raise SentenceError(f"given= is 'nothing', 'until DATE' or 'history', not {given!r}{hint}")
        if words[0] == "history":
            return Condition("history", clocks)
        if clocks != "cause":
            raise ModelError(
                f"clocks={clocks!r} says how our own world is coupled to itself, changed: it needs "
                "given='history'"
            )
        if words[0] == "nothing":
            return Condition()
        return Condition._until(" ".join(words[1:]), history)

    @staticmethod
    def _until(text: str, history: History) -> Condition:
        try:
            time = float(history.to_number(text))
        except TocsinError as error:
            raise ModelError(f"given='until {text}': {error}") from None
        numbers = history.numbers
        if history.grouped:  # an interval is known as a whole
            time = math.floor(time) + numbers.lag
        if not numbers.start <= time <= numbers.end:
            raise ModelError(f"given='until {text}': the date lies outside the window of the history")
        return Condition("until", "cause", time, text)


NOTHING = Condition()


def check_given(program: Program, condition: Condition) -> None:
    """Refuse what cannot be conditioned on."""
    if condition.given == "history" and is_grouped(program.history):
        raise FitError(
            f"the times of {program.history.name!r} are known by {noun(program.history.clock)} only: worlds given "
            f"all that happened need times by day, or moments; {cure(program.history)}, or ask given='nothing' or "
            "'until DATE'"
        )


def plan_clocks(layout: Layout, split: bool, fresh: bool = False) -> Plan:
    """Return which clocks there are: one for each cause and unit, or (`split`) one for each cause and tie."""
    units, causes = layout.state.size, layout.cause.shape[0]
    count = np.ones((causes, units), dtype=np.int64)
    place = np.zeros(layout.tie.shape[1], dtype=np.int32)
    own = np.zeros(layout.tie_first.shape[1], dtype=np.uint8)
    for layer, first in enumerate(layout.tie_first[0]):
        origin = np.repeat(np.arange(units), np.diff(first))
        own[layer] = (layout.tie[OUT_TARGET, first[0] : first[-1]] == origin).any()
    sources = []
    for c, layer in enumerate(layout.cause[:, LAYER]):
        if layer < 0 or not split:
            sources.append(np.full(units, -1, dtype=np.int32))
            continue
        first = layout.tie_first[1, layer]
        count[c] = np.diff(first)
        inner = slice(first[0], first[-1])
        sources.append(layout.tie[IN_SOURCE, inner])
        if layout.tie.shape[0] > IN_TIE:
            tie = layout.tie[IN_TIE, inner]
        else:
            tie = first[0] + np.argsort(layout.tie[OUT_TARGET, inner], kind="stable")
        place[tie] = np.arange(first[0], first[-1]) - np.repeat(first[:-1], count[c])
    pair = np.repeat(np.arange(causes * units, dtype=np.int32), count.ravel())
    source = np.ascontiguousarray(np.concatenate(sources), dtype=np.int32)
    other = FRESH if fresh else np.uint64(0)
    stream = name_streams(pair, source, layout.unit_key, layout.cause_key, other)
    start = np.concatenate([[0], np.cumsum(count.ravel())]).astype(np.int64)
    return Plan(start, place, pair, source, stream, own)


def recorded(
    program: Program, tables: Tables, plan: Plan, past: Past, room: int = 0, until: float = np.inf
) -> Past:
    """Follow what happened, and return what the clocks of every cause and tie had spent.

    Parameters:
        tables: the Tables of the program.
        plan, past: its clocks and events; see `witnessed`.
        room: for changes of hazards, at first; with none, they are not noted.
        until: what comes later is left out.

    Raises:
        FitError: an event that no cause can explain, or a hazard that is not a finite number.
    """
    trace, layout = program.trace, program.layout
    filled = ("clock", "cause", "source", "amount", "last")
    past = past._replace(**{name: getattr(past, name).copy() for name in filled})
    status, past = noted(layout, tables, plan, past, room, np.nextafter(until, np.inf))
    if status[0] == UNEXPLAINED:
        transition = trace.events[status[1], EXPLAINED]
        causes = [each.cause for each, row in zip(program.slots, layout.cause, strict=True)
                  if row[TRANSITION] == transition]  # fmt: skip
        program.refuse_event(status[1], 1, causes)
    if status[0] == NOT_FINITE:
        if (layout.rows < 0).any():
            program.refuse_missing(status[1], status[2], status[3])
        raise TooLarge(
            f"the hazard of {program.cause_name(status[1])!r} in {program.history.numbers.units[status[2]]!r} at "
            f"{program.when(status[3])} is not a finite number: a coefficient, a covariate or a tie weight is too large"
        )
    return past


def noted(
    layout: Layout, tables: Tables, plan: Plan, past: Past, room: int, until: float, witness: bool = True
) -> tuple[tuple[int, int, int, float], Past]:
    """Follow what happened with room for all changes of hazards; see `kernels.past.record`.

    Parameters:
        room: for changes of hazards, at first; with none, they are not noted.

    Returns:
        Status, and the past with the changes of hazards.
    """
    crowd = crowd_of(past)
    while True:
        past = past._replace(base_at=np.zeros((2, room)), base=np.zeros(room, dtype=np.int32))
        status, count = read_record_clocks(layout, tables, plan, past, crowd, until, witness)
        if not 0 < room < count:
            break
        room = count
    count = min(count, room)
    return status, past._replace(
        base_at=np.ascontiguousarray(past.base_at[:, :count]), base=past.base[:count]
    )


def crowd_of(past: Past) -> int:
    """Return how many observed events there are at one instant, at most."""
    return int(np.unique(past.time, return_counts=True)[1].max()) if past.time.size else 1


def witnessed(program: Program, until: float = np.inf) -> tuple[Plan, Past]:
    """Return the clocks of what happened, one for each cause and tie, and its events up to a time.

    In the past there is room for what `recorded` finds.
    """
    trace, layout, joint = program.trace, program.layout, program.joint
    known = int(np.searchsorted(trace.time, until, side="right"))
    plan = plan_clocks(layout, True)
    events = trace.events[:known]
    unit, variable, move = events[:, UNIT], events[:, VARIABLE], events[:, EXPLAINED]
    state = (events[:, AFTER] // joint.strides[variable]) % joint.sizes[variable]
    left = (events[:, BEFORE] // joint.strides[variable]) % joint.sizes[variable]
    number = np.zeros(known, dtype=np.int64)
    seen: dict[tuple[int, int], int] = {}
    for x in np.flatnonzero(move >= 0):
        key = (int(unit[x]), int(move[x]))
        number[x] = seen[key] = seen.get(key, -1) + 1
    moves = [cause_key(OBSERVED, each.name) for each in program.model.transitions]
    stream = name_streams(
        (np.maximum(move, 0) * layout.state.size + unit).astype(np.int32),
        np.full(known, -1, dtype=np.int32),
        layout.unit_key,
        np.array(moves, dtype=np.uint64),
        np.uint64(0),
    )
    units = layout.state.size
    per_pair = np.diff(plan.first).reshape(-1, units)
    per_move = np.zeros((len(moves), units), dtype=np.int64)
    np.add.at(per_move, layout.cause[:, TRANSITION], per_pair)
    count = np.where(move >= 0, per_move[np.maximum(move, 0), unit], 0)
    first = np.concatenate([[0], np.cumsum(count)]).astype(np.int64)
    whole = int(first[-1])
    past = Past(
        np.ascontiguousarray(trace.time[:known]),
        np.ascontiguousarray(
            np.stack([unit, variable, state, move, number, np.ones(known), left], axis=1), dtype=np.int32
        ),
        stream,
        first,
        np.zeros(whole, dtype=np.int32),
        np.zeros(whole, dtype=np.int32),
        np.zeros(whole, dtype=np.int32),
        np.zeros((3, whole)),
        np.zeros(plan.pair.size),
        np.zeros((2, 0)),
        np.zeros(0, dtype=np.int32),
    )
    return plan, past


def translated(plan: Plan, past: Past, to: NDArray[np.int32] | None, size: int) -> Past:
    """Return what happened with the clocks of a changed program.

    Parameters:
        plan, past: of the program that happened, one clock for each cause and tie.
        to: which clock of the changed program each is, see `matched`; None where those are clocks of causes.
        size: how many clocks the changed program has.
    """
    if to is None:
        clock, spent, last = merge_source_clocks(plan, past)
        amount = past.amount.copy()
        amount[1] = spent
        return past._replace(
            clock=clock, amount=amount, last=last, base_at=past.base_at[:, :0], base=past.base[:0]
        )

    last = np.zeros(size)
    last[to[to >= 0]] = past.last[to >= 0]
    base = to[past.base]
    stays = base >= 0
    return past._replace(
        clock=np.ascontiguousarray(to[past.clock], dtype=np.int32),
        last=last,
        base_at=np.ascontiguousarray(past.base_at[:, stays]),
        base=np.ascontiguousarray(base[stays], dtype=np.int32),
    )


def matched(plan: Plan, changed: Plan, units: int) -> NDArray[np.int32]:
    """Return which clock of a changed program each clock is, by cause, unit and source; -1 for none."""

    def key(each: Plan) -> NDArray[np.int64]:
        return each.pair.astype(np.int64) * (units + 1) + each.source + 1

    theirs, ours = key(plan), key(changed)
    if not ours.size:
        return np.full(theirs.size, -1, dtype=np.int32)
    place = np.minimum(np.searchsorted(ours, theirs), ours.size - 1)
    return np.where(ours[place] == theirs, place, -1).astype(np.int32)


def joined(past: Past, layout: Layout) -> tuple[Past, Layout]:
    """Return what happened, and a layout, in which the record alone tells what follows it.

    A layout says by breaks which events follow what happened; those that the record holds are taken from the
    layout, and events of the record that it does not have (they are prevented) are marked as not kept.
    """
    waiting: dict[tuple[float, int, int, int], list[int]] = {}
    for number in np.flatnonzero(led_breaks(layout))[::-1]:
        waiting.setdefault(_said(layout, int(number)), []).append(int(number))
    event = past.event.copy()
    taken = np.zeros(layout.breaks.shape[0], dtype=bool)
    for x in np.flatnonzero(event[:, 3] < 0):
        unit, variable, state = (int(value) for value in event[x, :3])
        found = waiting.get((float(past.time[x]), unit, variable, state))
        event[x, 5] = bool(found)
        if found:
            taken[found.pop()] = True
    breaks = layout._replace(
        break_at=np.ascontiguousarray(layout.break_at[:, ~taken]),
        breaks=np.ascontiguousarray(layout.breaks[~taken]),
    )
    return past._replace(event=event), breaks


def _said(layout: Layout, number: int) -> tuple[float, int, int, int]:
    unit, variable, state = (int(layout.breaks[number, column]) for column in (A, B, C))
    return float(layout.break_at[WHEN, number]), unit, variable, state


# --- When a changed program first differs from what happened: until then its worlds need not be
#     simulated

CLOSE = 1e-12  # relative difference of two hazards that rounding may make

MORE = 1024  # changes of hazards for which there is room at first, beyond those of what happened


def parting(
    fact: tuple[Layout, Plan, Past],
    changed: tuple[Layout, Plan, NDArray[np.int32]],
    tables: Tables,
    event: NDArray[np.int32],
) -> float:
    """Return a time before which no hazard of a changed program differs from what it was.

    Given what happened, every world of it is the observed one until then; infinity where nothing ever differs.

    Parameters:
        fact: the layout of what happened, its clocks (one for each cause and tie), and its events with the
            changes of its hazards.
        changed: the layout that is simulated, its clocks (likewise) and which of them those of `fact` are; its
            breaks of kind FORCE are events that the record does not have.
        tables: its Tables.
        event: the observed events, those marked that are still followed.
    """
    (happened, _, past), (layout, clocks, to) = fact, changed
    if not (
        np.array_equal(layout.state, happened.state) and np.array_equal(layout.presence, happened.presence)
    ):
        return float(layout.window[0])
    forced = layout.break_at[WHEN, layout.breaks[:, KIND] == FORCE]
    dropped = past.time[event[:, HAPPENED_KEPT] == 0]
    limit = float(min(forced.min(initial=np.inf), dropped.min(initial=np.inf)))
    status, mine = noted(layout, tables, clocks, past, past.base.size + MORE, limit, False)
    if status[0] != DONE:
        limit = min(limit, status[3])
    theirs = (past.base_at[0], to[past.base], past.base_at[1])
    ours = (mine.base_at[0], mine.base, mine.base_at[1])
    return min(limit, float(first_unlike(theirs, ours, clocks.pair.size, CLOSE)))
