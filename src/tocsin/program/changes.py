"""What changes at known times in a program, laid out only where it is asked for.

Simulations and sweeps of contagion walk through it. A fit of causes at home follows the pieces of each unit and
needs none of it, and for a long table of covariates to put all pieces in the order of time takes longer than the fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from tocsin.kernels.layout import PIECE
from tocsin.program.ties import Breaks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.program.design import Design


@dataclass(frozen=True, eq=False)
class Changes:
    """What changes inside the window (start, end).

    Attributes:
        designs: the designs, whose pieces begin at known times; base: where their rows stand in the layout.
        parts: all other changes.
    """

    designs: Sequence[Design]
    base: NDArray[np.int64]
    parts: Sequence[Breaks]
    start: float
    end: float

    @cached_property
    def laid(self) -> Breaks:
        """Return all changes in the order in which they happen."""
        return Breaks.join([*self._pieces(), *self.parts], self.start, self.end)

    def _pieces(self) -> list[Breaks]:
        parts = []
        for number, design in enumerate(self.designs):
            later = np.ones(design.starts.size, dtype=bool)
            later[design.first[:-1]] = False
            piece = np.flatnonzero(later)
            unit = np.repeat(np.arange(design.first.size - 1), np.diff(design.first))[piece]
            offset = self.base[number] + piece * design.rows.shape[1]
            parts.append(Breaks.make(PIECE, design.starts[piece], number, unit, offset))
        return parts
