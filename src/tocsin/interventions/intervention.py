"""What an intervention is: a sentence, a check, a change of a program, what it touches, and words, in one class.

Dates are those of the history's clock. What is changed ``from`` a date ``to`` a date is changed on every day
from the first to the last; a tie or a covariate changed from D is so for all that happens after the beginning
of D, as a row of the history that begins on D would be.
"""

from __future__ import annotations

import datetime
import inspect
import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from tocsin.errors import ModelError, SentenceError, TocsinError, suggestion
from tocsin.history.time import is_number, number_text
from tocsin.interventions.altered import Altered, span
from tocsin.interventions.grammar import written
from tocsin.model.declaration import BAR
from tocsin.model.special_terms import AGE, EXPOSURE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.history.arrays import Numbers
    from tocsin.history.history import History
    from tocsin.model.model import Model
    from tocsin.program.design import Damping
    from tocsin.program.program import Program

    Floats = NDArray[np.float64]

SPAN = "[ from {start}][ to {end}]"

WHOM = "[ for {unit}]"


class Bar(NamedTuple):
    """A unit that cannot enter a state of a variable over (start, end]; where it is late, when it is due."""

    unit: int
    variable: int
    state: int
    start: float
    end: float
    due: float | None = None


class Put(NamedTuple):
    """A unit that is put into a state of a variable at a time."""

    time: float
    unit: int
    variable: int
    state: int


@dataclass(frozen=True)
class Intervention:
    """A change of a program; `str` of it is the sentence that says so.

    A kind must have all `PARTS`, and at least one of `CHANGES`: a class that lacks one cannot be made, so that
    nothing is simulated as if it had not been asked. What may be said is what is there: a kind is read from
    sentences as soon as its file is.
    """

    FORM: ClassVar[str] = ""
    said: ClassVar[Callable[..., Intervention]]  # makes one of the texts that stand in the places of `FORM`
    kinds: ClassVar[list[type[Intervention]]] = []

    def __init_subclass__(cls, family: bool = False, **more: Any) -> None:
        super().__init_subclass__(**more)
        if family:
            return

        def own(part: str) -> bool:
            found = inspect.getattr_static(cls, part, None)
            return bool(found) and found is not inspect.getattr_static(Intervention, part, None)

        lacking = [part for part in PARTS if not own(part)]
        if not any(map(own, CHANGES)):
            lacking.append(f"a change ({', '.join(CHANGES)})")
        if lacking:
            raise TypeError(f"the intervention {cls.__name__} lacks {', '.join(lacking)}")
        cls.kinds.append(cls)

    def __str__(self) -> str:
        return written(self.FORM, self)

    # --- what every kind has

    def words(self, history: History) -> str:
        """Return what people would say instead of the sentence."""
        raise NotImplementedError

    def check(self, ask: Check) -> None:
        """Refuse what is particular to a kind; its fields are checked by their names."""

    def touch(self, program: Program, found: Touched) -> None:
        """Note what is touched directly."""
        raise NotImplementedError

    def reaches_back(self, history: History, time: float) -> bool:
        """Return whether what is on record up to a time is concerned: an event undone, moved, or put before it."""
        return False

    # --- what it may change

    def alter(self, now: Altered) -> Altered:
        """Return the arrays of a history after the change."""
        return now

    def turn(self, vector: Floats, names: Sequence[str]) -> Floats:
        """Return the parameters after the change."""
        return vector

    def damp(self, program: Program) -> list[Damping]:
        """Return the hazards that are multiplied."""
        return []

    def bar(self, program: Program) -> Bar | None:
        """Return which unit is barred from which state, and when."""
        return None

    def put(self, program: Program) -> Put | None:
        """Return which unit is put into which state, and when."""
        return None

    # --- what several say alike

    def since(self, program: Program) -> float:
        """Return the time from when on something is touched."""
        day = getattr(self, "start", None) or getattr(self, "at", None)
        history = program.history
        # An event dated on the day itself comes at its beginning, and is touched.
        return float(history.numbers.start) if day is None else history.to_number(day) - 1e-6

    def over(self) -> str:
        """Return ' from D to E', as far as it is said."""
        named = (("from", getattr(self, "start", None)), ("to", getattr(self, "end", None)))
        return "".join(f" {word} {day}" for word, day in named if day)


PARTS = ("FORM", "said", "words", "touch")

CHANGES = ("alter", "turn", "damp", "bar", "put")


@dataclass(frozen=True, eq=False)
class Touched:
    """From when on interventions touch what; infinity where they never do.

    Attributes:
        cause: by cause and unit (C, N): its hazard is changed there.
        state: by unit and variable (N, V): it is forced, barred or lifted there.
        unit: by unit (N,): it is taken away.
    """

    cause: Floats
    state: Floats
    unit: Floats

    @staticmethod
    def by(program: Program, interventions: Sequence[Intervention]) -> Touched:
        """Return what interventions of a program touch."""
        units, causes = len(program.history.numbers.units), len(program.causes)
        found = Touched(
            np.full((causes, units), np.inf),
            np.full((units, len(program.joint.names)), np.inf),
            np.full(units, np.inf),
        )
        for it in interventions:
            it.touch(program, found)
        return found

    def hazards(self, reached: Sequence[bool] | NDArray[np.bool_], unit: int | None, when: float) -> None:
        """Note that the hazards of some causes are changed, of one unit or of all, from a time on."""
        whom = slice(None) if unit is None else slice(unit, unit + 1)
        for cause in np.flatnonzero(np.asarray(reached, dtype=bool)):
            self.cause[cause, whom] = np.minimum(self.cause[cause, whom], when)


def unit_of(program: Program, name: str | None) -> int | None:
    """Return the position of a unit; None for all."""
    return None if name is None else program.history.numbers.unit_index[name]


def cause_names(model: Model) -> list[str]:
    """Return 'transition | cause' of every cause, in the order of programs."""
    return [f"{move.name}{BAR}{cause.name}" for move in model.transitions for cause in move.causes]


def covariate_names(numbers: Numbers) -> list[str]:
    """Return the covariates that are numbers, dated or not."""
    still = [name for name, column in numbers.static.items() if column.dtype.kind == "f"]
    return list(dict.fromkeys([*numbers.covariates, *still]))


CALENDAR = ("t", "month", "year")


def why_fixed(words: str) -> str:
    """Say why what follows the course of events cannot be set, where words name it, and what can; else nothing."""
    if "parameter" in words:
        return ""
    if re.search(rf"\b{AGE}\b", words) or words.endswith("_since"):
        return (
            "the age of a state follows from the events and cannot be set: force, prevent, delay or lift the event "
            "that begins the state, or change a parameter"
        )
    if re.search(rf"\b{EXPOSURE}\s*(\(|$)", words):
        return (
            "an exposure follows from the states of others and the ties to them and cannot be set: scale or remove the "
            "layer or a tie, force or prevent what its sources do, or change a parameter"
        )
    return ""


# --- whether what is named exists ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Check:
    """An intervention, and what it is checked against: a history, a model, and arrays as earlier ones left them."""

    it: Intervention
    history: History
    model: Model
    numbers: Numbers

    def refuse(self, why: str) -> ModelError:
        """Return the error that says why it cannot be done."""
        return ModelError(f"cannot {self.it}: {why}")

    def covariate(self, name: str) -> None:
        """Refuse what is no covariate of numbers, in words where it is something else that cannot be changed."""
        known, follows = covariate_names(self.numbers), why_fixed(name)
        if name in self.numbers.static:
            follows = f"{name!r} is a category of the units, and only numbers can be changed"
        elif name in CALENDAR:
            follows = f"{name!r} is the calendar, which nothing changes"
        if follows and name not in known:
            raise self.refuse(follows)
        self.named(name, known, "covariate")

    def named(self, name: str, known: Iterable[str], what: str) -> None:
        """Refuse a name that is not known."""
        if name not in (names := list(known)):
            raise self.refuse(f"there is no {what} {name!r}" + suggestion(name, names))

    def all(self) -> None:
        """Check every field by its name; then what is particular to the kind."""
        units = self.numbers.units
        fields: dict[str, Callable[[str], object]] = {
            "layer": lambda name: self.named(name, self.history.layers, "layer"),
            "unit": lambda name: self.named(name, units, "unit"),
            "source": lambda name: self.named(name, units, "unit"),
            "target": lambda name: self.named(name, units, "unit"),
            "cause": lambda name: self.named(name, cause_names(self.model), "cause"),
            "covariate": self.covariate,
            "start": self.date,
            "end": self.date,
            "at": self.date,
            "until": self.date,
        }
        for field, judge in fields.items():
            value = getattr(self.it, field, None)
            if value is not None:
                judge(value)
        self.order()
        self.it.check(self)

    def date(self, when: str) -> None:
        """Refuse a date that cannot be read, or lies outside the window."""
        history = self.history
        try:
            time = history.to_number(when)
        except TocsinError as error:
            raise self.refuse(str(error)) from None
        start, end = float(history.numbers.start), float(history.numbers.end)
        if not (start <= time < end if history.dated else history._clock.began(start) <= time <= end):
            if hasattr(self.it, "at"):
                raise self.refuse(f"the unit is not present at {when}, which is outside the window")
            first, last = history.window
            raise self.refuse(f"{when} is outside the window, {first} to {last}")

    def order(self) -> None:
        """Refuse what would end before it begins."""
        start, end = getattr(self.it, "start", None), getattr(self.it, "end", None)
        if start is not None and end is not None:
            first, last = span(self.history, start, end)
            if not first < last:
                raise self.refuse(f"it would end, at {end}, before it begins, at {start}")

    def between(self, begin: float, finish: float) -> str:
        """Return 'FIRST and LAST' of a row that holds on (begin, finish]."""
        if self.history.dated:
            return f"{self.history.to_date(begin)} and {self.history.to_date(finish - 1)}"
        return f"{number_text(self.history._clock.began(begin))} and {number_text(finish)}"


# --- what the functions are handed --------------------------------------------------------------------------


def number(value: Any, endless: bool = False) -> float:
    """Return a finite number, of a number or a text (or, if it may be, minus infinity).

    Raises:
        SentenceError: it is none.
    """
    try:
        # As in tables: no underscores, and no digits of other scripts.
        if isinstance(value, str) and not is_number(value) and value not in ("-inf", "inf", "nan"):
            raise ValueError
        found = float(value)
    except (TypeError, ValueError):
        raise SentenceError(f"{value!r} stands where a number is expected") from None
    if not math.isfinite(found) and not (endless and found == -math.inf):
        raise SentenceError(f"{value!r} stands where a finite number is expected")
    return found + 0.0  # no negative zero, which prints as it should not


def date(value: Any) -> str | None:
    """Return a date as it is written; None for none."""
    if value is None:
        return None
    if isinstance(value, datetime.datetime):
        midnight = value.time() == datetime.time()
        return value.date().isoformat() if midnight else value.isoformat()
    if isinstance(value, datetime.date):
        return value.isoformat()
    return str(value).strip()


def moment(value: Any) -> str:
    """Return a date that must be there.

    Raises:
        SentenceError: it is not.
    """
    text = date(value)
    if not text:
        raise SentenceError("a date is missing")
    return text


def maybe(name: Any) -> str | None:
    """Return a name as text; None for none."""
    return None if name is None else str(name)
