"""Fits on disk: JSON that holds every number exactly."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tocsin.ensemble.parameter_draws import Draws
from tocsin.errors import TocsinError
from tocsin.files.format import FORMAT, format_fault
from tocsin.files.reading import read_text
from tocsin.files.results import check_file
from tocsin.files.whole import write_whole
from tocsin.fit.draws_kept import kept_draws
from tocsin.fit.maximum.constraint import Prior
from tocsin.model.learned import Learned

if TYPE_CHECKING:
    from tocsin.fit.estimates import Fit
    from tocsin.history.history import History

FIT = 2**30  # bytes of a fit with its draws


def _written(value: float) -> float | str | None:
    """JSON knows neither infinity nor not-a-number."""
    if math.isnan(value):
        return None
    return value if math.isfinite(value) else str(value)


def _read(value: float | str | None) -> float:
    return math.nan if value is None else float(value)


def to_dict(fit: Fit) -> dict[str, Any]:
    """Return a fit as plain values that JSON holds exactly; see `save`."""
    fit._complete()
    if fit.program_of_fit is not None:  # a fit read without its history draws as this one does
        kept_draws(fit)
    return {
        "format": FORMAT,
        "model": fit.model.to_toml(),
        "learned": fit.learned.to_dict() if fit.learned is not None else {},
        "params": {name: _written(value) for name, value in fit.values.items()},
        "status": dict(fit._status),
        "loglik": fit.loglik,
        "loglik error": fit.loglik_error,
        "times": None if fit.over_draws is None else fit.over_draws.content(),
        "objective": fit.objective,
        "df": fit.df,
        "score": [_written(value) for value in np.asarray(fit._score).tolist()],
        "vcov": [[_written(value) for value in row] for row in fit._vcov.tolist()],
        "scaled": {
            "terms": {name: list(numbers) for name, numbers in fit.scaled.scaling.numbers.items()},
            "params": [_written(value) for value in fit.scaled.vector.tolist()],
            "vcov": fit.scaled.vcov.tolist(),
        },
        "profile intervals": [
            [name, level, _written(lower), _written(upper)]
            for (name, level), (lower, upper) in fit._bounds.items()
        ],
        "tests": {
            name: [_written(answer.statistic), _written(answer.p), answer.word]
            for name, answer in fit.__dict__.get("_tests", {}).items()
        },
        "transitions": fit.transitions.to_dict(orient="records"),
        "causes": fit.causes.to_dict(orient="records"),
        "warnings": fit.warnings,
        "prior": None if fit.prior is None else vars(fit.prior),
        "fixed": {name: _written(value) for name, value in fit.fixed.items()},
        "tied": [list(group) for group in fit.tied],
        "history": fit.digest,
        "draws": {str(count): draws.content() for count, draws in sorted(fit.drawn.items())},
    }


def save(fit: Fit, path: str | Path) -> None:
    """Write a fit as JSON, whole or not at all."""
    write_whole(Path(path), json.dumps(to_dict(fit), indent=1) + "\n")


def load_fit(path: str | Path, history: History | None = None) -> Fit:
    """Read a fit that was saved.

    Parameters:
        path: the file.
        history: the history that was fitted, for profiles, comparisons, robust standard errors and checks;
            the estimates are not computed again.

    Raises:
        TocsinError: the file is not a saved fit, or not the one of the run that it stands in, or the history is
            another one.

    Example:
        >>> import tocsin as tc
        >>> history = tc.load_history("1917")
        >>> fit = tc.Model.from_toml(history.model_path).fit(history)
        >>> fit.save("fit.json")
        >>> tc.load_fit("fit.json").nobs == fit.nobs
        True
    """
    import pandas as pd

    from tocsin.fit.compare import StrengthTest
    from tocsin.fit.estimates import Estimated, Fit
    from tocsin.model.toml import read_model
    from tocsin.program.scaling import Scaling

    try:
        check_file(Path(path))
        content = json.loads(read_text(path, FIT))
        fault = format_fault(content) if isinstance(content, dict) and "params" in content else None
        if fault is not None:
            raise TocsinError(f"{path}: this fit cannot be read: {fault}")
        fit = Fit(
            read_model(str(content["model"]), str(path)),
            {name: _read(value) for name, value in content["params"].items()},
            loglik=float(content["loglik"]),
            loglik_error=float(content["loglik error"]),
            objective=float(content["objective"]),
            vcov=np.array([[_read(value) for value in row] for row in content["vcov"]], dtype=float),
            score=np.array([_read(value) for value in content["score"]], dtype=float),
            status=dict(content["status"]),
            free=int(content["df"]),
            transitions=pd.DataFrame(content["transitions"]),
            causes=pd.DataFrame(content["causes"]),
            warnings=list(content["warnings"]),
            prior=None if content["prior"] is None else Prior(**content["prior"]),
            fixed={name: _read(value) for name, value in content["fixed"].items()},
            tied=[tuple(group) for group in content["tied"]],
            digest=str(content["history"]),
            learned=Learned.from_dict(content["learned"]),
            scaled=Estimated(
                Scaling({name: (float(a), float(b)) for name, (a, b) in content["scaled"]["terms"].items()}),
                np.array([_read(value) for value in content["scaled"]["params"]], dtype=float),
                np.array(content["scaled"]["vcov"], dtype=float).reshape(2 * (len(content["params"]),)),
            ),
        )
        for name, level, lower, upper in content["profile intervals"]:
            fit._bounds[name, level] = (_read(lower), _read(upper))
        if content["tests"]:
            fit.__dict__["_tests"] = {
                name: StrengthTest(_read(statistic), _read(p), str(word))
                for name, (statistic, p, word) in content["tests"].items()
            }
        for count, kept in content.get("draws", {}).items():
            draws = Draws.read(kept)
            if draws is not None:
                fit.drawn[int(count)] = draws
        # Tables that do not go together are seen here, and not where they are first used.
        _ = fit.vcov, fit.score, fit.status
        if content["tests"]:
            fit.summary()
    except TocsinError as error:
        raise TocsinError(f"{path}: {error}") from None
    except OSError as error:
        raise TocsinError(f"{path}: cannot be read: {error.strerror}") from None
    except (
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        LookupError,
        ArithmeticError,
        RecursionError,
    ) as error:
        raise TocsinError(f"{path}: not a saved fit ({type(error).__name__}: {error})") from None
    if history is not None:
        _attach(fit, history, str(path), content["times"])
    return fit


def _attach(fit: Fit, history: History, path: str, times: Any) -> None:
    """Give a loaded fit its history back."""
    from tocsin.fit.fit import prepared
    from tocsin.fit.maximum.imputation import over_draws
    from tocsin.fit.maximum.search import Found

    if history.digest != fit.digest:
        raise TocsinError(
            f"{path}: the fit was made of another history ({fit.digest[:12]}..., not "
            f"{history.digest[:12]}...)"
        )
    program = fit.program(history).on_scale(fit.scaled.scaling)
    likelihood = over_draws(program)
    if likelihood is not None:
        try:
            likelihood.restore(times)
        except (ValueError, KeyError, TypeError) as error:
            raise TocsinError(f"{path}: not a saved fit ({error})") from None
    fit.keep(program.on_scale(None))
    task, _ = prepared(program, fit.prior, fit.fixed, fit.tied)
    vector = fit.scaled.vector
    gone = tuple(
        number
        for number, cause in enumerate(program.likelihood.causes)
        if any(np.isneginf(vector[p]) and task.asked.group[p] >= 0 for p in cause.positions)
    )
    last = task.without(gone, vector)
    value, gradient, hessian = last.penalised(vector)
    fit._search = (
        task,
        Found(vector, value, fit.loglik, gradient, hessian, last.constraint, gone, True, 0),
    )


def fit_content(fit: Any) -> dict[str, Any]:
    """Return a fit as plain content: what `load_fit` reads, and the summary as `estimates`."""
    from tocsin.fit.summary import records

    return {"estimates": records(fit.summary()), **fit.to_dict()}
