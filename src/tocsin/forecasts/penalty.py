"""The strength of a penalty, chosen by how well fits of the past foretell what came next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tocsin.errors import FitError, TocsinError
from tocsin.fit.maximum.constraint import Prior
from tocsin.fit.maximum.search import Task

if TYPE_CHECKING:
    import pandas as pd

    from tocsin.history.history import History
    from tocsin.model.model import Model

STRENGTHS = (0.25, 0.5, 1.0, 2.5, 5.0)


def forward_validation(
    model: Model, history: History, priors: Sequence[Prior] | None = None, parts: int = 4
) -> pd.DataFrame:
    """Fit the beginning of a history under several priors, and score what came next; again with more of it.

    The events are cut into parts of equal number; each part but the first is foretold from all before it. The
    score of a part is its log-likelihood given what came before: log-likelihood up to its end less that up
    to its beginning, both at the estimates from before.

    Parameters:
        model, history: what is declared, and the record that it is fitted to.
        priors: the priors to try; by default standard deviations of coefficients of 0.25, 0.5, 1, 2.5 and 5.
        parts: how many parts, 2 or more.

    Returns:
        One row a prior, best first: prior, score (summed over parts), error (standard error of the difference
        to the best, over parts), and the score of each part.

    Raises:
        TocsinError: too few events for the parts.
        FitError: see `Model.fit`.

    Example:
        >>> import tocsin as tc
        >>> history = tc.load_history("1917")
        >>> model = tc.Model.from_toml(history.model_path)
        >>> tc.forward_validation(model, history, [tc.Prior(coefficient=1.0)], parts=2).shape[0]
        1
    """
    import pandas as pd

    tried = [Prior(coefficient=size) for size in STRENGTHS] if priors is None else list(priors)
    if isinstance(parts, bool) or not isinstance(parts, int) or parts < 2 or not tried:
        raise TocsinError("forward validation needs one prior or more, and parts= of 2 or more")
    program = model.compile(history)
    explained = program.trace.time[program.trace.events[:, 4] >= 0]
    if explained.size < 2 * parts:
        raise TocsinError(f"{explained.size} events are too few for {parts} parts; use fewer parts")
    cuts = np.quantile(explained, np.arange(1, parts) / parts, method="inverted_cdf")
    begin = history.window[0]
    pasts = []
    for cut in np.unique(cuts):
        last = history.to_date(float(cut)) if history.dated else float(cut)
        pasts.append(model.compile(history.select(window=(begin, last)), program.learned))
    ends = [*pasts[1:], program]
    scores = np.zeros((len(tried), len(pasts)))
    for row, prior in enumerate(tried):
        for column, (past, following) in enumerate(zip(pasts, ends, strict=True)):
            try:
                task = Task.make(past, prior=prior)
                known = task.user(task.solve().vector)
            except FitError as reason:
                raise FitError(f"the history up to part {column + 1} cannot be fitted: {reason}") from None
            # A level not yet seen has a parameter all the same, which stands at its prior's mean.
            scores[row, column] = following.loglik(known) - past.loglik(known)
    total = scores.sum(axis=1)
    behind = scores - scores[int(np.argmax(total))]
    error = (
        behind.std(axis=1, ddof=1) * np.sqrt(len(pasts)) if len(pasts) > 1 else np.full(len(tried), np.nan)
    )
    table = pd.DataFrame({"prior": tried, "score": total, "error": error})
    for column in range(len(pasts)):
        table[f"part {column + 2}"] = scores[:, column]
    return table.sort_values("score", ascending=False, kind="stable").reset_index(drop=True)


def choose_prior(
    model: Model, history: History, priors: Sequence[Prior] | None = None, parts: int = 4
) -> Prior:
    """Return the prior that foretells best; see `forward_validation`.

    Parameters:
        model, history: what is declared, and the record that it is fitted to.
        priors, parts: as for `forward_validation`.

    Example:
        >>> import tocsin as tc
        >>> history = tc.load_history("1917")
        >>> model = tc.Model.from_toml(history.model_path)
        >>> tc.choose_prior(model, history, [tc.Prior(coefficient=1.0)], parts=2).coefficient
        1.0
    """
    best = forward_validation(model, history, priors, parts)["prior"].iloc[0]
    assert isinstance(best, Prior)
    return best
