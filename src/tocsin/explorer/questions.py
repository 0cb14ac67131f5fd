"""What the page may ask: every parameter of an address is named, read and bounded here, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tocsin.errors import ModelError, TocsinError, suggestion
from tocsin.interventions.asked import given_by
from tocsin.model.followed_state import Wave, wave_of

if TYPE_CHECKING:
    from tocsin.history.history import History
    from tocsin.model.model import Model

Pairs = Iterable[tuple[str, str]]


@dataclass(frozen=True)
class Limits:
    """How much work one visitor may ask for.

    Attributes:
        worlds: how many worlds an answer has, unless fewer are asked for.
        least: how few worlds may be asked for.
        sentences: how many sentences a what-if may have.
        letters: how long a sentence may be.
        seed: the largest seed.
        waiting: how many questions may wait for their turn; further ones are sent away for a moment.
        each: how many of them one visitor may have, and
        tables: how many of these may be tables.
        rows: how many a table may have.
        patience: seconds after which a question that still waits is sent away.
        burst, refill: how many questions one visitor may ask at once, and how many more every second.
        swelling: by how much a what-if may multiply the events of a world.
        kept: how many sets of worlds are remembered.
    """

    worlds: int = 2000
    least: int = 50
    sentences: int = 6
    letters: int = 160
    seed: int = 2**32 - 1
    waiting: int = 64
    each: int = 16
    tables: int = 4
    rows: int = 500_000
    patience: float = 30.0
    burst: float = 120.0
    refill: float = 6.0
    swelling: float = 100.0
    kept: int = 4


class Refused(TocsinError):
    """A question that cannot be answered, with the status of the answer and the parameter at fault."""

    def __init__(self, message: str, field: str | None = None, status: int = 400, wait: int = 0) -> None:
        super().__init__(message)
        self.field, self.status, self.wait = field, status, wait


@dataclass(frozen=True)
class Scenario:
    """Worlds with some things changed: sentences in their plain form, how many, the seed, and what they are given."""

    do: tuple[str, ...]
    worlds: int
    seed: int
    given: str = "nothing"
    clocks: str = "cause"


@dataclass(frozen=True)
class Question:
    """A scenario, the one it is compared with, and the state that is looked at."""

    scenario: Scenario
    base: Scenario
    show: Wave
    unit: str | None = None


class QuestionReader:
    """Reads questions about one history and its model.

    Parameters:
        history, model: what can be asked about.
        wave: the state that is shown unless another is asked for.
        limits: the bounds.
        seed: the seed unless another is asked for.
        given: what worlds are given: ``nothing``, ``until DATE``, or what the question of the history says.
    """

    def __init__(
        self, history: History, model: Model, wave: Wave, limits: Limits, seed: int, given: str | None = None
    ) -> None:
        self.history, self.model, self.wave, self.limits, self.seed = history, model, wave, limits, seed
        self.given = given

    def scenarios(
        self, do: Sequence[str], base: Sequence[str], worlds: int, seed: int, ours: bool = False
    ) -> tuple[Scenario, Scenario]:
        """Return the worlds of a change and those it is compared with, which are given the same.

        Parameters:
            ours: whether it is asked of our own world, given all that happened, and not of worlds like ours.
        """
        from tocsin.interventions.sentences import read

        changes = [read(text) for text in (*do, *base)]
        given = "history" if ours else given_by(self.history, self.given, changes)
        return Scenario(tuple(do), worlds, seed, given), Scenario(tuple(base), worlds, seed, given)

    def question(self, pairs: Pairs, allowed: Sequence[str]) -> Question:
        """Return the question that an address asks.

        Parameters:
            pairs: names and values of the address, in order.
            allowed: the names that this answer knows.

        Raises:
            Refused: an unknown, repeated, endless or unreadable parameter.
        """
        found = gathered(pairs, allowed, ("do", "base"))
        limits = self.limits
        worlds = whole(found, "worlds", limits.least, limits.worlds, limits.worlds)
        seed = whole(found, "seed", 0, limits.seed, self.seed)
        show = self._show(found["show"][0]) if "show" in found else self.wave
        unit = self.unit(found["unit"][0]) if "unit" in found else None
        do, base = self.sentences(found.get("do", ()), "do"), self.sentences(found.get("base", ()), "base")
        if found.get("given", ["history"]) != ["history"]:
            raise Refused("given is 'history', for our own world, or left out", "given")
        return Question(*self.scenarios(do, base, worlds, seed, "given" in found), show, unit)

    def sentences(self, texts: Sequence[str], field: str) -> tuple[str, ...]:
        """Return sentences in their plain form, each once; raise Refused where one cannot be read.

        Each is checked on top of those before it: what one has taken away, another cannot change.
        """
        from tocsin.interventions.sentences import parse_all

        if len(texts) > self.limits.sentences:
            raise Refused(f"at most {self.limits.sentences} sentences can stand in one what-if", field)
        for text in texts:
            if len(text) > self.limits.letters:
                raise Refused(f"a sentence has at most {self.limits.letters} letters", field)
            if any(not letter.isprintable() for letter in text):
                raise Refused("a sentence has printable letters only", field)
        try:
            found = parse_all(list(dict.fromkeys(texts)), self.history, self.model)
        except TocsinError as error:
            raise Refused(str(error), field) from None
        except (ValueError, OverflowError, RecursionError) as error:
            raise Refused(f"cannot read {' and '.join(map(repr, texts))}: {error}", field) from None
        return tuple(str(each) for each in found)

    def unit(self, name: str) -> str:
        """Return the name of a unit; raise Refused with the nearest one if there is none of that name."""
        units = self.history.numbers.units
        if name not in self.history.numbers.unit_index:
            raise Refused(f"there is no unit {_short(name)!r}" + suggestion(name[:80], units), "unit")
        return name

    def _show(self, clause: str) -> Wave:
        if len(clause) > self.limits.letters:
            raise Refused("the state to show is one of the model's, such as " + str(self.wave), "show")
        try:
            return wave_of(self.model, clause, self.history)
        except ModelError as error:
            raise Refused(str(error), "show") from None


def gathered(pairs: Pairs, allowed: Sequence[str], many: Sequence[str] = ()) -> dict[str, list[str]]:
    """Return the values of each parameter; raise Refused where one is unknown, empty or given twice."""
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        if name not in allowed:
            raise Refused(
                f"there is no parameter {_short(name)!r}" + suggestion(name[:80], allowed), _short(name)
            )
        if name in found and name not in many:
            raise Refused(f"{name} is given twice", name)
        if not value.strip():
            raise Refused(f"{name} is empty", name)
        found.setdefault(name, []).append(value)
    return found


def whole(found: dict[str, list[str]], name: str, least: int, most: int, default: int) -> int:
    """Return a parameter that is a whole number within bounds."""
    if name not in found:
        return default
    text = found[name][0]
    # Only plain digits: int() also reads underscores and the digits of other scripts.
    if not (text.isascii() and text.isdigit() and len(text) <= 12 and least <= int(text) <= most):
        raise Refused(f"{name} is a whole number from {least} to {most}, not {_short(text)!r}", name)
    return int(text)


def unchanged(scenario: Scenario) -> Scenario:
    """Return the same worlds with nothing changed."""
    return replace(scenario, do=())


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:59] + "…"
