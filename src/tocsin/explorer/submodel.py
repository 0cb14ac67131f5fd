"""The part of a model that a variable depends on: its worlds are those of the whole model, and sooner drawn.

Every clock has a stream of its own, keyed by the names of unit, transition and cause. So a variable that nothing
of the others listens to can be left out, and what is left has, to the bit, the events that it has in the whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tocsin.errors import ModelError
from tocsin.kernels.layout import SOURCE, TARGET
from tocsin.model.declaration import clauses_of
from tocsin.states import parse_clause

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from tocsin.program.program import Program


@dataclass(frozen=True, eq=False)
class Part:
    """A program of some of the variables.

    Attributes:
        names: the variables, in the order of the whole model.
        program, vector: the program and its parameters.
    """

    names: tuple[str, ...]
    program: Program
    vector: NDArray[np.float64]

    def concerned(self, sentences: Sequence[str]) -> list[str]:
        """Return the sentences that can change this part: those that name nothing that it lacks.

        The sentences must be valid for the whole model, so that what they name and the part lacks is of
        variables that nothing here listens to.
        """
        from tocsin.interventions.apply import checked
        from tocsin.interventions.on_hazards import OfParameter
        from tocsin.interventions.sentences import read

        history, model = self.program.history, self.program.model
        kept: list[str] = []
        for sentence in sentences:
            intervention = read(sentence)
            if isinstance(intervention, OfParameter):
                if intervention.parameter in self.program.parameter_names:
                    kept.append(sentence)
                continue
            try:
                # On top of those before it: a tie that was added can be removed.
                checked([*kept, sentence], history, model)
            except ModelError:
                continue
            kept.append(sentence)
        return kept


def listened(program: Program) -> dict[str, set[str]]:
    """Return, for each variable, those that its transitions listen to directly, itself among them."""
    names = program.joint.names
    found = {name: {name} for name in names}
    for number, (transition, cause) in enumerate(program.causes):
        heard = found[transition.variable]
        if transition.requires is not None:
            heard |= set(parse_clause(transition.requires, program.model.by_name))
        for clause in clauses_of(cause):
            heard |= set(parse_clause(clause, program.model.by_name))
        for design in program.layout.cause[number, [TARGET, SOURCE]]:
            if design >= 0:
                heard |= set(program.designs[design].uses) & set(names)
    return found


def part_of(program: Program, parameters: Mapping[str, float], variable: str) -> Part:
    """Return the part of a program that a variable depends on, through others too.

    Parameters:
        program: the whole.
        parameters: a value for every parameter of the whole.
        variable: the variable asked about.
    """
    from tocsin.model.model import Model

    heard = listened(program)
    needed, new = {variable}, {variable}
    while new:
        new = set().union(*(heard[name] for name in new)) - needed
        needed |= new
    names = tuple(name for name in program.joint.names if name in needed)
    moves = [each for each in program.model.transitions if each.variable in needed]
    if len(names) == len(program.joint.names) or not moves:
        return Part(tuple(program.joint.names), program, program.pack(parameters))
    variables = [each for each in program.model.variables if each.name in needed]
    smaller = Model(variables, moves).compile(program.history, program.learned)
    return Part(names, smaller, smaller.pack({name: parameters[name] for name in smaller.parameter_names}))
