"""Names and keys: parameters in their order, and what names the streams of the clocks."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.errors import ModelError, suggestion
from tocsin.model.declaration import BAR, Baseline, Cause, Transition


@dataclass(frozen=True)
class CauseSlots:
    """Where the parameters of one cause stand in the vector.

    Attributes:
        transition, cause: their names; that of one level of a cause is ``cause[level]``.
        target: positions of the propensity or susceptibility terms.
        source: positions of the infectiousness terms.
        half_life, alpha: positions of the shape parameters, -1 where they are not estimated.
        plain: the name of the cause without its level.
        mass: whether the intercept is the logarithm of the mass, strength h / ln 2.
    """

    transition: str
    cause: str
    target: range
    source: range
    half_life: int
    alpha: int
    plain: str = ""
    mass: bool = False


def role_names(transition: Transition, cause: Cause) -> tuple[str, str]:
    """Return what the formulas of a cause's targets and of its sources are called in a `Learned`."""
    head = f"{transition.name}{BAR}{cause.name}{BAR}"
    return (
        f"{head}{'propensity' if isinstance(cause, Baseline) else 'susceptibility'}",
        f"{head}infectiousness",
    )


def name_parameters(
    causes: Sequence[tuple[Transition, Cause, Sequence[str], Sequence[str], Sequence[str]]],
) -> tuple[list[str], list[CauseSlots]]:
    """Return the names of all parameters in order, and the slots of each cause.

    Parameters:
        causes: transition, cause, target terms, source terms and levels of each cause in turn; a cause with levels
            has slots for each of them.
    """
    names: list[str] = []
    slots: list[CauseSlots] = []
    for transition, cause, target_terms, source_terms, levels in causes:
        head = f"{transition.name}{BAR}{cause.name}{BAR}"
        target_role, source_role = role_names(transition, cause)
        first = len(names)
        labels = [f"{cause.name}[{level}]" for level in levels] or [cause.name]
        own = 0 if isinstance(cause, Baseline) or "mass" in cause.shared else len(levels)
        role = target_role.rsplit(BAR, 1)[1]
        names += [f"{transition.name}{BAR}{label}{BAR}{role}{BAR}1" for label in labels[:own]]
        names += [f"{target_role}{BAR}{term}" for term in target_terms[own:]]
        target = range(first, len(names))
        names += [f"{source_role}{BAR}{term}" for term in source_terms]
        source = range(target.stop, len(names))
        alpha, mass = -1, False
        lives = [-1] * len(labels)
        if not isinstance(cause, Baseline):
            mass = "mass" in cause.shared
            if cause.half_life == "estimate":
                known = [cause.name] if "half_life" in cause.shared else labels
                lives = [len(names) + min(k, len(known) - 1) for k in range(len(labels))]
                names += [f"{transition.name}{BAR}{label}{BAR}memory{BAR}half_life" for label in known]
            if cause.response == "power":
                alpha = len(names)
                names.append(f"{head}response{BAR}alpha")
        slots += [
            CauseSlots(transition.name, label, target, source, life, alpha, cause.name, mass)
            for label, life in zip(labels, lives, strict=True)
        ]
    return names, slots


def pack(params: Any, names: Sequence[str]) -> NDArray[np.float64]:
    """Return parameters as a vector in the order of `names`.

    Parameters:
        params: a vector in that order, a mapping by name, or a pandas Series by name.

    Raises:
        ModelError: a name is missing or unknown, the length is wrong, or a value is not a number.
    """
    items = getattr(params, "items", None)
    if items is not None:
        given: Mapping[str, float] = {str(name): value for name, value in items()}
        unknown = [name for name in given if name not in set(names)]
        if unknown:
            raise ModelError(f"unknown parameter {unknown[0]!r}" + suggestion(unknown[0], names))
        missing = [name for name in names if name not in given]
        if missing:
            raise ModelError(
                f"{len(missing)} of {len(names)} parameters are missing, the first is {missing[0]!r}"
            )
        params = [given[name] for name in names]
    try:
        vector = np.array(params, dtype=np.float64)
    except (TypeError, ValueError):
        raise ModelError("parameters must be numbers") from None
    if vector.shape != (len(names),):
        raise ModelError(f"the model has {len(names)} parameters, not an array of shape {vector.shape}")
    bad = np.flatnonzero(np.isnan(vector) | (vector == np.inf))
    if bad.size:
        raise ModelError(f"the parameter {names[bad[0]]!r} is {vector[bad[0]]}")
    return vector


def unit_keys(units: Sequence[str]) -> NDArray[np.uint64]:
    """Return a 64-bit key for each unit that depends on its name alone."""
    from pandas.util import hash_array

    return np.asarray(hash_array(np.array(units, dtype=object), categorize=False), dtype=np.uint64)


def cause_key(transition: str, cause: str) -> int:
    """Return a 64-bit key for a cause that depends on the names of its transition and itself."""
    digest = hashlib.blake2b(f"{transition}{BAR}{cause}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little")


# --- Runs: items that follow one another, so many of each thing


def places_in(count: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return 0, 1, ... count - 1 for each run in turn (sum of count,)."""
    first = np.cumsum(count) - count
    place: NDArray[np.int64] = np.arange(count.sum()) - np.repeat(first, count)
    return place
