"""The state whose spread is followed, and the words in which sentences speak of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tocsin.errors import ModelError
from tocsin.model.declaration import Contagion

if TYPE_CHECKING:
    from tocsin.history.history import History
    from tocsin.model.model import Model


@dataclass(frozen=True)
class Wave:
    """The state whose spread a report follows, such as `regime` `soviet`.

    Attributes:
        variable, state: which state.
        one, many: what a history calls it, "soviet republic" and "soviet republics"; empty where it has no
            word for it, and sentences then name variable and state.
    """

    variable: str
    state: str
    one: str = ""
    many: str = ""

    def __str__(self) -> str:
        return f"{self.variable}={self.state}"

    @property
    def words(self) -> str:
        """Return the state as sentences name it: regime “soviet”."""
        return f"{self.variable} “{self.state}”"

    def entries(self, count: float) -> str:
        """Return '38 soviet republics', or '38 entries into regime “soviet”'."""
        one, many = (self.one, self.many) if self.one else (f"entry into {self.words}", self.entered)
        return f"{count:,g} {one if count == 1 else many}"

    @property
    def entered(self) -> str:
        """Return 'soviet republics', or 'entries into regime “soviet”'."""
        return self.many or f"entries into {self.words}"

    @property
    def standing(self) -> str:
        """Return 'soviet republics', or 'units in regime “soviet”'."""
        return self.many or f"units in {self.words}"

    @property
    def within(self) -> str:
        """Return 'with a soviet republic', or 'in regime “soviet”'."""
        return f"with {self._a}" if self.one else f"in {self.words}"

    @property
    def came(self) -> str:
        """Return 'had a soviet republic', or 'came into regime “soviet”'."""
        return f"had {self._a}" if self.one else f"came into {self.words}"

    @property
    def comes(self) -> str:
        """Return 'has a soviet republic', or 'comes into regime “soviet”'."""
        return f"has {self._a}" if self.one else f"comes into {self.words}"

    @property
    def come(self) -> str:
        """Return 'have a soviet republic', or 'come into regime “soviet”'."""
        return f"have {self._a}" if self.one else f"come into {self.words}"

    @property
    def again(self) -> str:
        """Return 'had one again', or 'did so again'."""
        return "had one again" if self.one else "did so again"

    @property
    def spells(self) -> str:
        """Return 'soviet republics', or 'spells in regime “soviet”'."""
        return self.many or f"spells in {self.words}"

    @property
    def _a(self) -> str:
        return f"{'an' if self.one[0].lower() in 'aeiou' else 'a'} {self.one}"


def wave_in(history: History, variable: str, state: str) -> Wave:
    """Return a state with the words that a history has for it."""
    return Wave(variable, state, *history.waves.get(f"{variable}={state}", ("", "")))


def wave_of(model: Model, clause: str | None = None, history: History | None = None) -> Wave:
    """Return the wave that a clause names, or the model's own, in the words of a history if it has any.

    Without a clause: the first declared variable that spreads by contagion, and the state that its first
    transition enters.

    Raises:
        ModelError: the clause is not one variable and one state of the model.
    """
    variable, state = _named(model, clause) if clause is not None else _own(model)
    return Wave(variable, state) if history is None else wave_in(history, variable, state)


def _named(model: Model, clause: str) -> tuple[str, str]:
    from tocsin.states import parse_clause

    named = parse_clause(clause, model.by_name)
    if len(named) != 1 or any(len(states) != 1 for states in named.values()):
        raise ModelError(f"the wave {clause!r} must be one state of one variable, such as regime=soviet")
    variable, states = next(iter(named.items()))
    return variable, next(iter(states))


def _own(model: Model) -> tuple[str, str]:
    spreading = {
        transition.variable
        for transition in model.transitions
        if any(isinstance(cause, Contagion) for cause in transition.causes)
    }
    # A model without contagion still has a first transition to follow.
    chosen = spreading or {transition.variable for transition in model.transitions}
    variable = next(each.name for each in model.variables if each.name in chosen)
    first = next(transition for transition in model.transitions if transition.variable == variable)
    return variable, first.to
