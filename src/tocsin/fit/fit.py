"""Fit a model to a history by maximum or penalised likelihood."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tocsin.fit import diagnostics
from tocsin.fit.covariance import identify
from tocsin.fit.estimates import Estimated, Fit
from tocsin.fit.maximum import imputation
from tocsin.fit.maximum.constraint import Constraint, Prior
from tocsin.fit.maximum.search import Task, scale
from tocsin.fit.misplaced_terms import of_left_out
from tocsin.fit.time_at_risk import exposure_table, of_unobserved

if TYPE_CHECKING:
    import pandas as pd

    from tocsin.fit.maximum.search import Found
    from tocsin.history.history import History
    from tocsin.model.model import Model
    from tocsin.program.program import Program

    Floats = np.typing.NDArray[np.float64]


def fit_model(
    model: Model,
    history: History,
    prior: Prior | None = None,
    fixed: Mapping[str, float] | None = None,
    tied: Iterable[Sequence[str]] | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Fit:
    """Fit a model to a history by maximum likelihood, or by penalised likelihood under a prior.

    Newton's method with exact gradient and Hessian, from starts that EM by causes has improved, until the
    gradient of what is free is below 1e-9; a contagion whose strength runs to zero is reported as zero.

    Parameters:
        prior: a prior makes the fit a penalised one.
        fixed: values of parameters that are not estimated, on the scale of `fit.params`; a coefficient of
            1 makes its term an offset.
        tied: groups of parameters that take one value.
        progress: called with what is being done, steps done and steps in all, where times of events are drawn.

    Raises:
        ModelError: `fixed` or `tied` name a parameter that the model does not have.
        FitError: a transition without any event (without a prior), an event that no cause explains, or a
            covariate missing at risk.
    """
    return fit_program(model.compile(history), prior, fixed, tied, progress)


def fit_program(
    program: Program,
    prior: Prior | None = None,
    fixed: Mapping[str, float] | None = None,
    tied: Iterable[Sequence[str]] | None = None,
    progress: Callable[[str, int, int], None] | None = None,
    near: Mapping[str, float] | None = None,
) -> Fit:
    """Fit a compiled model, from estimates of another day if they are given as `near`; see `fit_model`."""
    diagnostics.refuse_pooled(program)
    if prior is None:
        diagnostics.refuse_empty(program)
    ties = [tuple(group) for group in tied or ()]
    task, twins = prepared(program, prior, fixed, ties)
    found = imputation.solve(task, progress, near)
    identified = identify(task, found)
    warnings = [
        *program.history.warnings,
        *of_unobserved(program),
        *diagnostics.thin(program, task.asked),
        *imputation.warnings_of(task, found, identified.scaled),
        *twins.values(),
        *diagnostics.of_further_events(program),
        *diagnostics.of_ages(program),
        *diagnostics.of_causes(task, found),
        *diagnostics.of_information(task, found, identified),
        *of_left_out(task, found),
    ]
    return Fit(
        program.model,
        dict(zip(program.parameter_names, (float(x) for x in task.user(found.vector)), strict=True)),
        loglik=found.loglik,
        loglik_error=error_of(task.program, found.vector),
        objective=found.value,
        vcov=identified.vcov,
        score=task.program.scaled.gradient(found.gradient, found.vector),
        status=_status(task, found, twins, identified.lost, identified.bound),
        free=found.constraint.size,
        transitions=exposure_table(program),
        causes=cause_table(task.program, found),
        warnings=warnings,
        prior=prior,
        fixed=dict(fixed or {}),
        tied=ties,
        digest=program.history.digest,
        learned=program.learned,
        scaled=Estimated(task.program.scaled.scaling, found.vector, identified.scaled),
        # With drawn times the likelihood is kept with its draws, on the user's scale as well.
        program=program if program.spans is None else task.program.on_scale(None),
        search=(task, found),
    )


def error_of(program: Program, vector: Floats) -> float:
    """Return the Monte-Carlo standard error of the log-likelihood: 0 unless it is a mean over drawn times."""
    likelihood = imputation.over_draws(program)
    return 0.0 if likelihood is None else likelihood.error(vector)


def prepared(
    program: Program,
    prior: Prior | None,
    fixed: Mapping[str, float] | None,
    tied: Iterable[Sequence[str]] | None,
) -> tuple[Task, dict[int, str]]:
    """Return the task of a fit, and the parameters put at zero because others say the same, with the
    reason."""
    constraint = Constraint.make(program.parameter_names, fixed, tied)
    scaled = scale(program, constraint, roughly=prior is None)
    twins: dict[int, str] = {}
    if prior is None:
        twins = diagnostics.aliased(scaled, constraint)
        constraint = constraint.hold(list(twins), [0.0] * len(twins))
    return Task.make(scaled, constraint, prior), twins


def _status(
    task: Task, found: Found, twins: Collection[int], lost: Collection[int], bound: Collection[int]
) -> dict[str, str]:
    names, group = task.program.parameter_names, task.asked.group
    count = np.bincount(group[group >= 0], minlength=task.asked.size)
    twins, lost, bound = set(twins), set(lost), set(bound)
    status = {}
    for position, name in enumerate(names):
        if position in twins or position in lost:
            word = "not identified"
        elif np.isneginf(found.vector[position]):
            word = "zero"
        elif group[position] < 0:
            word = "fixed"
        elif found.constraint.group[position] == -1 and task.constraint.group[position] != -1:
            word = "not identified"
        elif position in bound:
            word = "at a bound"
        elif count[group[position]] > 1:
            word = "tied"
        else:
            word = "free"
        status[name] = word
    return status


def cause_table(program: Program, found: Found) -> pd.DataFrame:
    """Return for each cause the events given to it by their shares, and its integrated hazard."""
    import pandas as pd

    rows: dict[tuple[str, str], list[float]] = {}  # levels of one cause together
    for group in program.likelihood.groups:
        given, events = program.likelihood.given_to(group, found.vector)
        for number, mine in zip(group, given, strict=True):
            expected = program.likelihood.expected(number, found.vector)
            slots = program.slots[number]
            known = rows.setdefault((slots.transition, slots.plain), [0.0, 0.0, 0.0])
            for k, value in enumerate((float(mine), float(mine) / max(events, 1), expected)):
                known[k] += value
    return pd.DataFrame(
        [(*key, *row) for key, row in rows.items()],
        columns=["transition", "cause", "events", "share", "expected"],
    )
