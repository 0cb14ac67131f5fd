"""One number for each world: what an allocation is to raise or to lower."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tocsin.errors import ModelError, TocsinError, suggestion

if TYPE_CHECKING:
    from tocsin.ensemble.ensemble import Ensemble
    from tocsin.ensemble.frame import Frame

MEASURES = ("units", "entries", "time", "held")
_SENTENCE = re.compile(r"(\S+) ([^\s=]+)=(\S+)(?: in (\S+))?(?: at (\S+))?")
_EXAMPLES = (
    "'units regime=soviet' (units that come into the state), 'entries regime=soviet' (events into it), "
    "'time regime=soviet' (units times time in it), 'held regime=soviet at 1921-01-01' (units in it on a date); "
    "' in hungary' or ' in hungary|austria' narrows it"
)


@dataclass(frozen=True)
class Outcome:
    """A number for each world about one state.

    Parameters:
        measure: ``units`` that come into the state, ``entries`` (events into it), ``time`` in it summed over
            units (clock units), or ``held``: units in it at a time.
        variable, state: the state.
        units: of these only; empty for all.
        at: the time, for ``held``; the end of the window by default.
    """

    measure: str
    variable: str
    state: str
    units: tuple[str, ...] = ()
    at: str | float | None = None

    def __post_init__(self) -> None:
        if self.measure not in MEASURES:
            raise ModelError(f"there is no outcome {self.measure!r}" + suggestion(self.measure, MEASURES))
        if self.at is not None and self.measure != "held":
            raise ModelError(f"the outcome {self.measure!r} is of the whole window: a date goes with 'held'")
        object.__setattr__(self, "units", tuple(self.units))

    @staticmethod
    def parse(text: str) -> Outcome:
        """Read an outcome from a sentence such as ``units regime=soviet``; raise ModelError if it is none."""
        found = _SENTENCE.fullmatch(" ".join(text.split()))
        if found is None:
            raise ModelError(f"cannot read the outcome {text!r}: write {_EXAMPLES}")
        measure, variable, state, units, at = found.groups()
        return Outcome(measure, variable, state, tuple(units.split("|")) if units else (), at)

    def __str__(self) -> str:
        where = f" in {'|'.join(self.units)}" if self.units else ""
        return f"{self.measure} {self.variable}={self.state}{where}" + (
            f" at {self.at}" if self.at is not None else ""
        )

    def check(self, frame: Frame) -> None:
        """Raise TocsinError if worlds of this frame do not have the state, a unit or the time."""
        frame.code(self.variable, self.state)
        for unit in self.units:
            if unit not in frame.units:
                raise TocsinError(f"there is no unit {unit!r}" + suggestion(unit, frame.units))
        if self.at is not None:
            frame.grid([self.at])

    def __call__(self, ensemble: Ensemble) -> NDArray[np.float64]:
        """Return the outcome of each world (worlds,); raise TocsinError as `check` does."""
        self.check(ensemble.frame)
        return np.concatenate([np.empty(0), *ensemble._each(self._of)])

    def _of(self, ensemble: Ensemble) -> NDArray[np.float64]:
        frame = ensemble.frame
        chosen = np.ones(len(frame.units), dtype=bool)
        if self.units:
            chosen[:] = False
            chosen[[frame.units.index(unit) for unit in self.units]] = True
        if self.measure in ("units", "entries"):
            moves = ensemble._moves(self.variable)
            into = np.flatnonzero((moves.to == frame.code(self.variable, self.state)) & chosen[moves.unit])
            world, unit = moves.world[into], moves.unit[into]
            if self.measure == "units":
                # Moves stand in the order of world and unit.
                new = np.ones(len(world), dtype=bool)
                new[1:] = (world[1:] != world[:-1]) | (unit[1:] != unit[:-1])
                world = world[new]
            return np.bincount(world, minlength=ensemble.worlds).astype(np.float64)
        spells = ensemble._spells(self.variable, self.state)
        kept = chosen[spells.unit]
        world, start, end = spells.world[kept], spells.start[kept], spells.end[kept]
        if self.measure == "time":
            return np.bincount(world, weights=end - start, minlength=ensemble.worlds).astype(np.float64)
        at = frame.end if self.at is None else frame.to_number(self.at)
        entry = start == frame.enter[spells.unit[kept]]
        inside = ((start < at) | (entry & (start == at))) & (end >= at)
        return np.bincount(world[inside], minlength=ensemble.worlds).astype(np.float64)
