"""Causes with a half-life for each level of a category of their targets: which levels, designs, and ties.

Such a cause is compiled as one internal cause a level, whose ties lead to the units of that level alone; names,
streams and tables know one cause.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from tocsin.errors import ModelError, suggestion
from tocsin.history.arrays import TieArrays
from tocsin.model.declaration import Contagion

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.history.arrays import Numbers
    from tocsin.history.history import History
    from tocsin.model.learned import Role
    from tocsin.program.design import Design
    from tocsin.program.program import Program

MOST = 30  # levels of a cause


def levels_by_unit(history: History, name: str) -> NDArray[np.object_]:
    """Return the level of each unit (N,), as text; None where it is missing.

    Raises:
        ModelError: no column of the units has this name.
    """
    numbers = history.numbers
    if name in numbers.covariates:
        raise ModelError(
            f"by={name!r} is a covariate that changes in time: by= asks for a column of the units, which stays as it is"
        )
    if name not in numbers.static:
        raise ModelError(
            f"by={name!r} is no column of the units, which by= asks for" + suggestion(name, numbers.static)
        )
    values = numbers.static[name]
    texts = [
        None if v is None or v != v or v == "" else v if isinstance(v, str) else f"{v:g}" for v in values
    ]
    return np.array(texts, dtype=object)


def levels_of(cause: Contagion, history: History, learnt: Role | None) -> tuple[str, ...]:
    """Return the levels of a cause with `by=`: those that units of this history have, or that were learnt.

    Raises:
        ModelError: too many levels, fewer than two, or one that was never seen.
    """
    assert cause.by is not None
    try:
        values = levels_by_unit(history, cause.by)
    except ModelError as error:
        raise ModelError(f"the cause {cause.name!r}: {error}") from None
    met = {value for value in values if value is not None}
    place = f"the cause {cause.name!r}, by={cause.by!r}"
    if learnt is not None:
        known = tuple(str(level) for level in learnt.levels.get(cause.by, ()))
        unseen = sorted(met.difference(known))
        if unseen:
            unit = history.numbers.units[int(np.flatnonzero(values == unseen[0])[0])]
            raise ModelError(
                f"{place}: the level {unseen[0]!r} of {unit!r} was never seen in the history that was fitted"
                + suggestion(unseen[0], known)
            )
        return known
    if history.numbers.static[cause.by].dtype.kind == "f":
        found = tuple(sorted(met, key=float))
    else:
        order = history.numbers.levels.get(cause.by, sorted(met))
        found = tuple(level for level in order if level in met)
    if len(found) < 2:
        raise ModelError(f"{place} has {len(found)} level: leave by= out, or name a category with several")
    if len(found) > MOST and cause.pooled is None:
        raise ModelError(
            f"{place} has {len(found)} levels, of which each would have a half-life of its own: at most {MOST}; "
            f"join levels, write pooled=True and draw by model.sample(...), or susceptibility='0 + C({cause.by})' for "
            "strengths alone"
        )
    return found


def by_level(design: Design, cause: Contagion, levels: tuple[str, ...], history: History) -> Design:
    """Return the design of a cause's targets with an intercept for each level in the place of one for all.

    With `shared=["mass"]` the one for all stays, as the logarithm of the mass.
    """
    assert cause.by is not None
    if "1" not in design.terms:
        raise ModelError(
            f"the cause {cause.name!r}: by= gives each level an intercept, so susceptibility= needs one (1 + ...)"
        )
    number = {level: k for k, level in enumerate(levels)}
    own = np.array([number.get(level, -1) for level in levels_by_unit(history, cause.by)])
    level = np.repeat(own, np.diff(design.first))[:, None]
    ages = 1 if design.age is None else design.matrix.shape[0] // design.base
    size = design.matrix.shape[0] // ages
    rows = np.where((design.rows >= 0) & (level >= 0), design.rows + size * level, -1)
    kept, rows_of = np.unique(rows[rows >= 0], return_inverse=True)
    laid = rows.copy()
    laid[rows >= 0] = rows_of
    one = design.terms.index("1")
    row = (kept % size + size * np.arange(ages)[:, None]).ravel()  # rows of one age after those of another
    rest = np.delete(design.matrix, one, axis=1)[row]
    if "mass" in cause.shared:
        head, terms = np.ones((row.size, 1)), ["mass"]
    else:
        head = np.tile((kept[:, None] // size == np.arange(len(levels))).astype(float), (ages, 1))
        terms = [f"{cause.by}[{level}]" for level in levels]
    names = tuple(terms) + tuple(term for term in design.terms if term != "1")
    learnt = replace(design.learnt, terms=names, levels={**design.learnt.levels, cause.by: levels})
    return replace(
        design,
        terms=names,
        matrix=np.hstack([head, rest]),
        rows=np.ascontiguousarray(laid.astype(np.int32)),
        base=kept.size,
        follows=(-1,) * len(terms) + tuple(k for term, k in enumerate(design.follows) if term != one),
        uses=tuple(dict.fromkeys((*design.uses, cause.by))),
        learnt=learnt,
    )


def ties_by_level(
    numbers: Numbers, history: History, cause: Contagion, levels: Sequence[str]
) -> dict[str, TieArrays]:
    """Return the ties of a cause's layer apart by the level of their targets, by the names of these parts."""
    assert cause.by is not None
    rows = numbers.ties.get(cause.layer)
    if rows is None:
        return {}
    level = levels_by_unit(history, cause.by)[rows.target]
    found = {}
    for each in levels:
        own = level == each
        columns = (rows.source, rows.target, rows.weight, rows.start, rows.end)
        found[part_of(cause, each)] = TieArrays(*(column[own] for column in columns))
    return found


def part_of(cause: Contagion, level: str) -> str:
    """Return the name of the part of a layer that leads to units of one level."""
    return f"{cause.layer}[{cause.by}={level}]"


def felt_by(program: Program, number: int) -> NDArray[np.bool_]:
    """Return which units a cause is one of (N,): those of its level, or all."""
    cause, slots = program.causes[number][1], program.slots[number]
    if slots.cause == slots.plain or not isinstance(cause, Contagion) or cause.by is None:
        return np.ones(len(program.history.numbers.units), dtype=bool)
    level = slots.cause[len(slots.plain) + 1 : -1]
    return np.asarray(levels_by_unit(program.history, cause.by) == level)
