"""Bent effects: transforms of a covariate that learn from the history that is fitted.

What they learn is weighed by time: each value that a unit has counts by how long the unit is there with it, so that
nothing changes when a row of a covariate is cut in two. Of a covariate that does not change, in units that are there
throughout, it is what R learns from one row a unit.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from tocsin.errors import ModelError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.model.terms import Node

    Floats = NDArray[np.float64]

DEGREE = 3  # of a spline, unless it says another

MOST_PIECES = 100_000


def learn(node: Node, values: Floats, weights: Floats) -> dict[str, Any]:
    """Return what a transform learns of its argument, as plain values.

    Parameters:
        node: the call, such as ``bs(age, df=4)``.
        values, weights: distinct values by unit, and how long each was there; their sum is the number of units.

    Raises:
        ModelError: the argument has too few different values.
    """
    different = np.unique(values).size
    need = {"poly": int(node.options.get("degree", 1)), "pieces": 0}.get(node.function, 1) + 1
    if different < need:
        what = "is the same everywhere" if different < 2 else f"has {different} different values"
        raise ModelError(
            f"{node.text} bends {node.argument!r}, which {what} while it is known; at least {need} different values "
            "are needed: leave the term out"
        )
    if node.function == "poly":
        return _learn_poly(values, weights, int(node.options["degree"]))
    if node.function == "bs":
        return _learn_spline(node, values, weights)
    mean = float(weights @ values / weights.sum())
    if node.function == "center":
        return {"mean": mean}
    spread = (
        float(weights @ (values - mean) ** 2 / max(weights.sum() - 1.0, 1e-300)) if weights.sum() > 1 else 0.0
    )
    return {"mean": mean, "sd": float(np.sqrt(spread)) or 1.0}


def columns(node: Node, values: Floats, learnt: Mapping[str, Any]) -> Floats:
    """Return the columns that a transform makes of its argument (rows, columns)."""
    if node.function == "poly":
        return _poly(values, learnt)
    if node.function == "bs":
        return _spline(values, learnt)
    return np.asarray((values - learnt["mean"]) / learnt.get("sd", 1.0))[:, None]


# --- Orthogonal polynomials (Kennedy & Gentle 1980, as R's `poly`)


def _learn_poly(x: Floats, w: Floats, degree: int) -> dict[str, Any]:
    before, now = np.zeros_like(x), np.ones_like(x)
    alpha, norm = [], [float(w.sum())]
    for k in range(degree):
        alpha.append(float(w @ (x * now**2)) / norm[k])
        before, now = now, (x - alpha[k]) * now - (norm[k] / norm[k - 1] if k else 0.0) * before
        norm.append(float(w @ now**2))
    return {"alpha": alpha, "norm": norm}


def _poly(x: Floats, learnt: Mapping[str, Any]) -> Floats:
    alpha, norm = learnt["alpha"], learnt["norm"]
    before, now, found = np.zeros_like(x), np.ones_like(x), []
    for k in range(len(alpha)):
        before, now = now, (x - alpha[k]) * now - (norm[k] / norm[k - 1] if k else 0.0) * before
        found.append(now / np.sqrt(norm[k + 1]))
    return np.stack(found, axis=1)


# --- B-splines (de Boor 1978), with R's knots and without the first of them, which the intercept says


def _learn_spline(node: Node, x: Floats, w: Floats) -> dict[str, Any]:
    degree = int(node.options.get("degree", DEGREE))
    inner = int(node.options.get("df", degree)) - degree
    if inner < 0:
        raise ModelError(f"{node.text}: a spline of degree {degree} has at least df={degree}")
    knots = _quantiles(x, w, np.linspace(0.0, 1.0, inner + 2)[1:-1])
    return {"degree": degree, "knots": knots.tolist(), "bounds": [float(x.min()), float(x.max())]}


def _quantiles(x: Floats, w: Floats, levels: Floats) -> Floats:
    """Return weighted quantiles, which are those of R (type 7) where weights are equal."""
    order = np.argsort(x, kind="stable")
    x, w = x[order], w[order]
    place = np.arange(x.size) * w + (x.size - 1) * (np.cumsum(w) - w)
    return np.asarray(np.interp(levels * place[-1], place, x))


def _spline(x: Floats, learnt: Mapping[str, Any]) -> Floats:
    """Return the splines; beyond the bounds their last polynomials go on, as in R."""
    from scipy.interpolate import BSpline

    degree, (low, high) = int(learnt["degree"]), learnt["bounds"]
    knots = np.concatenate([[low] * (degree + 1), learnt["knots"], [high] * (degree + 1)])
    count = knots.size - degree - 1
    return np.stack([BSpline(knots, np.eye(count)[k], degree)(x) for k in range(1, count)], axis=1)


# --- Pieces: a covariate, or time, cut where the hazard may change


def cuts_of(node: Node, low: float, high: float) -> list[float]:
    """Return where pieces begin; with ``every=`` at the multiples of a width between two values."""
    if "every" not in node.options:
        return [float(cut) for cut in node.numbers]
    width = node.options["every"]
    if not width > 0 or (high - low) / width > MOST_PIECES:
        raise ModelError(f"{node.text}: a width above zero that cuts {low:g} to {high:g} into fewer pieces")
    first, last = np.floor(low / width) + 1, np.ceil(high / width) - 1
    return [float(k * width) for k in np.arange(first, last + 1)]


def piece_names(cuts: list[float]) -> list[str]:
    """Return what pieces are called: ``to 10``, ``10-20``, ``20+``."""
    if not cuts:
        return ["all"]
    return [f"to {cuts[0]:g}", *(f"{low:g}-{high:g}" for low, high in pairwise(cuts)), f"{cuts[-1]:g}+"]


def pieces(values: Floats, cuts: list[float]) -> NDArray[Any]:
    """Return the piece of each value (rows,), None where it is missing; a piece has its lower bound."""
    names = np.array([*piece_names(cuts), None], dtype=object)
    number = np.searchsorted(np.array(cuts), values, side="right")
    return np.asarray(names[np.where(np.isnan(values), len(names) - 1, number)])
