"""The program: a model compiled against a history, ready for likelihood and simulation."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import numpy as np

from tocsin.errors import FitError, TooLarge
from tocsin.history.time import number_text
from tocsin.kernels.exposure_sweep import EXPLAINED, UNIT, Trace
from tocsin.kernels.layout import SOURCE, TARGET, Tables
from tocsin.model.declaration import Contagion
from tocsin.program.design import factors
from tocsin.program.inner_exposure import NONE, ExposureCourses, Exposures, course_of, inner_terms, record
from tocsin.program.parameters import CauseSlots, pack

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from tocsin.ensemble.ensemble import Ensemble
    from tocsin.history.history import History
    from tocsin.history.spans import Spans
    from tocsin.interventions.intervention import Intervention
    from tocsin.kernels.layout import Layout
    from tocsin.model.declaration import Cause, Transition
    from tocsin.model.learned import Learned
    from tocsin.model.model import Model
    from tocsin.model.special_terms import Special
    from tocsin.program.design import Design
    from tocsin.program.joint_states import JointStates, Observer
    from tocsin.program.likelihood import Likelihood
    from tocsin.program.scaling import Scaled, Scaling
    from tocsin.program.ties import Changes


class Observed(NamedTuple):
    """Every observed event of the model's variables, in the order of time.

    Fields are arrays over events: time (clock numbers), unit, variable, state entered (positions), joint
    state before and after, transition that explains it (-1 for none), and whether it came at or before entry.
    """

    time: NDArray[np.float64]
    unit: NDArray[np.int32]
    variable: NDArray[np.int32]
    state: NDArray[np.int32]
    before: NDArray[np.int32]
    after: NDArray[np.int32]
    transition: NDArray[np.int32]
    early: NDArray[np.bool_]


def log_factors(matrix: NDArray[np.float64], coefficients: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return matrix . coefficients (rows,); a coefficient of minus infinity makes so of rows that have its term."""
    endless = np.isneginf(coefficients)
    result = matrix @ np.where(endless, 0.0, coefficients)
    if endless.any():
        result[(matrix[:, endless] != 0).any(axis=1)] = -np.inf
    return np.asarray(result)


@dataclass(frozen=True, eq=False)
class Program:
    """A model joined with a history: arrays for the kernels, and one order of parameters.

    Attributes:
        model, history: what was joined.
        parameter_names: the names of the parameters, in the order of every vector.
        causes: transition and cause, in the order of the kernels.
        design_of: which design a formula has, with an intercept or without.
        learned: what the formulas learnt from this history, or were told that they learnt from another.
        opening: the arrays, but for what changes at known times; see `kernels.layout.Layout`.
        changes: what changes at known times, laid out when it is asked for; None where `opening` has it.
        observed: what happened, as events with joint states.
        exposures: those that stand inside exponents; see `recorded`.
        spans: what is known of the times of the events that the model speaks of, where some are open; `observed` has
            each of those at one time of its span.
        aside: units whose own part of the likelihood is left out (N,); None for none.
        origin: for each cause where the terms of its sources are counted from in simulations (Q,); None for zero.
        scaling: where terms are counted from and in what unit, if parameters are scaled; see `scaling`.

    Example:
        >>> import tocsin as tc
        >>> history = tc.load_history("1917")
        >>> program = tc.Model.from_toml(history.model_path).compile(history)
        >>> program.history is history
        True
    """

    model: Model
    history: History
    joint: JointStates
    layers: tuple[str, ...]
    causes: tuple[tuple[Transition, Cause], ...]
    slots: tuple[CauseSlots, ...]
    parameter_names: list[str]
    designs: tuple[Design, ...]
    design_of: dict[tuple[str, bool], int]
    learned: Learned
    opening: Layout
    changes: Changes | None
    observed: Observed
    exposures: Exposures = NONE
    spans: Spans | None = None
    aside: NDArray[np.bool_] | None = None
    origin: tuple[NDArray[np.float64] | None, ...] = ()
    scaling: Scaling | None = None

    @cached_property
    def observer(self) -> Observer:
        """Return what makes events of the history's; see `observe`."""
        from tocsin.program.joint_states import Observer

        return Observer(self.model, self.history, self.joint, self.opening.after)

    @cached_property
    def layout(self) -> Layout:
        """Return the arrays; a fit of causes at home does without what changes at known times."""
        if self.changes is None:
            return self.opening
        breaks = self.changes.laid
        return self.opening._replace(break_at=breaks.at, breaks=breaks.what)

    @cached_property
    def courses(self) -> dict[Special, ExposureCourses]:
        """Return what exposures inside exponents were in the course of what happened."""
        return {each: course_of(self, h) for h, each in enumerate(self.exposures.listed)}

    @cached_property
    def recorded(self) -> Program:
        """Return the program as its record is read: exposures inside exponents are columns of the designs."""
        return record(self) if self.exposures.listed else self

    # --- parameters -------------------------------------------------------------------------------------

    @cached_property
    def scaled(self) -> Scaled:
        """Return the map between parameters on the user's scale and this program's own."""
        from tocsin.program.scaling import Scaling

        if self.exposures.listed:
            return self.recorded.scaled
        return (Scaling({}) if self.scaling is None else self.scaling).laid(self)

    def on_scale(self, scaling: Scaling | None) -> Program:
        """Return the program with its terms centred and scaled, or with None as the user has them."""
        other = replace(self, scaling=scaling)
        if self.exposures.listed:
            other.__dict__["recorded"] = self.recorded.on_scale(scaling)
        for known in ("layout", "trace", "observer"):
            if known in self.__dict__:
                other.__dict__[known] = self.__dict__[known]
        if "likelihood" in self.__dict__ and not self.exposures.listed:
            other.__dict__["likelihood"] = self.likelihood.of_scale(other)
        return other

    def design(self, cause: int, source: bool = False) -> Design:
        """Return the design of a cause's target terms, or of its source terms, on the program's scale."""
        design = self.designs[self.opening.cause[cause, SOURCE if source else TARGET]]
        return design if self.scaling is None else self.scaled.design(cause, source, design)

    def pack(self, params: Any) -> NDArray[np.float64]:
        """Return parameters (vector, mapping or Series) as a vector; raise ModelError if they do not fit."""
        return pack(params, self.parameter_names)

    def decay(self, cause: int, vector: NDArray[np.float64]) -> float:
        """Return ln 2 / half-life of a cause; 0 under `while`."""
        declared = self.causes[cause][1]
        if not isinstance(declared, Contagion) or declared.half_life is None:
            return 0.0
        if declared.half_life == "estimate":
            return math.log(2.0) * math.exp(-vector[self.slots[cause].half_life])
        return math.log(2.0) / float(declared.half_life)

    def log_density(self, cause: int, vector: NDArray[np.float64]) -> float:
        """Return the logarithm of ln 2 / half-life where the intercept is that of the mass, else 0."""
        return math.log(self.decay(cause, vector)) if self.slots[cause].mass else 0.0

    def alpha(self, cause: int, vector: NDArray[np.float64]) -> float:
        """Return the exponent of a cause's response."""
        slot = self.slots[cause].alpha
        return math.exp(vector[slot]) if slot >= 0 else 1.0

    def tables(self, vector: NDArray[np.float64]) -> Tables:
        """Return what the parameters make of the layout: factors, marks, decays and exponents.

        Raises:
            FitError: a factor is not a finite number.
        """
        if self.exposures.listed and self.scaling is not None:
            return self.on_scale(None).tables(self.scaled.user(vector))
        count = len(self.causes)
        bent: list[NDArray[np.float64]] = []
        parts: list[NDArray[np.float64]] = []
        slopes: list[NDArray[np.float64]] = []
        first = np.zeros((2, count), dtype=np.int64)
        length = 0
        for number, slots in enumerate(self.slots):
            # Far from zero exp(gamma . u) is endless or nothing where the level beside it makes the hazard an ordinary
            # number: what all sources have in common goes to the level.
            origin = self.origin[number] if self.origin and self.scaling is None else None
            shared = 0.0 if origin is None else float(vector[slots.source.start : slots.source.stop] @ origin)
            for role, terms, column in ((0, slots.target, TARGET), (1, slots.source, SOURCE)):
                design = self.opening.cause[number, column]
                if design < 0:
                    continue
                made = self.design(number, column == SOURCE)
                matrix = made.matrix - origin if origin is not None and column == SOURCE else made.matrix
                terms_of_row = inner_terms(self, number, vector) if role == 0 else []
                bent += terms_of_row
                # Where exposures follow as numbers, all terms are added up before the exponential is taken.
                follows = any(place >= 0 for place in made.follows)
                part = (
                    np.zeros(matrix.shape[0])
                    if follows and role == 0
                    else log_factors(matrix, vector[terms.start : terms.stop])
                )
                if shared and column == TARGET:
                    part = part + self.alpha(number, vector) * shared
                if column == TARGET:
                    part = part + self.log_density(number, vector)
                with np.errstate(over="ignore"):
                    part = np.exp(part)
                part = factors(self.designs[design], part)
                if not np.isfinite(part).all():
                    raise TooLarge(
                        f"the hazard of {self.cause_name(number)!r} overflows: "
                        "a coefficient or a covariate is too large"
                    )
                first[role, number] = length
                length += part.size
                parts.append(part)
                slopes.append(self._age_slopes(number, made, vector[terms.start : terms.stop]))
        shape = [
            [self.decay(number, vector) for number in range(count)],
            [self.alpha(number, vector) for number in range(count)],
        ]
        lengths = np.cumsum([0, *(each.size for each in bent)])
        aged = any(design.times is not None for design in self.designs)
        return Tables(
            np.concatenate(parts),
            first,
            np.array(shape),
            np.concatenate([np.empty(0), *bent]),
            lengths[:-1].astype(np.int64),
            np.concatenate(slopes) if aged else np.empty(0),
        )

    def _age_slopes(
        self, cause: int, design: Design, coefficients: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return the coefficient of the age in each row of a design, zeros where none is a number.

        Raises:
            FitError: a coefficient of the logarithm under which every spell would end as it begins.
        """
        if design.times is None or design.age is None:
            return np.zeros(len(design.matrix))
        slopes = design.times @ coefficients
        if design.age.form == "log" and (slopes <= -1.0).any():
            raise FitError(
                f"{self.cause_name(cause)!r}: the coefficient of {design.age.name} is {slopes.min():.4g}; at -1 or "
                "less no spell would last at all: write pieces(time_in_state, ...) with ages that suit"
            )
        return np.asarray(slopes)

    # --- likelihood -------------------------------------------------------------------------------------

    @cached_property
    def trace(self) -> Trace:
        """Return the events after entry, for the sweeps; those beyond a unit's presence cannot occur."""
        seen, late = self.observed, ~self.observed.early
        columns = np.stack([seen.unit, seen.variable, seen.before, seen.after, seen.transition], axis=1)
        return Trace(np.ascontiguousarray(seen.time[late]), columns[late].astype(np.int32))

    @cached_property
    def likelihood(self) -> Likelihood:
        """Return the likelihood of what happened; made on first use."""
        from tocsin.program.grouped import GroupedLikelihood, is_grouped
        from tocsin.program.likelihood import Likelihood

        if self.exposures.listed and self.spans is None:
            return self.recorded.likelihood
        if self.spans is not None:
            from tocsin.program.spans.open_times import open_likelihood

            return open_likelihood(self)
        return GroupedLikelihood(self) if is_grouped(self.history) else Likelihood(self)

    def loglik(self, params: Any) -> float:
        """Return the log-likelihood: the log hazards of the events less the integral of all hazards at risk.

        Parameters:
            params: a vector in the order of `parameter_names`, a mapping, or a Series.

        Raises:
            ModelError: the parameters do not fit the model.
            FitError: an event that no cause can explain, or a covariate missing at risk.
        """
        return self.likelihood.value(self.pack(params))

    def gradient(self, params: Any) -> NDArray[np.float64]:
        """Return the gradient of the log-likelihood (P,), in the order of `parameter_names`."""
        return self.likelihood.gradient(self.pack(params))

    def hessian(self, params: Any) -> NDArray[np.float64]:
        """Return the Hessian of the log-likelihood (P, P), in the order of `parameter_names`."""
        return self.likelihood.hessian(self.pack(params))

    def residuals(self, params: Any) -> pd.DataFrame:
        """Return the integrated hazard of every transition of every unit between its events.

        At the true parameters these are unit exponential, the last of each unit and transition censored
        (time rescaling; Brown, Barbieri, Ventura, Kass & Frank 2002).

        Returns:
            One row a spell: transition, unit, start, end, integral, observed (whether an event ended it).
        """
        from tocsin.program.hazard_course import residuals

        return residuals(self, self.pack(params))

    # --- simulation -------------------------------------------------------------------------------------

    def simulate(
        self,
        params: Any,
        worlds: int,
        seed: int,
        interventions: Sequence[Intervention | str] = (),
        progress: Callable[[int, int], None] | None = None,
        given: str = "nothing",
        clocks: str = "cause",
        draws: Any = None,
    ) -> Ensemble:
        """Simulate worlds of the program.

        What worlds are given is what they share with what happened: nothing, all until a date, or all that a
        change does not reach. "Our world with one thing changed" depends on how worlds are coupled, which no
        data can settle, so it is asked under each kind of clock; the difference of two ensembles that are
        given nothing needs none.

        Parameters:
            params: a vector in the order of `parameter_names`, a mapping, or a Series.
            worlds: how many worlds.
            seed: the seed; the same seed gives the same worlds, for any number of threads.
            interventions: changes of the program, as objects or sentences.
            progress: called with worlds done and worlds in all.
            given: ``nothing`` (from the start of the window), ``until DATE`` (what happened up to that date,
                its own events included; interventions act from then on), or ``history`` (the observed world,
                changed: without interventions every world is the observed history). Causes and sources of
                observed events are drawn, for each world, from their shares.
            clocks: under ``history``: ``cause`` (each cause of each unit has a clock, and all its sources
                drive it), ``source`` (each source has a clock of its own) or ``fresh`` (an event stays with
                the ratio of its hazards, more come at their excess, and chance is fresh after the first
                difference).
            draws: parameters drawn from their uncertainty, instead of `params` for all worlds: a frame with a
                column for each parameter, an array (draws, P), or a posterior; world k has draw k mod draws.

        Raises:
            ModelError: `given`, `clocks` or `draws` cannot be read, or a change comes before the date.
            FitError: an observed transition of a moving variable is undeclared, a covariate is missing at
                risk, a hazard overflows, or a world does not end.
        """
        from tocsin.ensemble.simulate import simulate
        from tocsin.program.condition import Condition

        condition = Condition.parse(given, clocks, self.history)
        vector = self.pack(params)
        return simulate(self, vector, worlds, seed, interventions, progress, condition=condition, draws=draws)

    # --- names in messages ------------------------------------------------------------------------------

    def cause_name(self, number: int) -> str:
        """Return 'transition | cause' of a cause."""
        return f"{self.slots[number].transition} | {self.slots[number].cause}"

    def shown_time(self, time: Any) -> Any:
        """Return times of events (numbers of the trace) as the record has them.

        Times known by month or year stand at the end of their interval in a program; the record names the
        interval by its beginning.
        """
        return time - self.history.numbers.lag

    def when(self, time: float) -> str:
        """Return a clock number as a date or a number, for messages."""
        return str(self.history.to_date(float(time))) if self.history.dated else number_text(time)

    def refuse_event(self, event: int, count: int, causes: Sequence[str]) -> NoReturn:
        """Raise FitError for an event (a position in the trace) that no cause can explain."""
        unit = self.history.numbers.units[self.trace.events[event, UNIT]]
        transition = self.model.transitions[self.trace.events[event, EXPLAINED]].name
        more = f" ({count} such events in all)" if count > 1 else ""
        raise FitError(
            f"the event of {unit!r} at {self.when(self.shown_time(self.trace.time[event]))}, {transition!r}, cannot be "
            f"explained by any cause of the model ({', '.join(causes)}): no source reached it{more}; "
            "give the transition a baseline, or leave it undeclared"
        )

    def refuse_missing(
        self, cause: int, unit: int, time: float, designs: Sequence[int] = (), what: str = ""
    ) -> NoReturn:
        """Raise FitError for a covariate that is missing while a unit is at risk (or sends).

        Parameters:
            designs, what: which designs need it, and what they are of; by default those of the cause.
        """
        from tocsin.program.design import CALENDAR, covariate_values

        numbers = self.history.numbers
        name = numbers.units[unit]
        what = what or self.cause_name(cause)
        marks = self.exposures.marks if not designs else ()
        for number in designs or (*self.opening.cause[cause, [TARGET, SOURCE]], *marks):
            if number < 0:
                continue
            for used in self.designs[number].uses:
                if used in self.joint.names or (used in CALENDAR and used not in numbers.covariates):
                    continue
                if used not in numbers.covariates:
                    value = numbers.static[used][unit]
                    if value is None or value != value:
                        raise FitError(
                            f"{what!r} needs {used!r}, which is missing for {name!r}: "
                            "give it a value in units, or leave it out of the model"
                        )
                    continue
                starts = self.designs[number].starts[
                    self.designs[number].first[unit] : self.designs[number].first[unit + 1]
                ]
                values = covariate_values(
                    self.history, used, np.full(starts.size, unit, dtype=np.int64), starts
                )
                ends = np.append(starts[1:], numbers.exit[unit])
                gaps = np.flatnonzero(np.isnan(values) & (ends >= time))
                if gaps.size:
                    first, last = starts[gaps[0]], ends[gaps[0]]
                    first = self.history._clock.began(first)
                    until = self.when(last - 1) if self.history.dated else self.when(last)
                    raise FitError(
                        f"{what!r} needs the covariate {used!r} of {name!r} from "
                        f"{self.when(first)} to {until}, where no row covers it: add a row, declare a "
                        f"value outside ([covariates.{used}] outside = ...), or leave it out of the model"
                    )
        raise FitError(f"{what!r}: a covariate of {name!r} is missing at {self.when(time)}")
