"""Fit a model to a history by maximum or penalised likelihood, and say what was found."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tocsin.errors import FitError, TocsinError
from tocsin.infer.given import Given
from tocsin.infer.maximum import Maximum, maximise
from tocsin.infer.prior import Prior, half_life_bounds
from tocsin.kernels.layout import TRANSITION
from tocsin.model.declaration import BAR

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from tocsin.history import History
    from tocsin.model import Model
    from tocsin.program import Program

    Floats = NDArray[np.float64]

Z95 = 1.959963984540054
VANISHED = 1e-6  # a cause with fewer expected events than this, of those it might explain, has run to zero


class Fit(Given):
    """A fitted model.

    Attributes:
        model: the declaration.
        params: estimates by parameter name (Series); half_life and alpha as logarithms. A contagion that ran to
            zero has minus infinity as the logarithm of its strength.
        loglik: the log-likelihood at the estimates, without the prior.
        vcov: covariance of the estimates from the observed information (DataFrame); NaN where not identified.
        transitions: events and exposure time of each transition (DataFrame).
        warnings: what a reader should know before believing the estimates.
        prior: the prior of a penalised fit, else None.
        digest: digest of the history that was fitted.
    """

    def __init__(
        self,
        model: Model,
        values: Mapping[str, float],
        loglik: float,
        vcov: Floats,
        transitions: pd.DataFrame,
        warnings: list[str],
        prior: Prior | None,
        digest: str,
    ) -> None:
        super().__init__(model, values)
        self.loglik = loglik
        self._vcov = vcov
        self.transitions = transitions
        self.warnings = warnings
        self.prior = prior
        self.digest = digest

    @property
    def params(self) -> pd.Series[float]:
        """Return the estimates by parameter name."""
        import pandas as pd

        return pd.Series(self.values, name="estimate", dtype=float)

    @property
    def vcov(self) -> pd.DataFrame:
        """Return the covariance of the estimates, by parameter names."""
        import pandas as pd

        names = list(self.values)
        return pd.DataFrame(self._vcov, index=names, columns=names)

    def summary(self, level: float = 0.95) -> pd.DataFrame:
        """Return estimates with standard errors, Wald intervals and p-values, one row a parameter.

        Half-lives and alphas are shown in natural units, with intervals computed on the logarithm.

        Parameters:
            level: coverage of the intervals, between 0 and 1.

        Raises:
            TocsinError: a level outside (0, 1).
        """
        import pandas as pd
        from scipy.stats import norm

        if not 0 < level < 1:
            raise TocsinError(f"the level of an interval lies between 0 and 1, not at {level!r}")
        z = float(norm.ppf(0.5 + level / 2))
        estimate = np.array(list(self.values.values()))
        with np.errstate(invalid="ignore"):
            se = np.sqrt(np.diag(self._vcov))
            lower, upper = estimate - z * se, estimate + z * se
            p = 2 * norm.sf(np.abs(estimate / se))
        names = list(self.values)
        natural = np.array([name.split(BAR)[2] in ("memory", "response") for name in names])
        table = pd.DataFrame(
            {
                "estimate": np.where(natural, np.exp(estimate), estimate),
                "se": np.where(natural, np.exp(estimate) * se, se),
                "lower": np.where(natural, np.exp(lower), lower),
                "upper": np.where(natural, np.exp(upper), upper),
                "exp(estimate)": np.where(natural, np.nan, np.exp(estimate)),
                "p": np.where(natural, np.nan, p),
            },
            index=pd.Index(names, name="parameter"),
        )
        return table

    def to_dict(self) -> dict[str, Any]:
        """Return the fit as plain values that JSON holds exactly; see `save`."""
        return {
            "model": self.model.to_toml(),
            "params": {name: _written(value) for name, value in self.values.items()},
            "loglik": self.loglik,
            "vcov": [[_written(value) for value in row] for row in self._vcov.tolist()],
            "transitions": self.transitions.to_dict(orient="records"),
            "warnings": self.warnings,
            "prior": None if self.prior is None else vars(self.prior),
            "history": self.digest,
        }

    def save(self, path: str | Path) -> None:
        """Write the fit as JSON, whole or not at all."""
        import os

        target = Path(path)
        temporary = target.with_name(f".{target.name}.{os.getpid()}")
        temporary.write_text(json.dumps(self.to_dict(), indent=1) + "\n", encoding="utf-8")
        temporary.replace(target)

    def __repr__(self) -> str:
        return f"<Fit of {len(self.values)} parameters, log-likelihood {self.loglik:.2f}>"

    def _repr_html_(self) -> str:
        return str(self.summary().to_html(float_format="{:.4g}".format))


def _written(value: float) -> float | str | None:
    """JSON knows neither infinity nor not-a-number."""
    if math.isnan(value):
        return None
    return value if math.isfinite(value) else str(value)


def _read(value: float | str | None) -> float:
    return math.nan if value is None else float(value)


def load_fit(path: str | Path) -> Fit:
    """Read a fit that was saved; raise TocsinError where the file is not one."""
    import pandas as pd

    from tocsin.model import Model

    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        return Fit(
            Model.from_toml(content["model"]),
            {name: _read(value) for name, value in content["params"].items()},
            float(content["loglik"]),
            np.array([[_read(value) for value in row] for row in content["vcov"]], dtype=float),
            pd.DataFrame(content["transitions"]),
            list(content["warnings"]),
            None if content["prior"] is None else Prior(**content["prior"]),
            str(content["history"]),
        )
    except OSError as error:
        raise TocsinError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise TocsinError(f"{path}: not a saved fit ({type(error).__name__}: {error})") from None


def start_values(program: Program) -> Floats:
    """Return a start: every cause of a transition explains an equal part of its events."""
    likelihood = program.likelihood
    vector = np.zeros(len(program.parameter_names))
    low, high = half_life_bounds(program)
    for slots in program.slots:
        if slots.half_life >= 0:
            vector[slots.half_life] = (low + high) / 2
    for group in likelihood.groups:
        for number in group:
            cause = likelihood.causes[number]
            event, _ = cause.events(vector, 0)
            exposure = float(cause.integral(vector, 0).value.sum())
            rate = math.log(max(event.size, 0.5) / len(group) / exposure) if exposure > 0 else -10.0
            _shift(program, number, vector, rate)
    return vector


def _shift(program: Program, number: int, vector: Floats, by: float) -> None:
    """Multiply the hazard of a cause by exp(by): through its intercept, or the mean of its categories."""
    slots = program.slots[number]
    names = [program.parameter_names[position].split(BAR)[3] for position in slots.target]
    if "1" in names:
        vector[slots.target.start + names.index("1")] += by
    else:
        matrix = program.likelihood.causes[number].matrix
        constant, *_ = np.linalg.lstsq(matrix, np.full(matrix.shape[0], by), rcond=None)
        vector[slots.target.start : slots.target.stop] += constant


def fit_model(model: Model, history: History, prior: Prior | None = None) -> Fit:
    """Fit a model to a history by maximum likelihood, or by penalised likelihood under a prior.

    Raises:
        FitError: a transition without any event, an event that no cause explains, a covariate missing at
            risk, or a likelihood that has no maximum.
    """
    program = model.compile(history)
    likelihood = program.likelihood
    _refuse_empty(program)
    lower, upper = _bounds(program)
    centre, scale = prior.centre_and_scale(program) if prior is not None else (None, None)

    def objective(vector: Floats) -> tuple[float, Floats, Floats]:
        value, gradient, hessian = likelihood.all(vector)
        if centre is not None and scale is not None:
            gap = (vector - centre) / scale
            value -= 0.5 * float(gap @ gap)
            gradient = gradient - gap / scale
            hessian = hessian - np.diag(scale**-2.0)
        return value, gradient, hessian

    found = maximise(objective, start_values(program), lower, upper)
    vector, gone = _settle(program, found, prior)
    values = dict(zip(program.parameter_names, (float(x) for x in vector), strict=True))
    vcov, warnings = _covariance(program, found, gone, lower, upper)
    fit = Fit(
        model,
        values,
        likelihood.value(vector),
        vcov,
        exposure_table(program),
        warnings,
        prior,
        history.digest,
    )
    fit._compiled = (history.digest, program)
    return fit


def _refuse_empty(program: Program) -> None:
    for number, group in enumerate(program.likelihood.groups):
        event, _ = program.likelihood.causes[group[0]].events(np.zeros(len(program.parameter_names)), 0)
        if not event.size:
            raise FitError(
                f"no event of {program.model.transitions[number].name!r} was observed, so its hazard cannot be "
                "estimated: leave the transition out, or use a wider window"
            )


def _bounds(program: Program) -> tuple[Floats, Floats]:
    size = len(program.parameter_names)
    lower, upper = np.full(size, -np.inf), np.full(size, np.inf)
    for slots in program.slots:
        if slots.half_life >= 0:
            lower[slots.half_life], upper[slots.half_life] = half_life_bounds(program)
        if slots.alpha >= 0:
            lower[slots.alpha], upper[slots.alpha] = math.log(0.02), math.log(20.0)
    return lower, upper


def _settle(program: Program, found: Maximum, prior: Prior | None) -> tuple[Floats, list[int]]:
    """Report a contagion whose strength has run to zero as zero; return the vector and the positions concerned."""
    vector, gone = found.vector.copy(), []
    if prior is not None:
        return vector, gone
    for group in program.likelihood.groups:
        for number in group:
            slots, cause = program.slots[number], program.likelihood.causes[number]
            event, _ = cause.events(vector, 0)
            expected = float(cause.integral(vector, 0).value.sum())
            names = [program.parameter_names[position] for position in slots.target]
            intercept = next(
                (p for p, name in zip(slots.target, names, strict=True) if name.endswith(" | 1")), -1
            )
            if len(group) > 1 and intercept >= 0 and expected < VANISHED * max(event.size, 1):
                vector[cause.positions] = 0.0
                if slots.half_life >= 0:
                    vector[slots.half_life] = found.vector[slots.half_life]
                vector[intercept] = -np.inf
                gone += cause.positions
    return vector, gone


def _covariance(
    program: Program, found: Maximum, gone: list[int], lower: Floats, upper: Floats
) -> tuple[Floats, list[str]]:
    """Return the inverse of the observed information, NaN where a parameter is not identified, and warnings."""
    size = found.vector.size
    names = program.parameter_names
    warnings: list[str] = []
    held = [p for p in range(size) if p not in gone and (found.vector[p] in (lower[p], upper[p]))]
    for position in held:
        warnings.append(f"{names[position]!r} lies at a bound; its interval is not known")
    for number, slots in enumerate(program.slots):
        if slots.target.start in gone:
            warnings.append(
                f"{program.cause_name(number)!r} ran to zero: the data show no trace of this cause, and its other "
                "parameters are not identified"
            )
    if not found.converged:
        warnings.append("the search did not converge; the estimates are not to be trusted")
    free = np.array([p for p in range(size) if p not in gone and p not in held], dtype=int)
    vcov = np.full((size, size), np.nan)
    information = -found.hessian[np.ix_(free, free)]
    scale = 1.0 / np.sqrt(np.maximum(np.diag(information), 1e-300))
    curvature, basis = np.linalg.eigh(information * scale[:, None] * scale[None, :])
    flat = curvature < 1e-9
    lost = np.zeros(free.size, dtype=bool)
    if flat.any():
        lost = (np.abs(basis[:, flat]) > 1e-3).any(axis=1)
        listed = ", ".join(repr(names[position]) for position in free[lost])
        warnings.append(f"the data cannot tell these parameters apart, or say nothing of them: {listed}")
    inverse = (basis[:, ~flat] / curvature[~flat]) @ basis[:, ~flat].T * scale[:, None] * scale[None, :]
    inverse[lost, :] = np.nan
    inverse[:, lost] = np.nan
    vcov[np.ix_(free, free)] = inverse
    return vcov, warnings


def exposure_table(program: Program) -> pd.DataFrame:
    """Return events and time at risk (unit-days, or units of the clock) of each transition."""
    import pandas as pd

    layout, trace = program.layout, program.trace
    rows = []
    for number, transition in enumerate(program.model.transitions):
        at_risk = layout.after[number] >= 0
        time = np.zeros(layout.state.size)
        state, since = layout.state.copy(), np.maximum(layout.presence[0], layout.window[0])
        for when, event in zip(trace.time, trace.events, strict=True):
            unit = event[0]
            if at_risk[state[unit]]:
                time[unit] += when - since[unit]
            state[unit], since[unit] = event[3], when
        time += np.where(at_risk[state], np.maximum(layout.presence[1] - since, 0.0), 0.0)
        events = int((trace.events[:, 4] == number).sum())
        rows.append((transition.name, events, float(time.sum()), int((time > 0).sum())))
    return pd.DataFrame(rows, columns=["transition", "events", "exposure", "units"])


__all__ = ["Fit", "Z95", "TRANSITION", "fit_model", "load_fit", "start_values"]
