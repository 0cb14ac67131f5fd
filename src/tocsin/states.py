"""Words that a history and a model share: the state variable and the clause about states."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from unicodedata import normalize

from tocsin.errors import ModelError, check_text, read_list, shown, suggestion

FORCED = "forced"  # the cause of an event that an intervention forces; no cause of a model has this name

# Names stand in clauses, parameter names and sentences, so their separators are kept out of them.
FORBIDDEN_IN_STATES = re.compile(r"[|>=,]")


@dataclass(frozen=True)
class StateVariable:
    """A variable of each unit that is in one of finitely many states at any time.

    Parameters:
        name: the name of the variable.
        states: the names of its states; the first is the reference category in formulas.
        initial: the state on entry where nothing else says it; the first state by default.
        recurrent: whether events into the state already held are allowed (a further riot).

    Raises:
        ModelError: no states, a state named twice, an unknown initial state, or a reserved sign in a name.

    Example:
        >>> import tocsin as tc
        >>> regime = tc.StateVariable("regime", ["old", "soviet"])
        >>> regime.states
        ('old', 'soviet')
    """

    name: str
    states: tuple[str, ...]
    initial: str | None = None
    recurrent: bool = False

    def __init__(
        self, name: str, states: Sequence[str], initial: str | None = None, recurrent: bool = False
    ) -> None:
        if isinstance(states, str):
            raise ModelError(f"variable {name!r}: states must be a list of names, not the string {states!r}")
        states = read_list(f"variable {shown(name)}: states", states)
        for each in (name, *states):  # a code such as 0 or 1 is a name too
            if isinstance(each, bool | bytes) or not (isinstance(each, str) or hasattr(each, "__index__")):
                raise ModelError(f"a variable or a state has a name, not {shown(each)}")
        if recurrent not in (True, False):
            raise ModelError(f"variable {name!r}: recurrent is true or false, not {shown(recurrent)}")
        # In one Unicode form, as the names in tables are read.
        object.__setattr__(self, "name", normalize("NFC", str(name)))
        object.__setattr__(self, "states", tuple(normalize("NFC", str(state)) for state in states))
        first = normalize("NFC", initial) if isinstance(initial, str) else initial
        object.__setattr__(self, "initial", self.states[0] if initial is None and self.states else first)
        object.__setattr__(self, "recurrent", bool(recurrent))
        self._check()

    def _check(self) -> None:
        if not self.name or FORBIDDEN_IN_STATES.search(self.name):
            raise ModelError(
                f"a variable cannot be named {self.name!r}: use no | > = or comma, and no empty name"
            )
        if self.name == "1":
            raise ModelError("a variable cannot be named '1': it is the constant term of every formula")
        if not self.states:
            raise ModelError(f"variable {self.name!r} has no states")
        for state in self.states:
            if not state or state != state.strip() or FORBIDDEN_IN_STATES.search(state):
                raise ModelError(
                    f"variable {self.name!r}: a state cannot be named {state!r}: "
                    "use no | > = or comma, and no blank at either end"
                )
            if self.states.count(state) > 1:
                raise ModelError(f"variable {self.name!r} names the state {state!r} twice")
        if self.initial not in self.states:
            raise ModelError(
                f"variable {self.name!r}: the initial state {self.initial!r} is not one of its states"
                + suggestion(str(self.initial), self.states)
            )

    def code(self, state: str) -> int:
        """Return the position of `state`; raise ModelError with the nearest name if it is unknown."""
        if state not in self.states:
            raise ModelError(
                f"variable {self.name!r} has no state {state!r}" + suggestion(state, self.states)
            )
        return self.states.index(state)


def parse_clause(text: str, variables: Mapping[str, StateVariable]) -> dict[str, frozenset[str]]:
    """Read a clause such as ``regime=soviet`` or ``regime=a|b and army=mutinous``.

    Parameters:
        text: ``variable=state`` or ``variable=a|b`` terms joined by ``and``.
        variables: the known variables by name.

    Returns:
        For each variable named, the states that satisfy the clause; several terms on one variable intersect.

    Raises:
        ModelError: the clause cannot be read, or names an unknown variable or state.
    """
    check_text("a clause about states", text)
    found: dict[str, frozenset[str]] = {}
    for term in re.split(r"\s+and\s+", text.strip()):
        name, sign, states = (part.strip() for part in term.partition("="))
        if not sign or not name or not states:
            raise ModelError(f"cannot read the clause {text!r}: write variable=state, joined by 'and'")
        if name not in variables:
            raise ModelError(
                f"the clause {text!r} names an unknown variable {name!r}" + suggestion(name, variables)
            )
        variable = variables[name]
        wanted = frozenset(state.strip() for state in states.split("|"))
        for state in wanted:
            if state not in variable.states and (" or " in state or state.endswith(" or")):
                raise ModelError(
                    f"the clause {text!r} says 'or', which no clause can: write states of one variable as "
                    f"{name}=a|b, and declare a contagion each for states of several variables"
                )
            variable.code(state)
        found[name] = found[name] & wanted if name in found else wanted
        if not found[name]:
            raise ModelError(f"the clause {text!r} can never hold: no state of {name!r} satisfies it")
    return found
