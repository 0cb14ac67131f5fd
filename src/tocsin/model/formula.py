"""Formulas: what they may hold, checked before formulaic reads them, and their evaluation."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tocsin.errors import ModelError, shown, suggestion
from tocsin.model.special_terms import AGE, EXPOSURE, cut_special, special_names
from tocsin.model.terms import Node, Term, Terms, names_of, parse, term_name, terms_of
from tocsin.model.transforms import columns as bent_columns

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

LONGEST = 2000

LONG = 10_000  # rows

_CONTEXT = {name: getattr(np, name) for name in ("log1p", "expm1", "sqrt")}  # the rest formulaic brings


def check_formula(formula: str, known: Iterable[str] | None = None, special: bool = False) -> tuple[str, ...]:
    """Check a formula against the whitelist and return the names of the variables it uses, in order.

    Nothing of the formula is evaluated here; what passes can hold only names, numbers, operators and the
    functions of `FUNCTIONS`, so that a model file cannot run code.

    Parameters:
        formula: terms such as ``1 + food_crisis * army + log(population) + age**2``.
        known: the names that may be used; None to allow any.
        special: whether it may have special terms, such as ``log(time_in_state)``; see `special_terms`.

    Raises:
        ModelError: a sign, function or name that is not allowed, with the nearest valid name; a term that would
            add nothing, or one taken away that is not there.
    """
    if not isinstance(formula, str):
        raise ModelError(f"a formula is text such as '1 + food_crisis', not {shown(formula)}")
    if len(formula) > LONGEST:
        raise ModelError(f"a formula of {len(formula)} characters is too long; at most {LONGEST}")
    cut = cut_special(formula)
    if cut.specials and not special:
        raise ModelError(
            f"the formula {formula!r} names {cut.specials[0].inside!r}, which only a baseline or a susceptibility may: "
            "what changes with the course of events is said of the unit that is at risk; move it there, or leave it out"
        )
    ours = {each.name for each in cut.specials}
    used = [name for name in names_of(parse(cut.formula)) if name not in ours]
    names = tuple(dict.fromkeys([*used, *special_names(cut)]))
    valid = None if known is None else list(known)
    for name in names if valid is not None else ():
        if name not in (valid or ()):
            raise ModelError(
                f"the formula {formula!r} names an unknown {name!r}"
                + suggestion(name, [*(valid or ()), *((AGE, EXPOSURE) if special else ())])
            )
    terms_of(cut.formula)
    return names


def _term_name(column: str) -> str:
    return "1" if column == "Intercept" else column.replace("[T.", "[").replace("`", "")


def summands(formula: str, known: Container[str]) -> list[str] | None:
    """Return the names of a formula such as '1 + x + y', all of them known; None for any other formula."""
    terms = [term.strip() for term in formula.split("+")]
    names = [term for term in terms if term != "1"]
    plain = bool(names) and len(set(names)) == len(names) and all(name in known for name in names)
    return names if plain else None


def _sum_of_numbers(formula: str, frame: pd.DataFrame) -> tuple[NDArray[Any], list[str]] | None:
    """Return the matrix of a formula such as '1 + x + y' with columns of numbers; None for any other."""
    names = summands(formula, frame.columns)
    if names is None or any(str(frame[name].dtype) not in ("float64", "int64") for name in names):
        return None
    values = np.empty((1 + len(names), len(frame)))
    values[0] = 1.0
    for position, name in enumerate(names, 1):
        values[position] = frame[name].to_numpy()
    return values.T, ["1", *names]


def design_matrix(
    formula: str,
    frame: pd.DataFrame,
    intercept: bool = True,
    transforms: Mapping[str, Mapping[str, Any]] | None = None,
) -> tuple[NDArray[Any], list[str]]:
    """Evaluate a checked formula on the rows of a frame.

    Parameters:
        formula: a formula that passed `check_formula`.
        frame: one column per name used; a category's first level is its reference. A column ``C(x)`` says what
            levels the numbers x have as a category; else it has those that stand in x, in order.
        intercept: False takes the intercept out after coding, so that categories keep their reference.
        transforms: what each transform of the formula learnt, by its text; pieces stand in the frame as categories.

    Returns:
        The matrix (rows, terms) of float64, column after column where it is long, and the names of its terms.

    Raises:
        ModelError: the formula cannot be evaluated, it has no terms, or one of them has nothing to tell apart.
    """
    added = _sum_of_numbers(formula, frame) if intercept and len(frame) > LONG else None
    if added is not None:  # said directly: formulaic would copy a long frame several times
        return added
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    def category(name: str) -> bool:
        return not is_numeric_dtype(frame[name].dtype) or is_bool_dtype(frame[name].dtype)

    terms = terms_of(formula, category)
    columns, several = _factors(formula, terms, frame, transforms or {})
    listed = [one for term in terms.terms for one in _spread(term, several)]
    text = " + ".join(["1" if terms.intercept or not intercept else "0", *map(_quoted, listed)])
    matrix = _evaluated(formula, text, columns)
    lost = [term for term, where in matrix.model_spec.term_indices.items() if not where]
    if lost:
        raise ModelError(
            f"the formula {formula!r}: the term {str(lost[0]).replace('`', '')!r} has one level only, so there is "
            "nothing to compare it with: leave it out"
        )
    names = [_term_name(str(column)) for column in matrix.columns]
    order: Literal["F", "C"] = "F" if len(frame) > LONG else "C"
    values = np.asarray(matrix, dtype=np.float64, order=order)
    if not intercept and "1" in names:
        keep = [position for position, name in enumerate(names) if name != "1"]
        values, names = np.asarray(values[:, keep], order=order), [names[position] for position in keep]
    if not names:
        raise ModelError(f"the formula {formula!r} has no terms")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ModelError(
            f"the formula {formula!r} has two terms that are called {twice[0]!r}: rename a covariate"
        )
    return values, names


def _column(factor: str, power: int) -> str:
    """Return what the column of a factor is called in the frame that formulaic reads."""
    return term_name(((factor, power),)).replace("`", "")


def _quoted(term: Term) -> str:
    """Return a term as formulaic reads it: every factor a column of its frame."""
    return ":".join(f"`{_column(*factor)}`" for factor in term)


def _spread(term: Term, several: Mapping[str, int]) -> list[Term]:
    """Return the terms that a term stands for: one for each column of its bent factors, numbered as in R."""
    found: list[Term] = [()]
    for factor, power in term:
        count = several.get(factor, 0)
        names = [f"{factor}{k + 1}" for k in range(count)] or [factor]
        found = [(*one, (name, power)) for name in names for one in found]
    return found


def _factors(
    formula: str, terms: Terms, frame: pd.DataFrame, transforms: Mapping[str, Mapping[str, Any]]
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Return a frame with one column for every factor of a formula and for every power of it.

    A factor of several columns has one for each; of such the numbers are returned too.
    """
    import pandas as pd

    columns: dict[str, Any] = {}
    known: dict[str, Any] = {}
    several: dict[str, int] = {}
    for factor, node in terms.factors.items():
        if node.function and node.function != "pieces":
            bent = bent_columns(node, argument_of(formula, node, frame), transforms[factor])
            if bent.shape[1] > 1:
                several[factor] = bent.shape[1]
            known |= {
                f"{factor}{k + 1}" if factor in several else factor: bent[:, k] for k in range(bent.shape[1])
            }
    spread = [one for term in terms.terms for one in _spread(term, several)]
    for factor, power in dict.fromkeys(each for term in spread for each in term):
        if factor not in known:
            known[factor] = _factor(formula, terms.factors[factor], frame)
        name, values = _column(factor, power), known[factor]
        if name in columns:
            raise ModelError(
                f"the formula {formula!r} has two terms that are called {name!r}: rename a covariate"
            )
        if power > 1:
            with np.errstate(over="ignore"):
                values = np.asarray(values, dtype=np.float64) ** power
        columns[name] = values
    return pd.DataFrame(columns, index=frame.index), several


def argument_of(formula: str, node: Node, frame: pd.DataFrame) -> NDArray[Any]:
    """Return the numbers that a transform bends (rows,)."""
    name = node.argument.strip("`")
    if name not in frame:
        inside = Node("call", f"I({node.argument})")
        return np.asarray(_factor(formula, inside, frame), dtype=np.float64)
    try:
        return np.asarray(frame[name], dtype=np.float64)
    except (TypeError, ValueError):
        raise ModelError(
            f"the formula {formula!r} bends {name!r} in {node.text}, which is a category: only numbers bend"
        ) from None


def _factor(formula: str, node: Node, frame: pd.DataFrame) -> Any:
    import pandas as pd

    if node.function:
        return frame[node.text]
    if node.inside:
        if node.text in frame:
            return frame[node.text]
        given = frame[node.inside]
        return given if isinstance(given.dtype, pd.CategoricalDtype) else given.astype("category")
    if node.kind == "name":
        return frame[node.text]
    # Python, in which a function's inside is evaluated, knows no quoted names.
    plain = {name: f"quoted_{place}" for place, name in enumerate(names_of(node)) if not name.isidentifier()}
    text = node.text
    for name, other in plain.items():
        text = text.replace(f"`{name}`", other)
    values = np.asarray(_evaluated(formula, f"0 + {text}", frame.rename(columns=plain)), dtype=np.float64)
    if values.shape[1] != 1:
        raise ModelError(
            f"the formula {formula!r} takes {node.text}, which is not a number: is it a category?"
        )
    return values[:, 0]


def _evaluated(formula: str, text: str, frame: pd.DataFrame) -> Any:
    """Return what formulaic makes of a text on a frame."""
    from formulaic import Formula
    from formulaic.errors import FormulaicError

    try:
        return Formula(text).get_model_matrix(frame, na_action="ignore", context=_CONTEXT)
    except (FormulaicError, ValueError, TypeError, KeyError, ArithmeticError, SyntaxError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(f"the formula {formula!r} cannot be evaluated: {reason}") from None
