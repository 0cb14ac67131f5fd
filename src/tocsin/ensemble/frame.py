"""What worlds have in common and their events do not tell: units, presence, states on entry, the calendar."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tocsin.errors import TocsinError, suggestion
from tocsin.files.format import FORMAT
from tocsin.history.presence import Stretches
from tocsin.states import StateVariable

if TYPE_CHECKING:
    from tocsin.history.history import History
    from tocsin.model.model import Model

Floats = NDArray[np.float64]

Codes = NDArray[np.int32]

_MONTHS = {"month": 1, "year": 12}


@dataclass(frozen=True, eq=False)
class Followed:
    """Observed events of the variables that followed what happened in every world, in the order of time.

    Attributes:
        time: clock numbers (E,).
        unit, variable, state: codes (E,) into the frame's units, variables and the variable's states.
    """

    time: Floats = field(default_factory=lambda: np.empty(0))
    unit: Codes = field(default_factory=lambda: np.empty(0, dtype=np.int32))
    variable: Codes = field(default_factory=lambda: np.empty(0, dtype=np.int32))
    state: Codes = field(default_factory=lambda: np.empty(0, dtype=np.int32))


@dataclass(frozen=True, eq=False)
class Frame:
    """The units, variables and calendar of a program, as far as its worlds need them to be read.

    Attributes:
        units: identifiers (N,), in the order of the program.
        variables: the state variables.
        start, end: the window (start, end] in clock numbers.
        enter, exit: presence (enter, exit] of each unit, clock numbers (N,).
        initial: variable -> state codes on entry (N,), events at or before entry applied.
        clock: ``day``, ``month``, ``year``, ``step`` or ``number``.
        first: the first day of the window where times are dates, else None.
        followed: events of variables that no transition of the model moves.
        absences: stretches within presence in which units are not there, or not coded.
        returns: states in which units come back from them, where their rows say so.
    """

    units: tuple[str, ...]
    variables: tuple[StateVariable, ...]
    start: float
    end: float
    enter: Floats
    exit: Floats
    initial: dict[str, Codes]
    clock: str = "number"
    first: date | None = None
    followed: Followed = field(default_factory=Followed)
    absences: Stretches = field(default_factory=Stretches)
    returns: Followed = field(default_factory=Followed)

    @property
    def dated(self) -> bool:
        """Return whether times are dates."""
        return self.first is not None

    def variable(self, name: str) -> StateVariable:
        """Return the state variable called `name`; raise TocsinError with the nearest name if unknown."""
        for variable in self.variables:
            if variable.name == name:
                return variable
        names = [variable.name for variable in self.variables]
        raise TocsinError(f"there is no state variable {name!r}" + suggestion(name, names))

    def code(self, variable: str, state: str) -> int:
        """Return the code of a state; raise TocsinError if the variable or the state is unknown."""
        return self.variable(variable).code(state)

    def to_number(self, when: Any) -> float:
        """Return a date, its text or a number as a clock number; raise TocsinError if it is neither."""
        if isinstance(when, int | float | np.integer | np.floating):
            return float(when)
        if self.first is None:
            try:
                return float(when)
            except (TypeError, ValueError):
                raise TocsinError(f"{when!r} is not a time: the times of this history are numbers") from None
        try:
            stamp = pd.Timestamp(when)
        except (TypeError, ValueError):
            raise TocsinError(f"{when!r} is not a date: write it as 1919-03-21") from None
        if self.clock in _MONTHS:
            months = (stamp.year - self.first.year) * 12 + stamp.month - self.first.month
            return float(months if self.clock == "month" else stamp.year - self.first.year)
        return float((stamp - pd.Timestamp(self.first)) / pd.Timedelta(days=1))

    def to_dates(self, numbers: Floats) -> NDArray[Any]:
        """Return the dates (datetime64[s]) in which clock numbers fall; numbers unchanged where undated."""
        if self.first is None:
            return np.asarray(numbers, dtype=np.float64)
        # The guard keeps a time that is a hair below an integer by rounding on the day that it means.
        steps = np.floor(np.asarray(numbers, dtype=np.float64) + 1e-9).astype(np.int64)
        if self.clock in _MONTHS:
            base = np.datetime64(self.first, "M" if self.clock == "month" else "Y")
            return (base + steps).astype("datetime64[s]")
        return (np.datetime64(self.first, "D") + steps).astype("datetime64[s]")

    def grid(self, times: Iterable[Any] | None = None, most: int = 400) -> Floats:
        """Return the times of an answer: those asked for, or the window in whole clock units, at most `most`.

        Raises:
            TocsinError: a time cannot be read or lies outside the window.
        """
        if times is not None:
            if isinstance(times, str | bytes) or not isinstance(times, Iterable):
                times = [times]
            values = np.array([self.to_number(when) for when in times], dtype=np.float64)
            outside = ~((values >= self.start) & (values <= self.end))
            if outside.any():
                raise TocsinError(f"the time {self.label(values[outside][0])} lies outside the window")
            return values
        length = self.end - self.start
        if self.dated or self.clock == "step":
            step = max(1.0, float(np.ceil(length / most)))
            points = np.arange(self.start, self.end, step)
        else:
            points = np.linspace(self.start, self.end, most + 1)[:-1]
        return np.append(points, self.end)

    def label(self, number: float) -> str:
        """Return a clock number as it is read: an ISO date, or the number."""
        if self.first is None or not np.isfinite(number):
            return f"{number:g}"
        text = str(self.to_dates(np.array([number]))[0].astype("datetime64[D]"))
        return text[: {"month": 7, "year": 4}.get(self.clock, 10)]

    @property
    def last(self) -> float:
        """Return the last whole unit of the clock in the window, or its end where times are numbers."""
        return float(np.ceil(self.end) - 1) if self.dated else self.end

    def without_followed(self) -> Frame:
        """Return the frame with no events that every world follows."""
        return replace(self, followed=Followed())

    def to_json(self) -> str:
        """Return the frame as JSON text, the same for equal frames."""
        content = {
            "format": FORMAT,
            "units": list(self.units),
            "variables": [
                {"name": v.name, "states": list(v.states), "initial": v.initial, "recurrent": v.recurrent}
                for v in self.variables
            ],
            "start": self.start,
            "end": self.end,
            "enter": _packed(self.enter),
            "exit": _packed(self.exit),
            "initial": {name: _packed(codes) for name, codes in self.initial.items()},
            "clock": self.clock,
            "first": None if self.first is None else self.first.isoformat(),
            "followed": {
                "time": self.followed.time.tolist(),
                "unit": self.followed.unit.tolist(),
                "variable": self.followed.variable.tolist(),
                "state": self.followed.state.tolist(),
            },
        }
        if self.absences.unit.size:  # not there where nobody leaves, so that older digests stand
            away, back = self.absences, self.returns
            content["absences"] = [away.unit.tolist(), away.start.tolist(), away.end.tolist()]
            content["returns"] = [each.tolist() for each in (back.time, back.unit, back.variable, back.state)]
        return json.dumps(content, sort_keys=True, separators=(",", ":"))

    @staticmethod
    def from_json(text: str) -> Frame:
        """Return the frame that `to_json` wrote."""
        content = json.loads(text)
        count = len(content["units"])
        followed = content["followed"]
        who, begin, finish = content.get("absences", ([], [], []))
        when, *back = content.get("returns", ([], [], [], []))
        return Frame(
            units=tuple(content["units"]),
            variables=tuple(StateVariable(**variable) for variable in content["variables"]),
            start=float(content["start"]),
            end=float(content["end"]),
            enter=_unpacked(content["enter"], count).astype(np.float64),
            exit=_unpacked(content["exit"], count).astype(np.float64),
            initial={
                name: _unpacked(codes, count).astype(np.int32) for name, codes in content["initial"].items()
            },
            clock=content["clock"],
            first=None if content["first"] is None else date.fromisoformat(content["first"]),
            followed=Followed(
                np.array(followed["time"], dtype=np.float64),
                *(np.array(followed[key], dtype=np.int32) for key in ("unit", "variable", "state")),
            ),
            absences=Stretches(np.array(who, np.int32), np.array(begin, float), np.array(finish, float)),
            returns=Followed(np.array(when, float), *(np.array(each, np.int32) for each in back)),
        )


def frame_of(history: History, model: Model | None = None) -> Frame:
    """Return the frame of a history as a model sees it.

    Parameters:
        history: the history that was simulated.
        model: the model it was simulated with: its variables (which may have more states, in another order)
            take the place of the history's, and variables that no transition of it moves follow what
            happened. Without a model nothing follows.
    """
    numbers = history.numbers
    declared = {} if model is None else {variable.name: variable for variable in model.variables}
    variables = tuple(declared.get(variable.name, variable) for variable in history.variables)
    recode = np.zeros((len(variables), max((len(v.states) for v in history.variables), default=1)), np.int32)
    for row, (theirs, ours) in enumerate(zip(history.variables, variables, strict=True)):
        recode[row, : len(theirs.states)] = [ours.code(state) for state in theirs.states]
    state = recode[numbers.event_variable, numbers.event_state]
    initial = {each.name: recode[row][numbers.initial[each.name]] for row, each in enumerate(variables)}
    early, back = numbers.early, numbers.returns
    before = back.time <= numbers.enter[back.unit]
    order = np.argsort(np.append(numbers.event_time[early], back.time[before]), kind="stable")
    pasts = (
        np.append(one[early], other[before])[order]
        for one, other in (
            (numbers.event_variable, back.variable),
            (numbers.event_unit, back.unit),
            (state, recode[back.variable, back.state]),
        )
    )
    for variable, unit, code in zip(*pasts, strict=True):
        # In the order of time: what came last at or before entry says the state on entry.
        initial[variables[variable].name][unit] = code
    moved = set() if model is None else {transition.variable for transition in model.transitions}
    follows = [model is not None and variable.name not in moved for variable in variables]
    late = (
        ~early
        & np.isin(numbers.event_variable, np.flatnonzero(follows))
        & (numbers.event_time <= numbers.exit[numbers.event_unit])
    )
    return Frame(
        units=tuple(numbers.units),
        variables=variables,
        start=float(numbers.start),
        end=float(numbers.end),
        enter=numbers.enter,
        exit=numbers.exit,
        initial=initial,
        clock=history._clock.name,
        first=pd.Timestamp(history.window[0]).date() if history.dated else None,
        followed=Followed(
            numbers.event_time[late],
            numbers.event_unit[late].astype(np.int32),
            numbers.event_variable[late].astype(np.int32),
            state[late],
        ),
        absences=numbers.absences,
        returns=Followed(
            back.time[~before],
            back.unit[~before],
            back.variable[~before],
            recode[back.variable, back.state][~before],
        ),
    )


def _packed(values: NDArray[Any]) -> list[Any]:
    # A million units that enter together are one number, not a million.
    if len(values) and (values == values[0]).all():
        return [values[0].item()]
    listed: list[Any] = values.tolist()
    return listed


def _unpacked(values: list[Any], count: int) -> NDArray[Any]:
    return np.full(count, values[0]) if len(values) == 1 else np.array(values)
