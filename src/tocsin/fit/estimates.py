"""The estimates of a fitted model, and what can be asked of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from tocsin.errors import TocsinError, check_level, suggestion
from tocsin.fit.parameterised import Parameterised
from tocsin.model.declaration import BAR

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from tocsin.check.misfits import Misfits
    from tocsin.check.predictive import Predictive, Statistic
    from tocsin.check.rival_explanations import Check
    from tocsin.ensemble.parameter_draws import Draws
    from tocsin.fit.compare import ModelComparison, StrengthTest
    from tocsin.fit.maximum.constraint import Prior
    from tocsin.fit.maximum.search import Found, Task
    from tocsin.fit.profile import Profile
    from tocsin.history.history import History
    from tocsin.model.learned import Learned
    from tocsin.model.model import Model
    from tocsin.program.program import Program
    from tocsin.program.scaling import Scaling
    from tocsin.program.spans.imputed import ImputedLikelihood

    Floats = NDArray[np.float64]

Errors = Literal["observed", "sandwich", "cluster"]

Method = Literal["wald", "profile"]


class Estimated(NamedTuple):
    """Estimates of centred and scaled parameters, in which nothing is lost to rounding; see `program.scaling`.

    Fields: the scaling, the estimates (P,), and their covariance (P, P), with nothing in what is not identified.
    """

    scaling: Scaling
    vector: Floats
    vcov: Floats


class Fit(Parameterised):
    """A fitted model.

    Attributes:
        model: the declaration.
        params: estimates by parameter name (Series); half_life and alpha as logarithms. A contagion that
            ran to zero has minus infinity as the logarithm of its strength.
        loglik: the log-likelihood at the estimates, without the prior.
        loglik_error: its Monte-Carlo standard error: above 0 where the times of some events are open and enter
            other hazards, so that it is a mean over drawn times.
        objective: what was maximised: the log-likelihood, less the penalty of a prior.
        vcov: covariance of the estimates from the observed information (DataFrame); NaN where not identified.
        score: gradient of what was maximised, at the estimates (Series); zero for what is free and inside.
        status: of each parameter (Series): free, tied, fixed, zero, at a bound, or not identified.
        transitions: events and exposure time of each transition (DataFrame).
        causes: events that each cause explains, by shares, and its integrated hazard (DataFrame).
        warnings: what a reader should know before believing the estimates.
        prior: the prior of a penalised fit, else None.
        fixed, tied: what was not estimated freely.
        digest: digest of the history that was fitted.
        learned: what the formulas learnt from it: levels and references of categories; `Learned.references`.
        scaled: the estimates as they were made: centred, per standard deviation of each term.

    Example:
        >>> import tocsin as tc
        >>> history = tc.load_history("1917")
        >>> fit = tc.Model.from_toml(history.model_path).fit(history)
        >>> fit.nobs, len(fit.params)
        (542, 47)
    """

    def __init__(
        self,
        model: Model,
        values: Mapping[str, float],
        *,
        loglik: float,
        loglik_error: float = 0.0,
        vcov: Floats,
        transitions: pd.DataFrame,
        causes: pd.DataFrame,
        warnings: list[str],
        prior: Prior | None,
        digest: str,
        objective: float,
        score: Floats,
        status: Mapping[str, str],
        free: int,
        fixed: Mapping[str, float],
        tied: Sequence[Sequence[str]],
        learned: Learned,
        scaled: Estimated,
        program: Program | None = None,
        search: tuple[Task, Found] | None = None,
    ) -> None:
        super().__init__(model, values, learned)
        self.loglik, self.objective, self.loglik_error = loglik, objective, float(loglik_error)
        self.transitions, self.causes = transitions, causes
        self._warnings, self.prior, self.digest = warnings, prior, digest
        self._looked = search is None  # whether half-lives and alphas were looked at for open profiles
        self.fixed, self.tied = dict(fixed), [tuple(group) for group in tied]
        self._vcov, self._score, self._status, self._free = vcov, score, dict(status), free
        self.scaled = scaled
        self._search = search
        self._blocks: dict[str, tuple[Task, Found]] = {}  # by transition, made when profiles are asked for
        self.drawn: dict[int, Draws] = {}  # draws of the parameters by their number, as they are asked for
        self._plain = program
        self._bounds: dict[
            tuple[str, float], tuple[float, float]
        ] = {}  # profile intervals, as they are asked for
        if program is not None:
            self._compiled = (digest, program)

    # --- what was found ---------------------------------------------------------------------------------

    @property
    def params(self) -> pd.Series[float]:
        """Return the estimates by parameter name."""
        return self._series(list(self.values.values()), "estimate")

    @property
    def warnings(self) -> list[str]:
        """Return what a reader should know before believing the estimates.

        Whether a half-life or alpha is known at all takes fits with it held at its bounds, made when first asked for.
        """
        from tocsin.fit.profile import open_shapes

        if not self._looked:
            self._warnings += open_shapes(self.search[0], self._block, self._vcov)
            self._looked = True
        return self._warnings

    @property
    def score(self) -> pd.Series[float]:
        """Return the gradient at the estimates, by parameter name."""
        return self._series(self._score, "score")

    @property
    def status(self) -> pd.Series[str]:
        """Return what became of each parameter: free, tied, fixed, zero, at a bound, or not identified."""
        return self._series(list(self._status.values()), "status")

    @property
    def vcov(self) -> pd.DataFrame:
        """Return the covariance of the estimates, by parameter names."""
        return self._square(self._vcov)

    @property
    def df(self) -> int:
        """Return the number of parameters that were estimated, without those of causes at zero."""
        return self._free

    @property
    def nobs(self) -> int:
        """Return the number of events that the model explains."""
        return int(self.transitions["events"].sum())

    @property
    def aic(self) -> float:
        """Return Akaike's criterion, 2 df - 2 log-likelihood."""
        return 2.0 * self.df - 2.0 * self.loglik

    @property
    def bic(self) -> float:
        """Return the Bayesian criterion, df log(events) - 2 log-likelihood (events: Volinsky & Raftery
        2000)."""
        return self.df * math.log(max(self.nobs, 1)) - 2.0 * self.loglik

    def covariance(self, se: Errors = "observed", cluster: Any = None) -> pd.DataFrame:
        """Return the covariance of the estimates.

        Parameters:
            se: ``observed`` information, ``sandwich`` (robust, each unit on its own) or ``cluster``
                (groups of units).
            cluster: for ``cluster``: a column of the units, or a mapping from unit to group.

        Raises:
            TocsinError: a word that is none of these, a unit without group, or a fit that was loaded without
                its history.
        """
        from tocsin.fit.covariance import clusters, sandwich

        if cluster is not None and se != "cluster":
            raise TocsinError("cluster= needs se='cluster'")
        if se == "observed":
            return self.vcov
        if se not in ("sandwich", "cluster"):
            raise TocsinError(
                f"se= is 'observed', 'sandwich' or 'cluster', not {se!r}"
                + suggestion(str(se), ["observed", "sandwich", "cluster"])
            )
        if se == "cluster" and cluster is None:
            raise TocsinError(
                "se='cluster' needs cluster=, a column of the units or a mapping from unit to group"
            )
        program = self.search[0].program
        groups = clusters(program, cluster) if se == "cluster" else None
        vector = self.scaled.vector
        robust = program.scaled.covariance(sandwich(program, vector, self.scaled.vcov, groups), vector)
        return self._square(np.where(np.isnan(self._vcov), np.nan, robust))

    def summary(self, level: float = 0.95, se: Errors = "observed", cluster: Any = None) -> pd.DataFrame:
        """Return estimates with standard errors, intervals and tests of what is asked, one row a parameter.

        Columns: estimate, se, lower, upper, exp(estimate), p, test. Half-lives and alphas are shown in natural
        units, all else as it stands in `params`. Intervals of strengths come from the profile likelihood: a lower
        end of minus infinity is no contagion (a strength of 0). All others are Wald's, of shapes on the logarithm.

        `p` of a coefficient is Wald's; rates, half-lives and alphas have none. `p` of a strength is the likelihood
        ratio against *no contagion*: half a chi-square (Self & Liang 1987) where that strength alone lies at the
        edge and nothing goes with it. Where several do, or a half-life, alpha or covariate means nothing without
        the cause, `p` is NaN and `test` says ``see check``: see `check`. A transition's ``only cause`` has no null.
        The test is one-sided and the interval two-sided: between a ratio of 2.71 and 3.84 p is below .05 while the
        95% interval holds none. With robust errors the ratio is scaled by the two variances (Rotnitzky & Jewell
        1990), and so is the profile (Chandler & Bate 2007).

        What is fixed has a standard error of 0; what is not identified has none (NaN) and an endless interval, and
        `warnings` says why. A strength of zero has the one-sided upper bound of its profile.

        Parameters:
            level: coverage of the intervals, between 0 and 1.
            se, cluster: which standard errors; see `covariance`.

        Raises:
            TocsinError: a level outside (0, 1), a fit that was loaded without its history and is asked for another
                level than 0.95, or see `covariance`.
        """
        from tocsin.fit.summary import summary

        check_level(level)
        return summary(self, level, se, cluster)

    # --- intervals from the profile ---------------------------------------------------------------------

    def profile(self, name: str, level: float = 0.95, points: int = 17) -> Profile:
        """Return the profile likelihood of a parameter: the best fit with it held at each of several values.

        Parameters:
            name: the parameter.
            level: coverage of the interval; one-sided for a strength of zero.
            points: how many values, spread over the interval and a little beyond.

        Raises:
            TocsinError: an unknown or fixed parameter, or a fit that was loaded without its history.

        Source: Venzon & Moolgavkar (1988); at a strength of zero Self & Liang (1987).
        """
        from tocsin.fit.profile import profile

        _quantile(level)
        position = self._open_position(name)
        task, found = self.search
        se = math.sqrt(max(self._vcov[position, position], 0.0))
        return profile(task, found, position, level, se, points)

    def intervals(
        self, level: float = 0.95, method: Method = "profile", names: Sequence[str] | None = None
    ) -> pd.DataFrame:
        """Return intervals of the parameters: columns estimate, lower, upper, as `summary` shows them.

        Parameters:
            level: coverage between 0 and 1.
            method: ``profile`` (where twice the fall of the profile likelihood reaches its quantile) or
                ``wald``.
            names: which parameters; all by default.

        Raises:
            TocsinError: an unknown method or name, or for profiles a fit that was loaded without its history.
        """
        import pandas as pd

        if method not in ("profile", "wald"):
            raise TocsinError(f"method= is 'profile' or 'wald', not {method!r}")
        chosen = list(self.values) if names is None else [names] if isinstance(names, str) else list(names)
        for name in chosen:
            self._position(name)
        if method == "wald":
            return self.summary(level).loc[chosen, ["estimate", "lower", "upper"]]
        _quantile(level)
        rows = []
        for name in chosen:
            estimate = self.values[name]
            held = self._status[name] == "fixed"
            ends = (estimate, estimate) if held else self._profile_ends(name, level)
            row = (estimate, *ends)
            shape = name.split(BAR)[2] in ("memory", "response")
            rows.append(tuple(math.exp(min(x, 700.0)) if x < math.inf else x for x in row) if shape else row)
        return pd.DataFrame(
            rows, columns=["estimate", "lower", "upper"], index=pd.Index(chosen, name="parameter")
        )

    def _profile_ends(self, name: str, level: float, wider: float = 1.0) -> tuple[float, float]:
        """Return the profile interval of a parameter, `wider` times as wide in standard errors."""
        from tocsin.fit.profile import interval

        if wider != 1.0 or (name, level) not in self._bounds:
            position = self._position(name)
            task, found = self._block(name)
            if task.asked.group[position] < 0 or (
                found.constraint.group[position] == -1 and self._status[name] != "zero"
            ):
                ends = (-math.inf, math.inf)  # not identified
            else:
                se = math.sqrt(max(self._vcov[position, position], 0.0))
                ends = interval(task, found, position, level, se, wider)[:2]
            if wider != 1.0:
                return ends
            self._bounds[name, level] = ends
        return self._bounds[name, level]

    def _block(self, name: str) -> tuple[Task, Found]:
        """Return what was maximised and where, of the transitions that share parameters with a name's own."""
        from tocsin.fit.compare import block_of, blocks

        task, found = self.search
        if not self._blocks:
            for block in blocks(task):
                part = block_of(task, found, block)
                self._blocks |= {task.program.model.transitions[k].name: part for k in block}
        return self._blocks[name.rsplit(BAR, 3)[0]]

    @cached_property
    def _tests(self) -> dict[str, StrengthTest]:
        """Return the tests of rates and strengths, by name; those of rates say nothing."""
        from tocsin.fit.compare import tests_of

        return tests_of(self.search[0].program, self._block)

    def branching(self, level: float = 0.95) -> pd.DataFrame:
        """Return how many events one entry sets off along a tie of weight 1, for each half-life cause.

        mass = strength h / ln 2, or strength h / (alpha ln 2) under a power response, for a target at the
        reference of its terms and always at risk. Below 1 in all, a wave of recurrent events dies out by
        itself.

        Returns:
            One row a half-life cause: transition, cause, strength, half_life, mass, lower, upper: those of the
            strength where it alone is estimated, else by the delta method on the logarithm, from 0 where the
            data allow no contagion.
        """
        from tocsin.fit.predict import branching

        check_level(level)
        return branching(self, level)

    # --- tests, predictions and checks ------------------------------------------------------------------

    def compare(self, other: Fit, worlds: int = 199, seed: int = 1917) -> ModelComparison:
        """Test a smaller fit against a larger one of the same history by their likelihood ratio.

        Chi-square where the smaller lies inside the larger; half of it at zero for one contagion strength
        that is zero in the smaller and brings no other parameter (Self & Liang 1987); else a parametric
        bootstrap.

        Parameters:
            other: the other fit, smaller or larger.
            worlds, seed: of the bootstrap.

        Raises:
            TocsinError: the histories differ, or neither fit is a special case of the other.
        """
        from tocsin.fit.compare import compare

        return compare(self, other, worlds, seed)

    def test(
        self,
        causes: Sequence[str] | str | None = None,
        bootstrap: int = 199,
        seed: int = 1917,
        together: bool = False,
        always: bool = False,
        progress: Callable[[str, int, int], None] | None = None,
    ) -> pd.DataFrame:
        """Test contagions against none: by half a chi-square where that is the law of the likelihood ratio, else by
        a parametric bootstrap.

        Worlds are simulated from the fit without the contagion, and both fits are made anew in each:
        p = (1 + worlds whose ratio is as large) / (1 + worlds).

        Parameters:
            causes: names such as ``comintern`` or ``transition | cause``; all contagions by default.
            bootstrap: how many worlds, at least 199; 0 for none. Worlds that cannot be fitted, or in which no unit at
                risk was exposed, say nothing of a strength: they are counted apart, and others drawn.
            seed: of the worlds.
            together: whether the causes are taken out all at once, instead of one after the other.
            always: whether to simulate also where the law is known.
            progress: called with what is being done, worlds done and worlds in all.

        Returns:
            One row a test: cause, statistic (twice the gain in log-likelihood), p, error (Monte-Carlo standard error
            of p), worlds, failed and unexposed (worlds that say nothing), how.

        Raises:
            TocsinError: no contagion has that name, a penalised fit, or one that was loaded without its history.

        Source: Self & Liang (1987); Davison & Hinkley (1997), chapter 4.
        """
        from tocsin.fit.bootstrap import test

        return test(self, causes, bootstrap, seed, together, always, progress)

    def hazards(self, when: object, history: History | None = None, level: float = 0.95) -> pd.DataFrame:
        """Return the hazard of each unit and transition at a moment, with delta-method intervals.

        Parameters:
            when: a date or number inside the window; what is in force just before it counts.
            history: another history with the same model; the fitted one by default.
            level: coverage of the intervals, computed on the logarithm.

        Returns:
            One row for each unit and transition at risk: unit, transition, hazard, se, lower, upper.
        """
        from tocsin.fit.predict import hazards

        return hazards(self, self._program_of(history), when, level)

    def probabilities(
        self,
        variable: str,
        state: str,
        when: Sequence[object] | object | None = None,
        history: History | None = None,
        worlds: int = 1000,
        seed: int = 1917,
        level: float = 0.95,
    ) -> pd.DataFrame:
        """Return the probability that each unit is in a state, with delta-method intervals.

        Worlds are simulated at the estimates; the derivative of a probability is the mean over worlds of the
        indicator times the score of the world (Glynn 1990), and its variance follows from `vcov`.
        Intervals are computed on the logit and contain the error of the simulation.

        Parameters:
            variable, state: which state.
            when: dates or numbers; the end of the window by default.
            history: another history with the same model; the fitted one by default.
            worlds, seed: of the simulation.

        Returns:
            One row for each unit and time: unit, time, probability, se, lower, upper.
        """
        from tocsin.fit.predict import probabilities

        return probabilities(self, self._program_of(history), variable, state, when, worlds, seed, level)

    def check(
        self,
        history: History | None = None,
        worlds: int = 99,
        seed: int = 1917,
        progress: Callable[[str, int, int], None] | None = None,
        causes: Sequence[str] | str | None = None,
        bootstrap: int = 199,
        rates: int | None = None,
    ) -> Check:
        """Test every contagion against none (see `test`), and set it beside its rivals.

        Calendar effects (baselines that change from period to period), unit effects (a readiness of each
        unit's own), units alike where they are tied and shocks of regions at once, placebo ties (rewired, degrees
        kept) and permuted times, each with a test of the contagion beside it; the same ties 14 days earlier; all
        contagions of one kind together; and how strong an unseen shock of exposed units would have to be to
        explain the contagion away. The verdict says how often its tests err on this history's ties.

        Parameters:
            history: another history with the same model; the fitted one by default.
            worlds: how many placebo histories of each kind.
            seed: of the placebo histories.
            progress: called with what is being done, steps done and steps in all.
            causes: names of causes to look at, such as ``comintern``; all by default.
            bootstrap: worlds of the parametric bootstrap of each strength whose likelihood ratio has no law that is
                known, at least 199; 0 for none.
            rates: worlds of each kind in which the verdict's tests are tried, kept in the user's cache; by default 199
                where at most three contagions are looked at, else 0.

        Where open times enter other hazards the test against none alone is made; the rivals say that they are not.

        Raises:
            TocsinError: the model has no contagion beside a baseline, or none of that name.
        """
        from tocsin.check.rival_explanations import check

        return check(self, history, worlds, seed, progress, causes, bootstrap, rates)

    def misfits(
        self,
        history: History | None = None,
        worlds: int = 199,
        seed: int = 1917,
        progress: Callable[[int, int], None] | None = None,
    ) -> Misfits:
        """Return where the fit misses what happened: by unit, by period, in rescaled times; the three worst in words.

        Each is set beside worlds of the fit, fitted anew and censored as the record is; see `Misfits`.

        Parameters:
            history: another history with the same model; the fitted one by default.
            worlds: how many, 19 or more, or 0 for rough p at once; seed: of the worlds; progress: called with worlds
                done and in all.

        Raises:
            TocsinError: times known by month or year, or in spans.
        """
        from tocsin.check.misfits import misfits

        return misfits(self, history, worlds, seed, progress)

    def predictive(
        self,
        statistics: Mapping[str, Statistic] | None = None,
        held_out: Sequence[str] | str = (),
        worlds: int = 400,
        seed: int = 1917,
    ) -> Predictive:
        """Return the record beside worlds of the fit: numbers, days outside bands, units that were held out.

        Of every state that the model explains: entries, share of units reached, the most entries at once (within 30
        days, or a 24th of the window), mean time held, order of first entries, distance to the nearest before.

        Parameters:
            statistics: more of them by name: a function of one world's events (a DataFrame with time, unit, variable,
                from, to), or SQL that sums them up, such as ``count(DISTINCT unit)``.
            held_out: units without which the model is fitted anew (they are not there for it), to be foretold.
            worlds, seed: of the simulation, over draws of the parameters.

        Raises:
            TocsinError: a unit is unknown or a statistic is no number.

        >>> history = tc.load_history("1917")
        >>> fit = tc.Model.from_toml(history.model_path).fit(history)
        >>> fit.predictive({"places": "count(DISTINCT unit)"}, held_out="hungary", worlds=50).table
        """
        from tocsin.check.predictive import predictive

        return predictive(self, statistics, held_out, worlds, seed)

    # --- how it is shown and kept -----------------------------------------------------------------------

    def report(self, level: float = 0.95) -> str:
        """Return the whole fit as text: what was fitted, on what, estimates, shares, statistics, warnings."""
        from tocsin.fit.summary import as_text

        return as_text(self, level)

    def to_html(self, level: float = 0.95) -> str:
        """Return the whole fit as HTML."""
        from tocsin.fit.summary import as_html

        return as_html(self, level)

    def to_latex(self, level: float = 0.95) -> str:
        """Return the whole fit as LaTeX tables (with booktabs)."""
        from tocsin.fit.summary import as_latex

        return as_latex(self, level)

    def to_dict(self) -> dict[str, Any]:
        """Return the fit as plain values that JSON holds exactly; see `save`."""
        from tocsin.fit.save import to_dict

        return to_dict(self)

    def save(self, path: str | Path) -> None:
        """Write the fit as JSON, whole or not at all; `tc.load_fit` reads it."""
        from tocsin.fit.save import save

        save(self, path)

    def __repr__(self) -> str:
        return f"<Fit of {self.df} parameters to {self.nobs} events, log-likelihood {self.loglik:.2f}>"

    def __str__(self) -> str:
        return self.report()

    def _repr_html_(self) -> str:
        return self.to_html()

    # --- access -----------------------------------------------------------------------------------------

    @property
    def fitted_program(self) -> Program:
        """Return the program that was fitted; raise TocsinError for a fit loaded without its history."""
        task, _ = self.search
        if self._plain is None:
            self._plain = task.program.on_scale(None)
        return self._plain

    @property
    def history(self) -> History:
        """Return the history that was fitted; raise TocsinError for a fit loaded without it."""
        return self.fitted_program.history

    @property
    def over_draws(self) -> ImputedLikelihood | None:
        """Return the likelihood where it is a mean over drawn times; None elsewhere, and without the history."""
        from tocsin.fit.maximum.imputation import over_draws

        return None if self._search is None else over_draws(self.search[0].program)

    @property
    def search(self) -> tuple[Task, Found]:
        """Return what was maximised and where; raise TocsinError for a fit loaded without its history."""
        if self._search is None:
            raise TocsinError(
                "this question needs the history that was fitted: read the fit with tc.load_fit(path, "
                "history)"
            )
        return self._search

    @property
    def program_of_fit(self) -> Program | None:
        """Return the program that was fitted, None for a fit loaded without its history."""
        if self._search is not None:
            return self.fitted_program
        if self._compiled is not None and self._compiled[0] == self.digest:
            return self._compiled[1]
        return None

    def keep(self, program: Program) -> None:
        """Keep the program that was fitted, its terms as the user has them."""
        self._plain, self._compiled = program, (self.digest, program)

    def _program_of(self, history: History | None) -> Program:
        return self.fitted_program if history is None else self.program(history)

    def _position(self, name: str) -> int:
        if name not in self.values:
            raise TocsinError(f"unknown parameter {name!r}" + suggestion(str(name), list(self.values)))
        return list(self.values).index(name)

    def _open_position(self, name: str) -> int:
        position = self._position(name)
        if self._status[name] == "fixed":
            raise TocsinError(f"{name!r} was fixed and has no profile")
        task, found = self.search
        lost = found.constraint.group[position] == -1 and self._status[name] != "zero"
        if task.asked.group[position] < 0 or lost:
            raise TocsinError(f"{name!r} is not identified and has no profile; see fit.warnings")
        return position

    def _series(self, values: Any, name: str) -> pd.Series[Any]:
        import pandas as pd

        return pd.Series(values, index=pd.Index(list(self.values), name="parameter"), name=name)

    def _square(self, values: Floats) -> pd.DataFrame:
        import pandas as pd

        names = list(self.values)
        return pd.DataFrame(values, index=names, columns=names)

    def __getstate__(self) -> dict[str, Any]:
        self._complete()
        return {**super().__getstate__(), "_search": None, "_plain": None, "_blocks": {}}

    def _complete(self) -> None:
        """Work out the tests and intervals of the summary, which cannot be found again without the history.

        Not of hundreds of strengths, whose profiles take longer than the fit: read with its history, such a fit
        finds them when they are asked for.
        """
        from tocsin.fit.compare import MANY

        strengths = sum(name.split(BAR)[2:] == ["susceptibility", "1"] for name in self.values)
        if self._search is not None and strengths <= MANY:
            self.summary()


def _quantile(level: float) -> float:
    from scipy.special import ndtri

    check_level(level)
    return float(ndtri(0.5 + level / 2))
