"""How far estimates can be trusted: the observed information, and sandwiches of the scores of units or
groups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.linalg.lapack import dpotrf, dpotri

from tocsin.errors import TocsinError, suggestion
from tocsin.infer.maximum import CLEARLY_CONCAVE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.infer.search import Found, Task
    from tocsin.program import Program

    Floats = NDArray[np.float64]

MANY = 300  # parameters
WIDEST = 50.0  # standard error of a log hazard ratio over half the range of its term: nothing is known of it


@dataclass(frozen=True)
class Identified:
    """What the information at a maximum says.

    Attributes:
        vcov: inverse of the observed information (P, P); zero for what is fixed, NaN for what is not
            identified.
        lost: positions of parameters of which the data say nothing.
        bound: positions of parameters that press against a bound.
    """

    vcov: Floats
    lost: tuple[int, ...]
    bound: tuple[int, ...]


def half_ranges(program: Program) -> Floats:
    """Return half the range of what each parameter multiplies (P,); 1 for intercepts, constants and
    shapes."""
    result = np.ones(len(program.parameter_names))
    for cause in program.likelihood.causes:
        least, most = cause.ranges
        width = (most - least) / 2
        result[[*cause.slots.target, *cause.slots.source]] = np.where(width > 0, width, 1.0)
    return result


def identify(task: Task, found: Found) -> Identified:
    """Invert the observed information of what is free, and say what is not identified."""
    constraint, program = found.constraint, task.program
    lower, upper = task.bounds
    bound = [
        p
        for p in np.flatnonzero(constraint.group >= 0)
        if found.vector[p] <= lower[p] or found.vector[p] >= upper[p]
    ]
    information = constraint.pull_matrix(-found.hessian)
    width = np.zeros(constraint.size)
    moving = np.flatnonzero(constraint.group >= 0)
    np.maximum.at(width, constraint.group[moving], half_ranges(program)[moving])
    left = [z for z in range(constraint.size) if z not in {int(constraint.group[p]) for p in bound}]
    lost: list[int] = []
    inverse = np.empty((0, 0))
    if len(left) > MANY:  # what has no information of its own needs no eigenvalues to be found
        own = np.diag(information) / width**2
        lost = [z for z in left if own[z] < WIDEST**-4]
        left = [z for z in left if own[z] >= WIDEST**-4]
    while left:
        part = information[np.ix_(left, left)]
        scaled = part / np.outer(width[left], width[left])  # now each counts as a log hazard ratio
        diagonal = np.sqrt(np.maximum(np.diag(scaled), 1e-300))
        inverse, known = _inverted(scaled / np.outer(diagonal, diagonal))
        spread = np.sqrt(np.diag(inverse)) / diagonal
        if spread.max() < WIDEST and known:
            inverse /= np.outer(diagonal * width[left], diagonal * width[left])
            break
        # What is known only together with something else goes with it: neither has an error of its own.
        wide = {int(k) for k in np.flatnonzero(spread >= WIDEST)} or {int(np.argmax(spread))}
        lost += [left[k] for k in sorted(wide)]
        left = [z for k, z in enumerate(left) if k not in wide]
    full = np.full((constraint.size, constraint.size), np.nan)
    if left:
        full[np.ix_(left, left)] = inverse
    vcov = constraint.push_matrix(full)
    positions = [int(p) for p in moving[np.isin(constraint.group[moving], lost)]]
    held = {int(p) for p in np.flatnonzero(np.isneginf(found.vector))}
    for number in found.gone:  # a strength of zero, and what belongs to it, has no standard error
        held |= set(program.likelihood.causes[number].positions) & set(np.flatnonzero(constraint.group < 0))
    free = task.constraint.group >= 0
    for position in held:
        if free[position]:
            vcov[position, :] = vcov[:, position] = np.nan
    return Identified(vcov, tuple(positions), tuple(int(p) for p in bound))


def _inverted(matrix: Floats) -> tuple[Floats, bool]:
    """Return the inverse of a symmetric matrix with ones on its diagonal, and whether it has one.

    Where it has none, curvatures too small to tell from zero are taken for next to nothing.
    """
    root, failed = dpotrf(matrix, lower=1) if len(matrix) > MANY else (matrix, 1)
    if not failed:
        half, failed = dpotri(root, lower=1)
        # No curvature is below one over the trace of the inverse: so clear a matrix needs no eigenvalues.
        if not failed and np.trace(half) * CLEARLY_CONCAVE < 1.0:
            return np.tril(half) + np.tril(half, -1).T, True
    curvature, basis = np.linalg.eigh(matrix)
    return (basis / np.maximum(curvature, 1e-13)) @ basis.T, bool(curvature.min() > 1e-11)


def clusters(program: Program, cluster: Any) -> NDArray[np.int64]:
    """Return the number of each unit's group (N,), from a column of the units or a mapping by unit."""
    import pandas as pd

    names = program.history.numbers.units
    if isinstance(cluster, str):
        table = program.history.units
        if cluster not in table.columns:
            raise TocsinError(
                f"the units have no column {cluster!r} to group by" + suggestion(cluster, list(table.columns))
            )
        cluster = dict(zip(table["unit"].astype(str), table[cluster], strict=True))
    if isinstance(cluster, pd.Series):
        cluster = {str(unit): group for unit, group in cluster.items()}
    if not isinstance(cluster, Mapping):
        raise TocsinError("cluster= is a column of the units, or a mapping from unit to group")
    lost = [name for name in names if name not in cluster or pd.isna(cluster[name])]
    if lost:
        raise TocsinError(f"cluster= gives no group to the unit {lost[0]!r}")
    return np.asarray(pd.factorize(np.array([str(cluster[name]) for name in names], dtype=object))[0])


def sandwich(program: Program, vector: Floats, vcov: Floats, group: NDArray[np.int64] | None) -> Floats:
    """Return the robust covariance V (sum of s_g s_g') V of White (1982), with groups of units if given.

    Parameters:
        vcov: the inverse information V (P, P), which may hold NaN.
        group: number of each unit's group (N,); None for the units themselves. With groups the sum is scaled
            by G / (G - 1) (Liang & Zeger 1986; the finite-sample factor of Cameron & Miller 2015).
    """
    known = np.where(np.isnan(vcov), 0.0, vcov)
    at = np.where(np.isneginf(vector), -np.inf, vector)
    scores = program.likelihood.unit_scores(at)
    if group is not None:
        count = int(group.max()) + 1
        if count < 2:
            raise TocsinError("cluster-robust standard errors need two groups or more")
        summed = np.zeros((count, scores.shape[1]))
        np.add.at(summed, group, scores)
        scores = summed * np.sqrt(count / (count - 1))
    spread = scores @ known
    result = spread.T @ spread
    result[np.isnan(vcov)] = np.nan
    return np.asarray(result)
