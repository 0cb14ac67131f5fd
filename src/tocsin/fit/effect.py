"""The effect of a covariate, straight or bent: by what it multiplies a hazard, value by value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from tocsin.errors import ModelError, TocsinError, suggestion
from tocsin.model.declaration import BAR
from tocsin.model.formula import argument_of, check_formula, design_matrix
from tocsin.model.learned import Role
from tocsin.model.special_terms import cut_special
from tocsin.model.terms import transforms_of
from tocsin.model.transforms import pieces
from tocsin.program.design import CALENDAR, covariate_values
from tocsin.program.parameters import role_names

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from tocsin.fit.estimates import Fit
    from tocsin.history.history import History

    Floats = NDArray[np.float64]

POINTS = 101


def effect(
    fit: Fit,
    name: str,
    formula_of: str | None = None,
    values: Iterable[float] | None = None,
    reference: float | None = None,
    level: float = 0.95,
) -> pd.DataFrame:
    """Return by what a covariate multiplies a hazard, against its value at a reference.

    exp(beta . (d(x) - d(x_0))), d(x) being the terms at x with everything else at its mean or its reference; with the
    interval of Wald for each value by itself, so that it has no width at the reference.

    Parameters:
        name: a covariate of numbers, or t.
        formula_of: which formula, such as ``regime: old > soviet | baseline | propensity``; needed where several
            name it.
        values: of the covariate; by default 101 over what the history has.
        reference: by default the median of what the history has.
        level: of the intervals.

    Returns:
        DataFrame with value, ratio, lower and upper.

    Raises:
        ModelError: no formula names it, several do, or it is a category.
    """
    import pandas as pd
    from scipy.special import ndtri

    role, formula, intercept = _formula(fit, name, formula_of)
    learned, history = fit.learned or fit.fitted_program.learned, fit.history
    learnt = learned[role]
    if name in learnt.levels:
        raise ModelError(
            f"{name!r} is a category, whose effects are in fit.summary(): only numbers have a curve"
        )
    seen = _seen(history, name)
    middle = float(np.median(seen)) if reference is None else float(reference)
    given = (
        np.linspace(seen.min(), seen.max(), POINTS)
        if values is None
        else np.array([float(v) for v in values])
    )
    frame = _frame(fit, formula, learnt, name, np.append(given, middle))
    matrix, terms = design_matrix(formula, frame, intercept, learnt.transforms)
    places = [list(fit.values).index(f"{role}{BAR}{term}") for term in terms]
    contrast = matrix[:-1] - matrix[-1]
    beta = np.array([fit.values[f"{role}{BAR}{term}"] for term in terms])
    with np.errstate(invalid="ignore"):
        log_ratio = np.where(contrast == 0.0, 0.0, contrast * beta).sum(axis=1)
    moves = np.flatnonzero((contrast != 0.0).any(axis=0))
    vcov = fit.vcov.to_numpy()[np.ix_(np.array(places)[moves], np.array(places)[moves])]
    # A value that an unidentified term has no part in has its interval all the same.
    lost = np.isnan(np.diag(vcov))
    se = np.sqrt(
        np.maximum(np.einsum("ij,jk,ik->i", contrast[:, moves], np.nan_to_num(vcov), contrast[:, moves]), 0.0)
    )
    se[(contrast[:, moves][:, lost] != 0.0).any(axis=1)] = np.nan
    half = float(ndtri(0.5 + level / 2)) * se
    content = {"value": given, "ratio": log_ratio, "lower": log_ratio - half, "upper": log_ratio + half}
    with np.errstate(over="ignore"):
        return pd.DataFrame({key: each if key == "value" else np.exp(each) for key, each in content.items()})


def _formula(fit: Fit, name: str, formula_of: str | None) -> tuple[str, str, bool]:
    """Return what a formula is called in what was learnt, its text, and whether it has an intercept."""
    known: dict[str, tuple[str, bool]] = {}
    for move in fit.model.transitions:
        for cause in move.causes:
            target, source = role_names(move, cause)
            known[target] = (
                str(getattr(cause, "formula", None) or getattr(cause, "susceptibility", "1")),
                True,
            )
            if getattr(cause, "infectiousness", None):
                known[source] = (getattr(cause, "infectiousness", ""), False)
    if formula_of is not None and formula_of not in known:
        raise ModelError(f"the model has no formula {formula_of!r}" + suggestion(formula_of, list(known)))
    found = [
        role
        for role, (text, _) in known.items()
        if name in check_formula(text) and formula_of in (None, role)
    ]
    if not found:
        names = sorted({each for text, _ in known.values() for each in check_formula(text)})
        raise ModelError(f"no formula of the model names {name!r}" + suggestion(name, names))
    if len(found) > 1:
        raise ModelError(
            f"{name!r} stands in several formulas: say formula_of= one of {', '.join(map(repr, found))}"
        )
    return (found[0], *known[found[0]])


def _seen(history: History, name: str) -> Floats:
    """Return the values that a covariate has in a history."""
    numbers = history.numbers
    if name in CALENDAR and name not in numbers.covariates and name not in numbers.static:
        first = 0.0 if history.dated else float(history._clock.began(numbers.start))
        if name == "t":
            return np.array([first, first + numbers.end - numbers.start])
        starts = np.arange(numbers.start, numbers.end)
        from tocsin.program.design import _calendar_values

        return np.asarray(np.unique(_calendar_values(history, name, starts)), dtype=np.float64)
    if name in numbers.covariates:
        rows = numbers.covariates[name]
        unit = np.arange(len(numbers.units))
        values = np.concatenate([rows.value, covariate_values(history, name, unit, numbers.enter)])
    else:
        values = numbers.static.get(name, np.empty(0))
        if values.dtype.kind == "O":
            raise ModelError(
                f"{name!r} is a category, whose effects are in fit.summary(): only numbers have a curve"
            )
    known: Floats = np.asarray(values, dtype=np.float64)
    known = known[np.isfinite(known)]
    if not known.size:
        raise TocsinError(f"{name!r} has no value in {history.name!r}, so its effect has no curve")
    return known


def _frame(fit: Fit, formula: str, learnt: Role, name: str, values: Floats) -> pd.DataFrame:
    """Return a frame for a formula: a covariate at some values, everything else at its mean or its reference."""
    import pandas as pd

    states, count = {each.name: each for each in fit.model.variables}, len(values)
    columns: dict[str, Any] = {}
    for each in check_formula(formula):
        levels: Mapping[str, Any] = learnt.levels
        if each == name:
            columns[each] = values
        elif each in states:
            known = list(states[each].states)
            columns[each] = pd.Categorical([known[0]] * count, categories=known)
        elif each in levels or f"C({each})" in levels:
            known = list(levels.get(each, levels.get(f"C({each})", ())))
            columns[each if each in levels else f"C({each})"] = pd.Categorical(
                [known[0]] * count, categories=known
            )
            columns.setdefault(each, np.full(count, np.nan))
        else:
            columns[each] = np.full(count, float(_seen(fit.history, each).mean()))
    if f"C({name})" in learnt.levels:
        columns[f"C({name})"] = pd.Categorical(values, categories=list(learnt.levels[f"C({name})"]))
    frame = pd.DataFrame(columns)
    for text, node in transforms_of(cut_special(formula).formula).items():
        if node.function == "pieces":
            cut = pieces(argument_of(formula, node, frame), list(learnt.transforms[text]["cuts"]))
            frame[text] = pd.Categorical(cut, categories=list(learnt.levels[text]))
    return frame
