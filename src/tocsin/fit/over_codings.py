"""A model fitted under each of the rival codings of a history, and what the codings change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tocsin.errors import TocsinError, check_level, suggestion
from tocsin.fit.tidy import tidy

if TYPE_CHECKING:
    import pandas as pd

    from tocsin.fit.estimates import Fit
    from tocsin.history.history import History
    from tocsin.model.model import Model


@dataclass(frozen=True)
class OverCodings:
    """Fits under rival codings.

    Attributes:
        fits: the fit of each coding.
        weights: how far each coding is believed; they sum to 1.
    """

    fits: dict[str, Fit]
    weights: dict[str, float]

    def pooled(self, level: float = 0.95) -> pd.DataFrame:
        r"""Return estimates over the codings, one row a parameter, with the total variance.

        .. math:: \bar\theta = \sum_m w_m \theta_m, \quad V = \sum_m w_m (V_m + (\theta_m - \bar\theta)^2)

        Parameters:
            level: coverage of the (normal) intervals.

        Returns:
            estimate, se, lower, upper, within and between: the two parts of the variance, on the scale of `fit.params`
            (rates, strengths, half-lives and alphas as logarithms).

        Source: the law of total variance, as in Bayesian model averaging (Hoeting et al. 1999).
        """
        import pandas as pd
        from scipy.special import ndtri

        check_level(level)
        names = list(next(iter(self.fits.values())).values)
        weight = np.array(list(self.weights.values()))
        values = np.array([fit.params.to_numpy() for fit in self.fits.values()])
        spread = np.array([np.diag(fit.vcov.to_numpy()) for fit in self.fits.values()])
        mean = weight @ values
        within, between = weight @ spread, weight @ (values - mean) ** 2
        se = np.sqrt(within + between)
        z = float(ndtri(0.5 + level / 2))
        return pd.DataFrame(
            {
                "estimate": mean, "se": se, "lower": mean - z * se, "upper": mean + z * se,
                "within": within, "between": between,
            },
            index=pd.Index(names, name="parameter"),
        )  # fmt: skip

    def changes(self, level: float = 0.95) -> pd.DataFrame:
        """Return what the codings change: each parameter's estimate by coding, and whether the answer differs.

        `differs` is True where one coding's interval lies above or below zero and another's does not.
        """
        table = tidy(self.fits, level)
        table["side"] = np.where(table["conf.low"] > 0, 1, np.where(table["conf.high"] < 0, -1, 0))
        wide = table.pivot(index="term", columns="model", values="estimate")[list(self.fits)]
        sides = table.groupby("term")["side"].nunique()
        wide["range"] = wide.max(axis=1) - wide.min(axis=1)
        wide["differs"] = sides.reindex(wide.index) > 1
        wide = wide.reindex(table["term"].unique())
        wide.columns.name = None
        return wide

    def events(self) -> pd.DataFrame:
        """Return how many events each coding's fit explains, with its log-likelihood and weight."""
        import pandas as pd

        rows = {
            name: {"weight": self.weights[name], "events": fit.nobs, "logLik": fit.loglik}
            for name, fit in self.fits.items()
        }
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("coding")

    def __repr__(self) -> str:
        return f"{self.events()}\n\npooled\n{self.pooled()}\n\nby coding\n{self.changes()}"


def over_codings(
    history: History, model: Model, weights: Mapping[str, float] | None = None, **options: Any
) -> OverCodings:
    """Fit a model under each of the rival codings of a history.

    Parameters:
        history: one whose events have a column `coding`.
        model: the model; the codings must leave its parameters the same.
        weights: how far each coding is believed, by name; equal by default.
        options: of `Model.fit`.

    Raises:
        TocsinError: fewer than two codings, or weights that are not one positive number for each.

    >>> events = {"unit": ["a", "a", "b"], "time": [1.0, 2.0, 3.0], "coding": ["A", "B", ""]}
    >>> rose = tc.StateVariable("rose", ["no", "yes"])
    >>> moves = pd.DataFrame(events).assign(variable="rose", state="yes")
    >>> history = tc.History({"unit": ["a", "b", "c"]}, moves, variables=[rose], window=(0, 5))
    >>> model = tc.Model([rose], [tc.Transition("rose", "no", "yes", tc.baseline())])
    >>> tc.over_codings(history, model, {"A": 0.7, "B": 0.3}).pooled()
    """
    names = history.codings
    if len(names) < 2:
        raise TocsinError(
            f"{history.name!r} has no rival codings: its events have no column 'coding' with two names"
        )
    wanted = f"weights= needs a number of at least 0 for each coding: {', '.join(names)}"
    if weights is not None and not isinstance(weights, Mapping):
        raise TocsinError(f"{wanted}, by name, such as {{{names[0]!r}: 0.7, {names[1]!r}: 0.3}}")
    given = dict(weights) if weights is not None else dict.fromkeys(names, 1.0)
    for name in given:
        if name not in names:
            raise TocsinError(f"weights= names an unknown coding {name!r}" + suggestion(str(name), names))
    try:
        total = sum(float(given.get(name, 0)) for name in names)
    except (TypeError, ValueError):
        raise TocsinError(wanted) from None
    if set(given) != set(names) or min(given.values()) < 0 or not 0 < total < np.inf:
        raise TocsinError(wanted)
    fits = {name: model.fit(history.coding(name), **options) for name in names}
    first, *others = fits.values()
    if any(list(fit.values) != list(first.values) for fit in others):
        raise TocsinError("the codings give the model other parameters, so that they cannot be pooled")
    return OverCodings(fits, {name: float(given[name]) / total for name in names})
