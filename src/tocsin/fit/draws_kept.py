"""Which parameters the worlds of a fit have: draws from their uncertainty, or the estimates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tocsin.ensemble.parameter_draws import Draws, draws_of
from tocsin.errors import ModelError, TocsinError, suggestion

if TYPE_CHECKING:
    from tocsin.fit.estimates import Fit
    from tocsin.fit.parameterised import Parameterised
    from tocsin.program.program import Program

COUNT = 200  # draws, unless another number is asked for

SEED = 1917  # of the draws of a fit, whatever the seed of the worlds

WORDS = ("fit", "best")


def draws_for(given: Parameterised, program: Program, draws: Any) -> Draws | None:
    """Return the draws that worlds of a program have, None where all have the given parameters.

    Parameters:
        given: a fit, or a model with parameters, which have no uncertainty.
        program: what is simulated.
        draws: ``"fit"`` (200 draws of a fit; none of given parameters), ``"best"`` (none), a number of draws, or
            draws themselves: see `tocsin.ensemble.parameter_draws.draws_of`.

    Raises:
        ModelError: draws that do not fit the model, or cannot be read.
        TocsinError: a number of draws of given parameters.
    """
    from tocsin.fit.estimates import Fit

    if isinstance(draws, str) and draws not in WORDS:
        raise ModelError(_refused(draws) + suggestion(draws, WORDS))
    fit = given if isinstance(given, Fit) else None
    if draws is None or (isinstance(draws, str) and (draws == "best" or fit is None)):
        return None
    number = isinstance(draws, int | float | np.number)
    if isinstance(draws, bool) or (number and not (np.isfinite(draws) and draws == int(draws))):
        raise ModelError(_refused(draws))
    if number:
        if fit is None:
            raise TocsinError("given parameters have no uncertainty to draw from: fit the model")
        if draws < 1:
            raise ModelError(
                f"draws= is a number of at least 1, not {draws!r}; draws='best' takes the estimates"
            )
        return kept_draws(fit, int(draws), program)
    if isinstance(draws, str):
        assert fit is not None
        return kept_draws(fit, COUNT, program)
    return draws_of(draws, program.parameter_names, program.learned)


def _refused(draws: object) -> str:
    return f"draws= is 'fit', 'best', how many, a frame or array of numbers, or a posterior, not {draws!r}"


def kept_draws(fit: Fit, count: int = COUNT, program: Program | None = None) -> Draws:
    """Return draws of the parameters of a fit, made once and kept with it.

    They are those of the history that was fitted, also where the worlds are of another; a fit that was loaded
    without its history and without draws has those of the normal approximation, unless `program` is of that history.

    Raises:
        ModelError: the parameters of `program` are others.
        TocsinError: there is no program to draw with.
    """
    from tocsin.fit.draws import draw_parameters

    if count not in fit.drawn:
        own = fit.program_of_fit
        asked = own if own is not None else program
        if asked is None:
            asked = fit.fitted_program  # which says what is lacking
        found = draw_parameters(fit, asked, count, SEED)
        known = asked.history.digest == fit.digest
        how = "from their likelihood" if fit.prior is None else "from their likelihood and prior"
        draws = Draws(
            tuple(asked.parameter_names),
            found.vectors,
            f"{count:,} draws of the parameters {how if known else 'by the normal approximation'}",
        )
        if not known:
            return draws
        fit.drawn[count] = draws
    draws = fit.drawn[count]
    return draws if program is None else draws.under(program.parameter_names)
