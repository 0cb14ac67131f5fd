"""Joint states: one number for the states of all variables of a unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tocsin.errors import ModelError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.words import StateVariable

MOST_JOINT_STATES = 65_536


class JointStates:
    """The product of the states of several variables; the first variable moves fastest.

    Attributes:
        variables: the variables by name.
        names: their names, in order.
        sizes, strides: number of states and stride of each variable (variables,).
        count: number of joint states.
    """

    def __init__(self, variables: Sequence[StateVariable]) -> None:
        self.variables: Mapping[str, StateVariable] = {variable.name: variable for variable in variables}
        self.names = tuple(self.variables)
        self.sizes = np.array([len(variable.states) for variable in variables], dtype=np.int64)
        self.strides = np.concatenate([[1], np.cumprod(self.sizes)])[:-1].astype(np.int64)
        self.count = int(np.prod(self.sizes.astype(object)))
        if self.count > MOST_JOINT_STATES:
            raise ModelError(
                f"the variables of the model make {self.count} joint states; at most {MOST_JOINT_STATES}: "
                "leave out variables or states that the model does not need"
            )

    def index(self, name: str) -> int:
        """Return the position of a variable."""
        return self.names.index(name)

    def codes(self, name: str) -> NDArray[np.int64]:
        """Return the state of one variable in each joint state."""
        position = self.index(name)
        return np.asarray((np.arange(self.count) // self.strides[position]) % self.sizes[position])

    def holds(self, clause: Mapping[str, frozenset[str]]) -> NDArray[np.bool_]:
        """Return in which joint states a parsed clause holds."""
        held = np.ones(self.count, dtype=np.bool_)
        for name, states in clause.items():
            wanted = [self.variables[name].code(state) for state in states]
            held &= np.isin(self.codes(name), wanted)
        return held

    def columns(self, names: Sequence[str]) -> NDArray[np.int32]:
        """Return for each joint state its combination of the named variables, the last moving fastest."""
        column = np.zeros(self.count, dtype=np.int64)
        for name in names:
            column = column * len(self.variables[name].states) + self.codes(name)
        return column.astype(np.int32)
