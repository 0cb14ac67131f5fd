"""How far estimates can be trusted: the observed information, and sandwiches of the scores of units or
groups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.linalg.lapack import dpotrf, dpotri

from tocsin.errors import TocsinError, suggestion
from tocsin.fit.maximum.newton import CLEARLY_CONCAVE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.fit.maximum.constraint import Constraint
    from tocsin.fit.maximum.search import Found, Task
    from tocsin.program.program import Program
    from tocsin.program.scaling import Scaled

    Floats = NDArray[np.float64]

MANY = 300  # parameters

WIDEST = 50.0  # standard error of a log hazard ratio over half the range of its term: nothing is known of it

PART = 1e-6  # of a parameter that lies along a direction of which nothing is known: less is rounding


@dataclass(frozen=True)
class Identified:
    """What the information at a maximum says.

    Attributes:
        vcov: inverse of the observed information (P, P) on the user's scale; zero for what is fixed, NaN for what is
            not identified.
        scaled: covariance of the scaled parameters (P, P), with nothing in directions of which the data say nothing:
            what is computed with it is conditional on the estimates there.
        lost: positions of parameters of which the data say nothing.
        bound: positions of parameters that press against a bound.
    """

    vcov: Floats
    scaled: Floats
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
    """Invert the observed information of what is free, and say what is not identified.

    Of a direction the data say nothing if the log hazard moves by a standard error of 50 along it, over half the
    range of its terms; a parameter that has a part in one is not identified.
    """
    constraint, scaled = found.constraint, task.program.scaled
    lower, upper = task.bounds
    bound = [
        p
        for p in np.flatnonzero(constraint.group >= 0)
        if found.vector[p] <= lower[p] or found.vector[p] >= upper[p]
    ]
    information = constraint.pull_matrix(-found.hessian)
    width = np.zeros(constraint.size)
    moving = np.flatnonzero(constraint.group >= 0)
    np.maximum.at(width, constraint.group[moving], half_ranges(task.program)[moving])
    left = np.setdiff1d(np.arange(constraint.size), constraint.group[bound])
    inverse, lost = _known(information[np.ix_(left, left)], width[left])
    full = np.zeros((constraint.size, constraint.size))
    full[np.ix_(left, left)] = inverse
    open_to = {int(p) for p in bound}
    if lost.shape[1]:
        ways = np.zeros((constraint.size, lost.shape[1]))
        ways[left] = lost
        open_to |= _sharing(scaled, constraint, ways, width, found.vector)
    inner = constraint.push_matrix(full)
    vcov = scaled.covariance(inner, found.vector)
    positions = sorted(open_to - {int(p) for p in bound})
    held = {int(p) for p in np.flatnonzero(np.isneginf(found.vector))}
    fixed = set(np.flatnonzero(constraint.group == -1))
    for number in found.gone:  # a strength of zero, and what belongs to it, has no standard error
        held |= set(task.program.likelihood.causes[number].positions) & fixed
    free = task.asked.group >= 0
    for position in open_to | {p for p in held if free[p]}:
        vcov[position, :] = vcov[:, position] = np.nan
    return Identified(vcov, inner, tuple(positions), tuple(int(p) for p in bound))


def _sharing(scaled: Scaled, constraint: Constraint, ways: Floats, width: Floats, at: Floats) -> set[int]:
    """Return the parameters that have a part in directions of which nothing is known.

    Parameters:
        constraint: what makes scaled parameters of the free values.
        ways: the directions, in free values times `width`, orthonormal (F, L).
        at: the estimates (P,).
    """
    own = scaled.turned(constraint.into(), at)
    own /= width
    along = scaled.turned(constraint.push_ways(ways / width[:, None]), at)
    size = np.linalg.norm(own, axis=1)
    return {int(p) for p in np.flatnonzero(np.linalg.norm(along, axis=1) > PART * size)}


def _known(information: Floats, width: Floats) -> tuple[Floats, Floats]:
    """Return the covariance of free values, and the directions of which nothing is known.

    Parameters:
        information: of the free values (F, F).
        width: half the range of what each multiplies (F,).

    Returns:
        Covariance (F, F), without those directions; and the directions, in free values times `width` (F, L).
    """
    size = width.size
    scaled = np.outer(width, width)  # hundreds of strengths: each matrix less that is made is time
    np.divide(information, scaled, out=scaled)  # now each counts as a log hazard ratio
    own = np.diag(scaled)
    left = np.arange(size)
    if size > MANY:  # what has no information of its own needs no eigenvalues to be found
        left = np.flatnonzero(own >= WIDEST**-4)
    part = scaled if left.size == size else scaled[np.ix_(left, left)]
    diagonal = np.sqrt(np.maximum(np.diag(part), 1e-300))
    result = np.zeros((size, size))
    ways = np.zeros((size, size - left.size))
    ways[np.setdiff1d(np.arange(size), left), np.arange(size - left.size)] = 1.0
    clear = _inverted(part / np.outer(diagonal, diagonal))
    if clear is not None and (not left.size or (np.sqrt(np.diag(clear)) / diagonal).max() < WIDEST):
        inverse = clear / np.outer(diagonal, diagonal)
    else:
        curvature, basis = np.linalg.eigh(part)
        nothing = curvature < WIDEST**-2.0
        some = basis[:, ~nothing]
        inverse = (some / curvature[~nothing]) @ some.T
        more = np.zeros((size, int(nothing.sum())))
        more[left] = basis[:, nothing]
        ways = np.hstack([ways, more])
    result[np.ix_(left, left)] = inverse / np.outer(width[left], width[left])
    return result, ways


def _inverted(matrix: Floats) -> Floats | None:
    """Return the inverse of a symmetric matrix with ones on its diagonal; None where none is clear."""
    if len(matrix) <= MANY:
        curvature, basis = np.linalg.eigh(matrix)
        clear = bool((curvature > 1e-11).all())
        return np.asarray((basis / curvature) @ basis.T) if clear else None
    root, failed = dpotrf(matrix, lower=1)
    half, failed = (root, failed) if failed else dpotri(root, lower=1)
    # No curvature is below one over the trace of the inverse: so clear a matrix needs no eigenvalues.
    if failed or np.trace(half) * CLEARLY_CONCAVE >= 1.0:
        return None
    return np.asarray(np.tril(half) + np.tril(half, -1).T)


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
        program, vector: on the program's scale; vcov: the inverse information V there (P, P).
        group: number of each unit's group (N,); None for the units themselves. With groups the sum is scaled
            by G / (G - 1) (Liang & Zeger 1986; the finite-sample factor of Cameron & Miller 2015).
    """
    scores = program.likelihood.unit_scores(vector)
    if group is not None:
        count = int(group.max()) + 1
        if count < 2:
            raise TocsinError("cluster-robust standard errors need two groups or more")
        summed = np.zeros((count, scores.shape[1]))
        np.add.at(summed, group, scores)
        scores = summed * np.sqrt(count / (count - 1))
    spread = scores @ vcov
    return np.asarray(spread.T @ spread)
