"""Parameters that are fixed, tied or taken out: a linear map from what is free to the whole vector."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from tocsin.errors import ModelError, suggestion

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.program.program import Program
    from tocsin.program.scaling import Scaled

    Floats = NDArray[np.float64]


def _position(name: object, names: Sequence[str]) -> int:
    if name not in names:
        raise ModelError(f"unknown parameter {name!r}" + suggestion(str(name), names))
    return list(names).index(str(name))


@dataclass(frozen=True)
class Constraint:
    """The vector of all parameters as a function of the free ones: `vector = base + share[:, group] + lean free`.

    Attributes:
        base: the values of what is fixed (P,), zero elsewhere; minus infinity for a strength of zero.
        group: for each parameter the position of the free value that it takes (P,), -1 where it is fixed, -2 where
            it follows from several free values.
        size: number of free values F.
        lean: what those that follow from several take of each (P, F); None where there are none.
    """

    base: Floats
    group: NDArray[np.int64]
    size: int
    lean: Floats | None = None

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
        if self.lean is not None:
            return self._hold_leaning(positions, values)
        base, group = self.base.copy(), self.group.copy()
        for position, value in zip(positions, values, strict=True):
            together = self.group == self.group[position] if self.group[position] >= 0 else np.zeros(0, bool)
            if together.size:
                base[together], group[together] = value, -1
            else:
                base[position] = value
        return Constraint._of(base, group)

    def _hold_leaning(self, positions: Iterable[int], values: Iterable[float]) -> Constraint:
        held = self
        for position, value in zip(positions, values, strict=True):
            if held.group[position] == -1:
                base = held.base.copy()
                base[position] = value
                held = replace(held, base=base)
            elif value == -math.inf:
                held = held._emptied(position)
            else:
                row = np.zeros(self.base.size)
                row[position] = 1.0
                held = held.bind(row, value)
        return held

    def _emptied(self, position: int) -> Constraint:
        """Return the constraint with a strength of zero, and all strengths that follow from it."""
        base, group, lean = self.base.copy(), self.group.copy(), self.into()
        own = group[position]
        gone = np.arange(base.size) == position
        if own >= 0:
            gone = (group == own) | (lean[:, own] != 0.0)
        base[gone], group[gone], lean[gone] = -math.inf, -1, 0.0
        size = self.size
        if own >= 0:
            lean, size = np.delete(lean, own, axis=1), size - 1
            group = np.where(group > own, group - 1, group)
        lean[group != -2] = 0.0
        return Constraint(base, group, size, lean if lean.any() else None)

    def bind(self, row: Floats, value: float) -> Constraint:
        """Return the constraint with a sum of parameters fixed: `row . vector = value`.

        The free value that weighs most in it is taken out, and what took it follows from the others.
        """
        by_free = self.pull(row)
        if not by_free.any():
            return self
        lost = int(np.argmax(np.abs(by_free)))
        rest = value - float(row @ np.where(np.isneginf(self.base), 0.0, self.base))
        kept = np.delete(np.arange(self.size), lost)
        into = self.into()
        column, share = into[:, lost], by_free / by_free[lost]
        lean = into[:, kept] - np.outer(column, share[kept])
        base = self.base + column * (rest / by_free[lost])
        group = np.where(self.group > lost, self.group - 1, self.group)
        group[self.group == lost] = -2
        moved = (self.group == lost) | (self.group == -2)
        group[moved & ~lean.any(axis=1)] = -1
        lean[group != -2] = 0.0
        return Constraint(base, group, self.size - 1, lean if lean.any() else None)

    def alone(self, position: int) -> bool:
        """Say whether a parameter is free, and no other follows from it."""
        own = self.group[position]
        if own < 0 or (self.group == own).sum() > 1:
            return False
        return self.lean is None or not self.lean[:, own].any()

    def expand(self, free: Floats) -> Floats:
        """Return the vector of all parameters (P,) from the free values (F,)."""
        vector = self.base.copy()
        moving = self.group >= 0
        vector[moving] = free[self.group[moving]]
        return vector if self.lean is None else vector + self.lean @ free

    def reduce(self, vector: Floats) -> Floats:
        """Return free values (F,) from a vector (P,): of each group its mean."""
        moving = self.group >= 0
        count = np.bincount(self.group[moving], minlength=self.size)
        return np.bincount(self.group[moving], vector[moving], minlength=self.size) / np.maximum(count, 1)

    def pull(self, gradient: Floats) -> Floats:
        """Return the gradient in the free values (F,) from that in all parameters (P,)."""
        moving = self.group >= 0
        own = np.bincount(self.group[moving], gradient[moving], minlength=self.size).astype(float)
        return np.asarray(own if self.lean is None else own + self.lean.T @ gradient)

    def pull_matrix(self, matrix: Floats) -> Floats:
        """Return the Hessian in the free values (F, F) from that in all parameters (P, P)."""
        if self.size == self.base.size:  # all are free, none tied: nothing changes
            return np.asarray(matrix)
        into = self.into()
        return np.asarray(into.T @ matrix @ into)

    def push_matrix(self, matrix: Floats) -> Floats:
        """Return a covariance of all parameters (P, P) from that of the free values (F, F)."""
        moving = np.flatnonzero(self.group >= 0)
        if self.lean is not None:
            into = self.into()
            return np.asarray(into @ matrix @ into.T)
        if moving.size == self.size == self.base.size:  # all are free, none tied: nothing changes
            return np.array(matrix)
        result = np.zeros((self.base.size, self.base.size))
        result[np.ix_(moving, moving)] = np.take(matrix[self.group[moving]], self.group[moving], axis=1)
        return result

    def into(self) -> Floats:
        """Return the matrix (P, F) of the map."""
        into = np.zeros((self.base.size, self.size)) if self.lean is None else self.lean.copy()
        moving = np.flatnonzero(self.group >= 0)
        into[moving, self.group[moving]] = 1.0
        return into

    def push_ways(self, ways: Floats) -> Floats:
        """Return directions of all parameters (P, L) from directions of the free values (F, L)."""
        if self.lean is not None:
            return np.asarray(self.into() @ ways)
        moving = np.flatnonzero(self.group >= 0)
        result = np.zeros((self.base.size, ways.shape[1]))
        result[moving] = ways[self.group[moving]]
        return result

    def on_scale(self, scaled: Scaled) -> Constraint:
        """Return the constraint of scaled parameters that says the same as this one of the user's.

        Parameters:
            scaled: the map between them.
        """
        rows = {
            int(p): scaled.row(int(p), self.base) for p in np.flatnonzero(self._shared() | (self.group < 0))
        }
        single = {p: row for p, row in rows.items() if np.count_nonzero(row) == 1}
        base, lead = self.base.copy(), np.arange(self.base.size)
        bound: list[tuple[Floats, float]] = []
        for p in (int(each) for each in np.flatnonzero(self.group < 0)):
            if np.isneginf(base[p]):
                lead[p] = -1
            elif p in single:
                base[p], lead[p] = base[p] / rows[p][p], -1
            else:
                bound.append((rows[p], float(base[p])))
                base[p] = 0.0
        for value in np.unique(self.group[self._shared()]):
            first, *others = (int(p) for p in np.flatnonzero(self.group == value))
            for p in others:
                if p in single and first in single and rows[p][p] == rows[first][first]:
                    lead[p] = first
                else:
                    bound.append((rows[p] - rows[first], 0.0))
        made = Constraint._of(base, lead)
        for row, value in bound:
            made = made.bind(row, value)
        return made

    def _shared(self) -> NDArray[np.bool_]:
        """Return which parameters take the value of another too (P,)."""
        count = np.bincount(self.group[self.group >= 0], minlength=max(self.size, 1))
        return np.asarray((self.group >= 0) & (count[np.maximum(self.group, 0)] > 1))


# --- Weak priors for penalised fits


@dataclass(frozen=True)
class Prior:
    """Independent normal priors on coefficients, strengths and shape parameters.

    Attributes:
        coefficient: standard deviation of a coefficient about 0, per standard deviation of its term over the time
            at risk; for a term of two values per their distance.
        strength: standard deviation of an intercept (a log rate, or the log of a contagion's strength), at the
            mean of every term over the time at risk, about the logarithm of one event a unit and window.
        half_life: standard deviation of log half-life about the geometric mean of its bounds.
        alpha: standard deviation of log alpha about 0.

    Example:
        >>> import tocsin as tc
        >>> tc.Prior(coefficient=1.0).coefficient
        1.0
    """

    coefficient: float = 2.5
    strength: float = 5.0
    half_life: float = 1.5
    alpha: float = 0.5

    def __post_init__(self) -> None:
        for name in ("coefficient", "strength", "half_life", "alpha"):
            value = getattr(self, name)
            if not (isinstance(value, int | float) and math.isfinite(value) and value > 0):
                raise ModelError(f"the prior's {name} is a standard deviation above 0, not {value!r}")

    def centre_and_scale(self, program: Program) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return mean and standard deviation of every parameter (P,), in the order of a program on its scale."""
        size = len(program.parameter_names)
        centre, scale = np.zeros(size), np.full(size, self.coefficient)
        start, end = program.opening.window
        for slots in program.slots:
            for position in slots.target:
                if program.parameter_names[position].endswith(" | 1"):
                    centre[position], scale[position] = -math.log(end - start), self.strength
            if slots.half_life >= 0:
                low, high = half_life_bounds(program)
                centre[slots.half_life], scale[slots.half_life] = (low + high) / 2, self.half_life
            if slots.alpha >= 0:
                scale[slots.alpha] = self.alpha
        return centre, scale


def half_life_bounds(program: Program) -> tuple[float, float]:
    """Return the logarithms of the bounds of an estimated half-life.

    The upper one is the length of the window; the lower one half a unit of the clock or, where times are plain
    numbers and no unit means anything, the smallest positive gap between events.
    """
    start, end = program.opening.window
    longest = float(end - start)
    shortest = 0.5
    if program.history.clock in (None, "number", "continuous"):
        gaps = np.diff(np.unique(program.observed.time))
        shortest = float(gaps.min(initial=longest))
    return math.log(shortest if shortest < longest else 0.01 * longest), math.log(longest)


def weak_prior(
    coefficient: float = 2.5, strength: float = 5.0, half_life: float = 1.5, alpha: float = 0.5
) -> Prior:
    """Return a weak prior, which keeps estimates finite where the data are thin (after Gelman et al. 2008).

    Parameters:
        coefficient, strength, half_life, alpha: standard deviations; see `Prior`.

    Raises:
        ModelError: a standard deviation is not a positive number.

    Example:
        >>> import tocsin as tc
        >>> tc.weak_prior().coefficient
        2.5
    """
    return Prior(coefficient, strength, half_life, alpha)
