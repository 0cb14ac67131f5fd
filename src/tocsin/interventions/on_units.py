"""Interventions on units: one taken away, put into a state, kept from it or late for it, or brought out of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tocsin.errors import ModelError, SentenceError
from tocsin.history.describe import short_labels
from tocsin.interventions.altered import Altered, before_day
from tocsin.interventions.intervention import SPAN, Bar, Check, Intervention, Put, Touched, date, moment
from tocsin.states import parse_clause

if TYPE_CHECKING:
    from tocsin.history.history import History
    from tocsin.program.program import Program


def remove_unit(unit: str, start: Any = None) -> RemoveUnit:
    """Take a unit away, from a date or from the beginning: it is not at risk and sends nothing.

    Parameters:
        unit: name of the unit.
        start: first date on which it is not there; None is from the beginning.

    Example:
        >>> import tocsin as tc
        >>> print(tc.remove_unit("hungary"))
        remove unit hungary
    """
    return RemoveUnit(str(unit), date(start))


@dataclass(frozen=True)
class RemoveUnit(Intervention):
    """A unit is not there: it is not at risk and sends nothing."""

    FORM = "remove unit {unit}[ from {start}]"
    said = staticmethod(remove_unit)
    unit: str
    start: str | None = None

    def words(self, history: History) -> str:
        return f"without {short_labels(history).get(self.unit, self.unit)}{self.over()}"

    def touch(self, program: Program, found: Touched) -> None:
        """Note the unit, and all hazards of it."""
        unit, when = program.history.numbers.unit_index[self.unit], self.since(program)
        found.unit[unit] = min(found.unit[unit], when)
        found.hazards(np.ones(len(program.causes), dtype=bool), unit, when)

    def reaches_back(self, history: History, time: float) -> bool:
        return self.start is None or history.to_number(self.start) <= time

    def alter(self, now: Altered) -> Altered:
        numbers = now.numbers
        unit = numbers.unit_index[self.unit]
        enter, leave = numbers.enter.copy(), numbers.exit.copy()
        gone = float(numbers.start) if self.start is None else before_day(now.history, self.start)
        if gone <= enter[unit]:
            # Never present: an empty presence at the very beginning, so that no break lets it in.
            enter[unit] = leave[unit] = numbers.start
        else:
            leave[unit] = min(leave[unit], gone)
        return replace(now, numbers=replace(numbers, enter=enter, exit=leave))


# --- states -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _OfState(Intervention, family=True):
    unit: str
    variable: str
    state: str

    @property
    def clause(self) -> str:
        """Return variable=state."""
        return f"{self.variable}={self.state}"

    def called(self, history: History) -> str:
        """Return 'soviet republic in Hungary'."""
        one = history.waves.get(self.clause, ("", ""))[0] or f"{self.variable} “{self.state}”"
        return f"{one} in {short_labels(history).get(self.unit, self.unit)}"

    def place(self, program: Program) -> tuple[int, int]:
        """Return the positions of unit and variable."""
        return program.history.numbers.unit_index[self.unit], program.joint.index(self.variable)

    def code(self, program: Program) -> int:
        """Return the number of the state."""
        return program.model.by_name[self.variable].code(self.state)

    def touch(self, program: Program, found: Touched) -> None:
        """Note the unit and the variable."""
        place = self.place(program)
        found.state[place] = min(found.state[place], self.since(program))

    def check(self, ask: Check) -> None:
        """Refuse a state that the model does not have, and a date on which the unit is not there."""
        try:
            parse_clause(self.clause, ask.model.by_name)
        except ModelError as error:
            raise ask.refuse(str(error)) from None

    def must_be_present(self, ask: Check, at: str) -> None:
        """Refuse a date on which the unit is not there."""
        time, unit = ask.history.to_number(at), ask.numbers.unit_index[self.unit]
        there = ask.numbers.enter[unit] <= time <= ask.numbers.exit[unit]
        if not there or ask.numbers.absences.cover(np.array([unit]), np.array([time]))[0]:
            raise ask.refuse(f"the unit is not present at {at}")

    def undoes(self, history: History, time: float, since: float | None) -> bool:
        """Return whether the record has the unit enter the state between two times."""
        events = history.events
        mine = events[
            (events["unit"].astype(str) == self.unit)
            & (events["variable"].astype(str) == self.variable)
            & (events["state"].astype(str) == self.state)
        ]
        times = [history.to_number(when) for when in mine["time"]]
        return any(each <= time and (since is None or each >= since) for each in times)


def force(unit: str, clause: str, at: Any) -> Force:
    """Put a unit into a state at a date: ``force("germany", "regime=soviet", at="1918-11-09")``.

    Parameters:
        unit: name of the unit.
        clause: the state, written ``variable=state``.
        at: the date, of the history's clock.

    Raises:
        SentenceError: the clause is not ``variable=state``, or the date is missing.

    Example:
        >>> import tocsin as tc
        >>> print(tc.force("germany", "regime=soviet", at="1918-11-09"))
        force germany regime=soviet at 1918-11-09
    """
    return Force(str(unit), *assignment(clause), moment(at))


@dataclass(frozen=True)
class Force(_OfState):
    """A unit is put into a state at a date, whatever bars it; it may leave it again as its hazards say."""

    FORM = "force {unit} {clause} at/on {at}"
    said = staticmethod(force)
    at: str

    def words(self, history: History) -> str:
        return f"a {self.called(history)} on {self.at}"

    def check(self, ask: Check) -> None:
        super().check(ask)
        self.must_be_present(ask, self.at)

    def reaches_back(self, history: History, time: float) -> bool:
        return history.to_number(self.at) <= time

    def put(self, program: Program) -> Put:
        return Put(program.history.to_number(self.at), *self.place(program), self.code(program))


def prevent(unit: str, clause: str, start: Any = None, end: Any = None) -> Prevent:
    """Bar a unit from entering a state: ``prevent("hungary", "regime=soviet")``.

    Parameters:
        unit: name of the unit.
        clause: the state, written ``variable=state``.
        start, end: first and last date on which it is so, of the history's clock; None is the window's own end.

    Raises:
        SentenceError: the clause is not ``variable=state``.

    Example:
        >>> import tocsin as tc
        >>> print(tc.prevent("hungary", "regime=soviet"))
        prevent hungary regime=soviet
    """
    return Prevent(str(unit), *assignment(clause), date(start), date(end))


@dataclass(frozen=True)
class Prevent(_OfState):
    """A unit cannot enter a state."""

    FORM = "prevent {unit} {clause}" + SPAN
    said = staticmethod(prevent)
    start: str | None = None
    end: str | None = None

    def words(self, history: History) -> str:
        return f"no {self.called(history)}{self.over()}"

    def reaches_back(self, history: History, time: float) -> bool:
        return self.undoes(history, time, None if self.start is None else history.to_number(self.start))

    def bar(self, program: Program) -> Bar:
        history = program.history
        start, end = float(history.numbers.start), float(history.numbers.end)
        first = start if self.start is None else before_day(history, self.start)
        last = end if self.end is None else _after_day(history, self.end)
        return Bar(*self.place(program), self.code(program), max(first, start), min(last, end))


def delay(unit: str, clause: str, until: Any) -> Delay:
    """Bar a unit from entering a state before a date: ``delay("hungary", "regime=soviet", "1919-06-01")``.

    A variable that follows what happened enters it at that date, if by then the record has it there.

    Parameters:
        unit: name of the unit.
        clause: the state, written ``variable=state``.
        until: the first date on which it may be entered.

    Raises:
        SentenceError: the clause is not ``variable=state``, or the date is missing.

    Example:
        >>> import tocsin as tc
        >>> print(tc.delay("hungary", "regime=soviet", "1919-06-01"))
        delay hungary regime=soviet until 1919-06-01
    """
    return Delay(str(unit), *assignment(clause), moment(until))


@dataclass(frozen=True)
class Delay(_OfState):
    """A unit cannot enter a state before a date."""

    FORM = "delay {unit} {clause} until {until}"
    said = staticmethod(delay)
    until: str

    def words(self, history: History) -> str:
        return f"no {self.called(history)} before {self.until}"

    def reaches_back(self, history: History, time: float) -> bool:
        return self.undoes(history, time, None)

    def bar(self, program: Program) -> Bar:
        history = program.history
        start, end = float(history.numbers.start), float(history.numbers.end)
        last = min(before_day(history, self.until), end)
        return Bar(*self.place(program), self.code(program), start, last, history.to_number(self.until))


def lift(unit: str, clause: str, at: Any) -> Lift:
    """End a state of a unit at a date, if it is in that state then: it goes over to the other state.

    For variables of two states; of more, `force` says which one follows.

    Parameters:
        unit: name of the unit.
        clause: the state, written ``variable=state``.
        at: the date, of the history's clock.

    Raises:
        SentenceError: the clause is not ``variable=state``, or the date is missing.

    Example:
        >>> import tocsin as tc
        >>> print(tc.lift("bavaria", "regime=soviet", at="1919-04-20"))
        lift bavaria regime=soviet at 1919-04-20
    """
    return Lift(str(unit), *assignment(clause), moment(at))


@dataclass(frozen=True)
class Lift(_OfState):
    """A unit that is in a state at a date leaves it then, for the other state of the variable."""

    FORM = "lift {unit} {clause} at/on {at}"
    said = staticmethod(lift)
    at: str

    def words(self, history: History) -> str:
        return f"an end of the {self.called(history)} on {self.at}"

    def check(self, ask: Check) -> None:
        super().check(ask)
        states = ask.model.by_name[self.variable].states
        if len(states) != 2:
            raise ask.refuse(
                f"{self.variable!r} has {len(states)} states, so that what follows {self.state!r} must be said: "
                f"such as 'force {self.unit} {self.variable}={next(s for s in states if s != self.state)} at {self.at}'"
                if len(states) > 1
                else f"{self.variable!r} has no other state"
            )
        self.must_be_present(ask, self.at)

    def reaches_back(self, history: History, time: float) -> bool:
        return history.to_number(self.at) <= time

    def put(self, program: Program) -> Put:
        # Into the other one of two states; where the unit is in that already, nothing happens.
        return Put(program.history.to_number(self.at), *self.place(program), 1 - self.code(program))


def assignment(clause: str) -> tuple[str, str]:
    """Return variable and state of a clause."""
    variable, sign, state = (part.strip() for part in str(clause).partition("="))
    if not (sign and variable and state) or "|" in state or "=" in state:
        raise SentenceError(f"cannot read {clause!r}: write variable=state")
    return variable, state


def _after_day(history: History, when: str) -> float:
    """Return the last moment of a day; where times are numbers, the number itself."""
    time = history.to_number(when)
    if not history.dated or time + 1.0 >= history.numbers.end:
        return min(time + 1.0, float(history.numbers.end)) if history.dated else time
    return float(np.nextafter(time + 1.0, -np.inf))
