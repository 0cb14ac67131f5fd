"""The posterior of a model: draws of its parameters, what they say, and how far they can be trusted."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from tocsin.attribution.attribution import Attribution
from tocsin.attribution.make import DRAWS, attributed, check, none, over_times, room
from tocsin.attribution.shares import Splitter
from tocsin.bayes.convergence import warnings_of
from tocsin.errors import FitError, ModelError, TocsinError
from tocsin.files.format import FORMAT
from tocsin.fit.draws import DrawnParameters
from tocsin.fit.maximum.newton import intercept
from tocsin.program.grouped import is_grouped

if TYPE_CHECKING:
    import pandas as pd
    import xarray
    from numpy.typing import NDArray

    from tocsin.bayes.random_effects import Effects
    from tocsin.bayes.target import Belief
    from tocsin.ensemble.ensemble import Ensemble
    from tocsin.ensemble.simulate import Drawn
    from tocsin.fit.maximum.constraint import Prior
    from tocsin.history.history import History
    from tocsin.interventions.intervention import Intervention
    from tocsin.model.learned import Learned
    from tocsin.model.model import Model
    from tocsin.program.program import Program

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


def attribute_posterior(
    posterior: Posterior, history: History | None, draws: int | None, level: float
) -> Attribution:
    """Return the attribution of a posterior: shares are means over its draws; see `Posterior.attribute`."""
    draws = check(draws, level, 0)
    if history is None or history.digest == posterior.history.digest:
        program = posterior.program()
    else:
        program = posterior.model.compile(history, posterior.learned)
    vectors, _ = posterior.flat()
    splitter = Splitter(replace(program, spans=None), vectors.mean(axis=0))
    size = min(room(splitter, draws), len(vectors))
    if draws is not None and draws > len(vectors):
        raise TocsinError(f"the posterior has {len(vectors)} draws, fewer than draws={draws}")
    if not size:
        return attributed(splitter, vectors[:DRAWS], none(draws), level)
    notes = (f"intervals: {size} draws of the posterior; shares are their means",)
    if program.spans is not None:
        return over_times(program, vectors.mean(axis=0), False, DrawnParameters(vectors[:size], notes), level)
    return attributed(splitter, None, DrawnParameters(vectors[:size], notes), level)


# --- The posterior of a model: draws of its parameters, what they say, and how far they can be
#     trusted


@dataclass(frozen=True, eq=False)
class PosteriorDraws:
    """What the sampler drew.

    Attributes:
        vector: declared parameters (chains, draws, P), half-lives and alphas as logarithms.
        spread: standard deviations of the random effects, then of pooled levels (chains, draws, blocks).
        effect: the random effects (chains, draws, R).
        stats: what the sampler tells of each draw (chains, draws).
    """

    vector: Floats
    spread: Floats
    effect: Floats
    stats: dict[str, NDArray[Any]]


class Posterior:
    """Draws from the posterior of a model given a history; made by `Model.sample`.

    Attributes:
        model, history: what was sampled.
        prior: the prior of the declared parameters.
        seed: the seed of the sampler.
        warnings: what speaks against trusting the draws, in plain words; empty where nothing does.
    """

    def __init__(
        self,
        model: Model,
        history: History,
        effects: Effects,
        belief: Belief,
        prior: Prior,
        draws: PosteriorDraws,
        seed: int,
        rough: tuple[NDArray[np.int64], Floats] | None = None,
    ) -> None:
        self.model, self.history, self.prior, self.seed = model, history, prior, int(seed)
        self.effects, self.belief, self.draws = effects, belief, draws
        self.rough = rough
        self.warnings: list[str] = warnings_of(self)

    @property
    def parameter_names(self) -> list[str]:
        """Return the names of the declared parameters, in the order of every vector."""
        return self.effects.plain.parameter_names

    @property
    def learned(self) -> Learned:
        """Return what the formulas learnt from the history that was sampled: levels and references."""
        return self.effects.plain.learned

    @property
    def params(self) -> pd.Series[float]:
        """Return posterior means by parameter name, on the scale of `fit.params`."""
        import pandas as pd

        index = pd.Index(self.parameter_names, name="parameter")
        return pd.Series(self.draws.vector.mean(axis=(0, 1)), index, name="mean")

    # --- data for others -------------------------------------------------------------------------------

    @cached_property
    def parameters(self) -> xarray.Dataset:
        """Return the draws with named coordinates.

        `parameters` (chain, draw, parameter), half-lives and alphas as logarithms; with random effects also
        `frailty` (chain, draw, frailty_transition, unit) with `frailty_sd`, and `shock` (chain, draw,
        shock_transition, period) with `shock_sd`; with pooled levels `pooled_sd` (chain, draw, pool).
        """
        import xarray

        where = ("chain", "draw")
        chains, draws, _ = self.draws.vector.shape
        content: dict[str, Any] = {"parameters": ((*where, "parameter"), self.draws.vector)}
        coordinates: dict[str, Any] = {
            "chain": np.arange(chains),
            "draw": np.arange(draws),
            "parameter": self.parameter_names,
        }
        for kind, label in (("frailty", "unit"), ("shock", "period")):
            blocks = [(number, b) for number, b in enumerate(self.effects.blocks) if b.kind == kind]
            if not blocks:
                continue
            coordinates[f"{kind}_transition"] = [block.transition for _, block in blocks]
            labels = blocks[0][1].labels
            coordinates[label] = list(labels) if kind == "frailty" else _period_coordinate(labels)
            stacked = [self.draws.effect[..., b.first : b.first + b.size] for _, b in blocks]
            content[kind] = ((*where, f"{kind}_transition", label), np.stack(stacked, axis=2))
            numbers = [number for number, _ in blocks]
            content[f"{kind}_sd"] = ((*where, f"{kind}_transition"), self.draws.spread[..., numbers])
        if self.belief.pools:
            coordinates["pool"] = [pool.name for pool in self.belief.pools]
            content["pooled_sd"] = ((*where, "pool"), self.draws.spread[..., len(self.effects.blocks) :])
        return xarray.Dataset(content, coordinates)

    @cached_property
    def log_likelihood(self) -> xarray.Dataset:
        """Return the log-likelihood of every explained event in every draw.

        `events` (chain, draw, event): the log hazard of the event less the integral of all hazards since the
        explained event before it. `rest` (chain, draw): less the integral after the last. Their sum is the
        log-likelihood.
        """
        from tocsin.bayes.leave_future_out import event_dataset

        if self.effects.plain.spans is not None:
            raise ModelError(
                "the times of some events were drawn with the parameters, so the events have no one order to take "
                "the log-likelihood apart by: leave time_latest out to take them at `time`"
            )
        return event_dataset(self)

    @cached_property
    def data(self) -> xarray.DataTree:
        """Return everything as ArviZ reads it: groups posterior, sample_stats and log_likelihood."""
        import xarray

        facts = {
            "created_by": "tocsin",
            "inference_library": "nutpie",
            "seed": self.seed,
            "prior": repr(self.prior),
            "history": self.history.digest,
            "format": FORMAT,
            "learned": json.dumps(self.learned.to_dict()),
        }
        stats = xarray.Dataset(
            {
                name: (("chain", "draw"), value)
                for name, value in self.draws.stats.items()
                if value.ndim == 2 and value.dtype != object
            },
            {"chain": self.parameters["chain"], "draw": self.parameters["draw"]},
        )
        groups = {
            "posterior": self.parameters.assign_attrs(facts),
            "sample_stats": stats.assign_attrs(facts),
        }
        if (
            not is_grouped(self.history) and self.effects.plain.spans is None
        ):  # there the log-likelihood is not one of events in order
            groups["log_likelihood"] = self.log_likelihood.assign_attrs(facts)
        return xarray.DataTree.from_dict(groups, name="tocsin")

    def to_arviz(self, worlds: int = 200, seed: int = 1917) -> xarray.DataTree:
        """Return `data` with groups prior, observed_data and posterior_predictive, for checks with ArviZ.

        `events` are counts by state entered and unit: observed, and in worlds with parameters of the posterior.

        Parameters:
            worlds: how many worlds, and draws of the prior.
            seed: of the worlds.
        """
        from tocsin.bayes.predictive_groups import with_predictions

        return with_predictions(self, worlds, seed)

    @cached_property
    def drawn_times(self) -> tuple[NDArray[np.int64], Floats] | None:
        """Return which events have open times, and draws of these (..., K); None where all times are known.

        Where times enter no other hazard the parameters are drawn without them, and times of 200 draws follow.
        """
        program = self.effects.plain
        if self.rough is not None or program.spans is None:
            return self.rough
        from tocsin.program.spans.open_times import draws_of_times

        vectors = self.flat()[0][:200]
        told = draws_of_times(program, vectors, self.seed)
        open_ = np.flatnonzero(~program.spans.known)
        return program.observer.spoken[open_], told[:, open_]

    @property
    def times(self) -> pd.DataFrame:
        """Return what the draws say of the times of events that are known roughly only.

        Returns:
            One row an event with a `time_latest`: unit, variable, state, time, time_latest, and median, lower and
            upper (95%) of the draws; no row where all times are known.
        """
        import pandas as pd

        columns = ["unit", "variable", "state", "time", "time_latest"]
        if self.drawn_times is None:
            return pd.DataFrame(columns=[*columns, "median", "lower", "upper"])
        known, drawn = self.drawn_times
        table = self.history.events.iloc[known][columns].reset_index(drop=True)
        bounds = np.quantile(drawn.reshape(-1, known.size), [0.5, 0.025, 0.975], axis=0)
        for name, value in zip(("median", "lower", "upper"), bounds, strict=True):
            table[name] = pd.to_datetime(self.history.to_date(value)) if self.history.dated else value
        return table

    def flat(self) -> tuple[Floats, Floats]:
        """Return all draws in one row, in an order that mixes chains: vectors (S, P), effects (S, R)."""
        size = self.draws.vector.shape[0] * self.draws.vector.shape[1]
        order = np.random.default_rng(self.seed).permutation(size)
        return (
            self.draws.vector.reshape(size, -1)[order],
            self.draws.effect.reshape(size, self.draws.effect.shape[2])[order],
        )

    # --- what the draws say ----------------------------------------------------------------------------

    def summary(self, level: float = 0.95, effects: bool = False) -> pd.DataFrame:
        """Return what the draws say of each parameter.

        Parameters:
            level: probability of the intervals, with equal tails.
            effects: whether to list every random effect, not only their standard deviations.

        Returns:
            One row a parameter: mean, sd, median, lower, upper, exp(median), r_hat, ess_bulk, ess_tail.
            Half-lives and alphas are in natural units, and so are standard deviations of effects; for those
            exp(median), the hazard ratio or rate, is missing. R-hat and effective sizes are those of Vehtari
            et al. (2021).
        """
        import pandas as pd

        if isinstance(level, bool | str) or not 0.0 < level < 1.0:
            raise ModelError(f"level must lie between 0 and 1, not {level!r}")
        names, values, natural = self.named(effects)
        from tocsin.bayes.convergence import diagnostics

        tails = [(1 - level) / 2, 0.5, (1 + level) / 2]
        flat = values.reshape(-1, values.shape[2])
        lower, median, upper = np.quantile(flat, tails, axis=0)
        with np.errstate(over="ignore"):
            ratio = np.where(natural, np.nan, np.exp(median))
        content = {
            "mean": flat.mean(axis=0),
            "sd": flat.std(axis=0, ddof=1),
            "median": median,
            "lower": lower,
            "upper": upper,
            "exp(median)": ratio,
            **diagnostics(values),
        }
        return pd.DataFrame(content, index=pd.Index(names, name="parameter"))

    def named(self, effects: bool = False) -> tuple[list[str], Floats, NDArray[np.bool_]]:
        """Return names, draws in natural units (chains, draws, names), and which have natural units."""
        values, names = self.draws.vector.copy(), list(self.parameter_names)
        natural = np.zeros(len(names), dtype=bool)
        for slots in self.effects.plain.slots:
            natural[[place for place in (slots.half_life, slots.alpha) if place >= 0]] = True
        values[..., natural] = np.exp(values[..., natural])
        parts, listed = [values, self.draws.spread], list(natural)
        for block in self.effects.blocks:
            names.append(f"{block.transition} | {block.kind} | sd")
            listed.append(True)
        names += [pool.name for pool in self.belief.pools]
        listed += [True] * len(self.belief.pools)
        if effects:
            parts.append(self.draws.effect)
            for block in self.effects.blocks:
                names += [f"{block.transition} | {block.kind} | {label}" for label in block.labels]
                listed += [False] * block.size
        return names, np.concatenate(parts, axis=2), np.array(listed)

    def pooled(self, level: float = 0.95) -> pd.DataFrame:
        """Return what the draws say of levels that are drawn from one distribution (`pooled=`), and of their spread.

        Few levels say little of a spread: its posterior is set beside its prior, which it may hardly have moved.

        Parameters:
            level: probability of the intervals, with equal tails.

        Returns:
            One row a level and one for the spread (standard deviation of the logarithm), of mass and of half-life:
            transition, cause, of, level, median, lower, upper, and of the spread's prior prior_median, prior_lower,
            prior_upper. Mass is strength times half-life over log 2; half-lives are in units of the clock.
        """
        import pandas as pd
        from scipy.stats import halfnorm

        if isinstance(level, bool | str) or not 0.0 < level < 1.0:
            raise ModelError(f"level must lie between 0 and 1, not {level!r}")
        tails = [0.5, (1 - level) / 2, (1 + level) / 2]
        program, blocks = self.effects.plain, len(self.effects.blocks)
        vectors = self.draws.vector.reshape(-1, self.draws.vector.shape[2])
        rows = []
        for number, pool in enumerate(self.belief.pools):
            head = (pool.transition, pool.cause, pool.kind)
            own = {s.cause: s for s in program.slots if (s.transition, s.plain) == head[:2]}
            for label in pool.labels:
                slots = own[f"{pool.cause}[{label}]"]
                value = vectors[:, slots.half_life]
                if pool.kind == "mass":
                    value = value + vectors[:, intercept(program, program.slots.index(slots))]
                    value = value - np.log(np.log(2.0))
                rows.append((*head, label, *np.exp(np.quantile(value, tails)), *[np.nan] * 3))
            spread = np.quantile(self.draws.spread[..., blocks + number], tails)
            rows.append((*head, "spread", *spread, *halfnorm.ppf(tails, scale=pool.spread)))
        names = ["median", "lower", "upper"]
        columns = ["transition", "cause", "of", "level", *names, *(f"prior_{name}" for name in names)]
        return pd.DataFrame(rows, columns=columns)

    def __repr__(self) -> str:
        chains, draws, size = self.draws.vector.shape
        said = "; ".join(self.warnings) or "no warnings"
        return f"<Posterior of {size} parameters: {chains} chains x {draws} draws; {said}>"

    def _repr_html_(self) -> str:
        import html

        listed = "".join(f"<li>{html.escape(warning)}</li>" for warning in self.warnings)
        table = str(self.summary().to_html(float_format="{:.3f}".format))
        return table + (f"<ul>{listed}</ul>" if listed else "")

    # --- what would happen -----------------------------------------------------------------------------

    def simulate(
        self,
        history: History | None = None,
        worlds: int = 1000,
        seed: int = 1917,
        interventions: Sequence[Intervention | str] = (),
        progress: Callable[[int, int], None] | None = None,
        given: str = "nothing",
        clocks: str = "cause",
    ) -> Ensemble:
        """Simulate worlds, each with parameters of its own from the posterior (the posterior predictive).

        World w has draw w mod S, in a fixed order that mixes chains, whatever the seed and the interventions:
        worlds of one number share their parameters and, under one seed, their luck.

        Parameters:
            history: the history to simulate, by default the one sampled; with random effects no other.
            worlds, seed, interventions, progress, given, clocks: as in `Program.simulate`.

        Raises:
            ModelError: random effects, and another history or worlds that are given what happened.
            FitError: as `Program.simulate` raises.
        """

        vectors, effect = self.flat()
        effects = self._effects_for(history)
        if (given, clocks) != ("nothing", "cause"):
            # `draws_of` refuses random effects: the clocks are read off the record without them.
            return effects.plain.simulate(
                vectors[0], worlds, seed, interventions, progress, given, clocks, draws=self
            )
        return simulate_draws(
            effects, vectors, effect, worlds, seed, interventions, progress, history or self.history
        )

    def simulate_prior(
        self,
        history: History | None = None,
        worlds: int = 1000,
        seed: int = 1917,
        interventions: Sequence[Intervention | str] = (),
        progress: Callable[[int, int], None] | None = None,
    ) -> Ensemble:
        """Simulate worlds, each with parameters of its own from the prior (the prior predictive).

        Raises:
            FitError: a world does not end; the message names the draw. Weak priors leave room for hazards
                that no wave has; a narrower prior is the answer.
        """

        rng = np.random.default_rng([self.seed, 1])
        size = max(1, min(int(worlds), 100_000))
        vectors, _ = self.belief.draw(rng, size)
        effects = self._effects_for(history)
        _, effect = draw_effects(effects, rng, size)
        return simulate_draws(
            effects, vectors, effect, worlds, seed, interventions, progress, history or self.history
        )

    def _effects_for(self, history: History | None) -> Effects:
        from tocsin.bayes.random_effects import with_effects

        if history is None or history.digest == self.history.digest:
            return self.effects
        if self.effects.blocks:
            raise ModelError(
                "random effects belong to the units and months of the history that was sampled: "
                f"another history ({history.name!r}) cannot be simulated with them"
            )
        other = with_effects(self.model, history, learned=self.learned)
        if other.plain.parameter_names != self.parameter_names:
            raise ModelError(f"the model has other parameters with the history {history.name!r}")
        return other

    def leave_future_out(self, **options: Any) -> Any:
        """Compare by forecasts: see `tocsin.bayes.leave_future_out.leave_future_out`."""
        from tocsin.bayes.leave_future_out import leave_future_out

        return leave_future_out(self, **options)

    def attribute(
        self, history: History | None = None, draws: int | None = None, level: float = 0.95
    ) -> Attribution:
        """Return for every explained event the share of each cause and source: means over draws, with intervals.

        Random effects multiply all causes of a transition alike and leave the shares as they are.

        Parameters:
            history: whose events; by default the one that was sampled.
            draws: how many draws of the posterior; 200 by default.
            level: probability of the intervals, with equal tails.

        Raises:
            TocsinError: more draws than there are, or a level that is none.
        """

        return attribute_posterior(self, history, draws, level)

    def program(self) -> Program:
        """Return the model compiled against the history, without random effects."""
        return self.effects.plain


def _period_coordinate(labels: Sequence[Any]) -> NDArray[Any]:
    if labels and isinstance(labels[0], float | int):
        return np.array(labels, dtype=np.float64)
    return np.array([str(label)[:10] for label in labels], dtype="datetime64[s]")


# --- Worlds whose parameters are uncertain: each is drawn with parameters of its own

BATCH = 64


def draw_effects(effects: Effects, rng: np.random.Generator, count: int) -> tuple[Floats, Floats]:
    """Draw standard deviations (count, B) and random effects (count, R) from their prior."""
    spreads, parts = [np.empty((count, 0))], [np.empty((count, 0))]
    for block in effects.blocks:
        spread = np.abs(rng.standard_normal((count, 1))) * block.spread
        spreads.append(spread)
        parts.append(spread * block.spread_out(rng.standard_normal((count, block.inner))))
    return np.concatenate(spreads, axis=1), np.concatenate(parts, axis=1)


def simulate_draws(
    effects: Effects,
    vectors: Floats,
    effect: Floats,
    worlds: int,
    seed: int,
    interventions: Sequence[Intervention | str],
    progress: Callable[[int, int], None] | None,
    history: History,
) -> Ensemble:
    """Simulate worlds; world w has the parameters vectors[w mod S] and the effects effect[w mod S].

    Raises:
        FitError: a hazard overflows or a world does not end; the message says under which parameters.
    """
    from tocsin.ensemble.ensemble import Ensemble
    from tocsin.ensemble.simulate import (
        _refuse,
        check_numbers,
        frame_of_worlds,
        over_threads,
        recipe_of,
        threads,
    )

    check_numbers(worlds, seed)
    size = vectors.shape[0]
    _, whole = effects.at(effects.program, vectors[0], effect[0])
    first, changed = recipe_of(effects.program, whole, seed, interventions)
    frame = frame_of_worlds(changed.program, changed.layout)

    def batch(begin: int, end: int) -> list[Drawn]:
        drawn = []
        for world in range(begin, end):
            program, vector = effects.at(changed.program, vectors[world % size], effect[world % size])
            try:
                one = replace(first, tables=program.tables(changed.alter(vector))).draw(world, world + 1)
                if one.failure is not None:
                    _refuse(program, one.failure)
            except FitError as error:
                raise FitError(
                    f"world {world}, with draw {world % size} of its parameters: {error}"
                ) from None
            drawn.append(one)
        return drawn

    bounds = [(begin, min(begin + BATCH, worlds)) for begin in range(0, int(worlds), BATCH)]

    def told(made: list[list[Drawn]]) -> None:
        if progress is not None:
            progress(bounds[len(made) - 1][1], worlds)

    parts = list(chain(*over_threads(lambda bound: batch(*bound), bounds, threads(), told)))
    sentences = tuple(str(intervention) for intervention in changed.interventions)
    table = first.table([first.columns(part) for part in parts])
    return Ensemble(table, int(worlds), int(seed), frame, history, sentences)
