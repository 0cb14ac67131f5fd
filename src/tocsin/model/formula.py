"""Formulas: a whitelist of what they may hold, before formulaic reads them, and their evaluation."""

from __future__ import annotations

import itertools
import re
from collections.abc import Container, Iterable
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tocsin.errors import ModelError, suggestion

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

FUNCTIONS = ("C", "log", "log1p", "log2", "log10", "exp", "expm1", "sqrt", "abs")
LONGEST = 2000
LONG = 10_000  # rows
_CONTEXT = {name: getattr(np, name) for name in ("log1p", "expm1", "sqrt")}  # the rest formulaic brings
_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)|(?P<quoted>`[^`\n]+`)|(?P<name>[^\W\d]\w*)"
    r"|(?P<power>\*\*|\^)|(?P<sign>[-+*/:()]))"
)


def _tokens(formula: str) -> list[tuple[str, str]]:
    found, position = [], 0
    text = formula.rstrip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise ModelError(
                f"the formula {formula!r} holds {text[position:].strip()[:1]!r}, which formulas may not: "
                "use names, numbers, + - * / : ** ( ) and the functions " + ", ".join(FUNCTIONS)
            )
        kind = str(match.lastgroup)
        found.append((kind, match.group(kind)))
        position = match.end()
    return found


def check_formula(formula: str, known: Iterable[str] | None = None) -> tuple[str, ...]:
    """Check a formula against the whitelist and return the names of the variables it uses, in order.

    Nothing of the formula is evaluated here; what passes can hold only names, numbers, operators and the
    functions of `FUNCTIONS`, so that a model file cannot run code.

    Parameters:
        formula: terms such as ``1 + food_crisis * army + log(population)``.
        known: the names that may be used; None to allow any.

    Raises:
        ModelError: a sign, function or name that is not allowed, with the nearest valid name.
    """
    if not isinstance(formula, str):
        raise ModelError(f"a formula is text such as '1 + food_crisis', not {formula!r}")
    if len(formula) > LONGEST:
        raise ModelError(f"a formula of {len(formula)} characters is too long; at most {LONGEST}")
    tokens = _tokens(formula)
    if not tokens:
        raise ModelError("a formula is empty; write '1' for an intercept alone")
    valid = None if known is None else list(known)
    names: dict[str, None] = {}
    depth = deepest = 0
    operand = ("name", "number", "quoted")
    for (kind, text), (after, beside) in itertools.pairwise(tokens):
        if (kind in operand or text == ")") and (after in operand or (beside == "(" and kind != "name")):
            raise ModelError(f"the formula {formula!r} lacks a sign between {text!r} and {beside!r}")
    for position, (kind, text) in enumerate(tokens):
        following = tokens[position + 1] if position + 1 < len(tokens) else ("end", "")
        depth += (text == "(") - (text == ")")
        deepest = max(deepest, depth)
        if depth < 0 or deepest > 20:
            raise ModelError(f"the brackets of the formula {formula!r} do not match, or nest too deep")
        if kind == "power" and (following[0] != "number" or following[1] not in ("1", "2", "3")):
            raise ModelError(f"the formula {formula!r} may raise only to the powers 1, 2 and 3")
        if kind in ("name", "quoted"):
            name = text.strip("`")
            if following[1] == "(":
                if name not in FUNCTIONS:
                    raise ModelError(
                        f"the formula {formula!r} calls {name!r}, which formulas may not"
                        + suggestion(name, FUNCTIONS)
                    )
                continue
            if valid is not None and name not in valid:
                raise ModelError(
                    f"the formula {formula!r} names an unknown {name!r}" + suggestion(name, valid)
                )
            names[name] = None
    if depth:
        raise ModelError(f"the brackets of the formula {formula!r} do not match")
    return tuple(names)


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
    formula: str, frame: pd.DataFrame, intercept: bool = True
) -> tuple[NDArray[Any], list[str]]:
    """Evaluate a checked formula on the rows of a frame.

    Parameters:
        formula: a formula that passed `check_formula`.
        frame: one column per name used; categorical columns take their first category as reference.
        intercept: False takes the intercept out after coding, so that categories keep their reference.

    Returns:
        The matrix (rows, terms) of float64, column after column where it is long, and the names of its terms.

    Raises:
        ModelError: formulaic cannot read the formula, or it has no terms.
    """
    added = _sum_of_numbers(formula, frame) if intercept and len(frame) > LONG else None
    if added is not None:  # said directly: formulaic would copy a long frame several times
        return added
    from formulaic import Formula
    from formulaic.errors import FormulaicError

    text = formula if intercept else f"({formula}) + 1"
    try:
        matrix = Formula(text).get_model_matrix(frame, na_action="ignore", context=_CONTEXT)
    except (FormulaicError, ValueError, TypeError, KeyError, ArithmeticError, SyntaxError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(f"the formula {formula!r} cannot be evaluated: {reason}") from None
    if isinstance(matrix, tuple) or not hasattr(matrix, "columns"):
        raise ModelError(f"the formula {formula!r} must have one side and no ~ or |")
    names = [_term_name(str(column)) for column in matrix.columns]
    order: Literal["F", "C"] = "F" if len(frame) > LONG else "C"
    values = np.asarray(matrix, dtype=np.float64, order=order)
    if not intercept and "1" in names:
        keep = [position for position, name in enumerate(names) if name != "1"]
        values, names = np.asarray(values[:, keep], order=order), [names[position] for position in keep]
    if not names:
        raise ModelError(f"the formula {formula!r} has no terms")
    return values, names
