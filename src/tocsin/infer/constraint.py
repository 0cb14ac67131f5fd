"""Parameters that are fixed, tied or taken out: a linear map from what is free to the whole vector."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tocsin.errors import ModelError, suggestion

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


def _position(name: object, names: Sequence[str]) -> int:
    if name not in names:
        raise ModelError(f"unknown parameter {name!r}" + suggestion(str(name), names))
    return list(names).index(str(name))


@dataclass(frozen=True)
class Constraint:
    """The vector of all parameters as a function of the free ones: `vector = base + share[:, group]`.

    Attributes:
        base: the values of what is fixed (P,), zero elsewhere; minus infinity for a strength of zero.
        group: for each parameter the position of the free value that it takes (P,), -1 where it is fixed.
        size: number of free values F.
    """

    base: Floats
    group: NDArray[np.int64]
    size: int

    @staticmethod
    def make(
        names: Sequence[str],
        fixed: Mapping[str, float] | None = None,
        tied: Iterable[Sequence[str]] | None = None,
    ) -> Constraint:
        """Make the constraint of a fit.

        Parameters:
            names: the parameters in order.
            fixed: values of parameters that are not estimated, as `Program.loglik` takes them (half-lives and
                alphas as logarithms; minus infinity for a strength of zero). A coefficient fixed at 1
                makes its term an offset.
            tied: groups of parameters that take one value.

        Raises:
            ModelError: an unknown name, a value that is no number, or a parameter both fixed and tied to
                another.
        """
        position = np.arange(len(names))
        for group in tied or ():
            if isinstance(group, str) or len(group) < 2:
                raise ModelError(f"tied= holds groups of two or more parameter names, not {group!r}")
            members = [_position(name, names) for name in group]
            lead = min(position[member] for member in members)
            for member in members:
                position[position == position[member]] = lead
        base = np.zeros(len(names))
        held = np.zeros(len(names), dtype=bool)
        for name, value in (fixed or {}).items():
            place = _position(name, names)
            if isinstance(value, bool | str) or not isinstance(value, int | float | np.number):
                raise ModelError(f"the fixed value of {name!r} must be a number, not {value!r}")
            if math.isnan(value) or value == math.inf:
                raise ModelError(f"the fixed value of {name!r} cannot be {value!r}")
            together = position == position[place]
            if held[together].any():
                raise ModelError(f"{name!r} is tied to a parameter that is fixed at {base[together].max():g}")
            base[together], held[together] = float(value), True
        return Constraint._of(base, np.where(held, -1, position))

    @staticmethod
    def _of(base: Floats, lead: NDArray[np.int64]) -> Constraint:
        free = np.unique(lead[lead >= 0])
        group = np.where(lead >= 0, np.searchsorted(free, lead), -1)
        return Constraint(base, group.astype(np.int64), int(free.size))

    def hold(self, positions: Iterable[int], values: Iterable[float]) -> Constraint:
        """Return the constraint with more parameters fixed, and all that are tied to them."""
        base, group = self.base.copy(), self.group.copy()
        for position, value in zip(positions, values, strict=True):
            together = self.group == self.group[position] if self.group[position] >= 0 else np.zeros(0, bool)
            if together.size:
                base[together], group[together] = value, -1
            else:
                base[position] = value
        return Constraint._of(base, group)

    def expand(self, free: Floats) -> Floats:
        """Return the vector of all parameters (P,) from the free values (F,)."""
        vector = self.base.copy()
        moving = self.group >= 0
        vector[moving] = free[self.group[moving]]
        return vector

    def reduce(self, vector: Floats) -> Floats:
        """Return free values (F,) from a vector (P,): of each group its mean."""
        moving = self.group >= 0
        count = np.bincount(self.group[moving], minlength=self.size)
        return np.bincount(self.group[moving], vector[moving], minlength=self.size) / np.maximum(count, 1)

    def pull(self, gradient: Floats) -> Floats:
        """Return the gradient in the free values (F,) from that in all parameters (P,)."""
        moving = self.group >= 0
        return np.asarray(np.bincount(self.group[moving], gradient[moving], minlength=self.size), dtype=float)

    def pull_matrix(self, matrix: Floats) -> Floats:
        """Return the Hessian in the free values (F, F) from that in all parameters (P, P)."""
        if self.size == self.base.size:  # all are free, none tied: nothing changes
            return np.asarray(matrix)
        into = self.into()
        return np.asarray(into.T @ matrix @ into)

    def push_matrix(self, matrix: Floats) -> Floats:
        """Return a covariance of all parameters (P, P) from that of the free values (F, F); NaN where it
        is."""
        moving = np.flatnonzero(self.group >= 0)
        if moving.size == self.size == self.base.size:  # all are free, none tied: nothing changes
            return np.array(matrix)
        result = np.zeros((self.base.size, self.base.size))
        result[np.ix_(moving, moving)] = np.take(matrix[self.group[moving]], self.group[moving], axis=1)
        return result

    def into(self) -> Floats:
        """Return the matrix (P, F) of the map."""
        into = np.zeros((self.base.size, self.size))
        moving = np.flatnonzero(self.group >= 0)
        into[moving, self.group[moving]] = 1.0
        return into
