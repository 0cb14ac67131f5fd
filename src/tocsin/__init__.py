"""Tocsin: a laboratory for how revolutions spread between countries.

Record a wave with its sources, fit what drove it, replay it, change one thing, and see what would have
happened. The public names are listed in `__all__`; each is imported where it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tocsin.ensemble import Ensemble
    from tocsin.ensemble.ledger import Clause, Fact, Figure, Ledger, Stock, Treaty
    from tocsin.ensemble.ledger_toml import load_ledger
    from tocsin.ensemble.outcome import Outcome
    from tocsin.ensemble.paired import Paired
    from tocsin.errors import FitError, HistoryError, ModelError, SentenceError, TocsinError
    from tocsin.history import History, load_history
    from tocsin.infer import (
        Attribution,
        Backtest,
        Fit,
        Forecast,
        Posterior,
        Prior,
        backtest,
        choose_prior,
        forecast,
        forward_validation,
        load_fit,
        weak_prior,
    )
    from tocsin.infer.allocation import Allocation
    from tocsin.infer.calibration import calibration
    from tocsin.infer.support import Prevention, Support
    from tocsin.infer.what_if import WhatIf
    from tocsin.model import Model, Transition, baseline, contagion
    from tocsin.program import Program
    from tocsin.program.interventions import (
        add_tie,
        change_parameter,
        delay,
        force,
        lift,
        prevent,
        remove_cause,
        remove_layer,
        remove_tie,
        remove_unit,
        rewire_layer,
        scale,
        scale_cause,
        scale_layer,
        scale_tie,
        set_covariate,
        shift,
    )
    from tocsin.words import StateVariable

_WHERE = {
    "Allocation": "tocsin.infer.allocation",
    "Attribution": "tocsin.infer",
    "Backtest": "tocsin.infer",
    "Clause": "tocsin.ensemble.ledger",
    "Ensemble": "tocsin.ensemble",
    "Fact": "tocsin.ensemble.ledger",
    "Figure": "tocsin.ensemble.ledger",
    "Fit": "tocsin.infer",
    "FitError": "tocsin.errors",
    "Forecast": "tocsin.infer",
    "History": "tocsin.history",
    "HistoryError": "tocsin.errors",
    "Ledger": "tocsin.ensemble.ledger",
    "Model": "tocsin.model",
    "ModelError": "tocsin.errors",
    "Outcome": "tocsin.ensemble.outcome",
    "Paired": "tocsin.ensemble.paired",
    "Posterior": "tocsin.infer",
    "Prevention": "tocsin.infer.support",
    "Prior": "tocsin.infer",
    "Program": "tocsin.program",
    "SentenceError": "tocsin.errors",
    "StateVariable": "tocsin.words",
    "Stock": "tocsin.ensemble.ledger",
    "Support": "tocsin.infer.support",
    "TocsinError": "tocsin.errors",
    "Transition": "tocsin.model",
    "Treaty": "tocsin.ensemble.ledger",
    "WhatIf": "tocsin.infer.what_if",
    "add_tie": "tocsin.program.interventions",
    "backtest": "tocsin.infer",
    "baseline": "tocsin.model",
    "calibration": "tocsin.infer.calibration",
    "change_parameter": "tocsin.program.interventions",
    "choose_prior": "tocsin.infer",
    "contagion": "tocsin.model",
    "delay": "tocsin.program.interventions",
    "force": "tocsin.program.interventions",
    "forecast": "tocsin.infer",
    "forward_validation": "tocsin.infer",
    "lift": "tocsin.program.interventions",
    "load_fit": "tocsin.infer",
    "load_history": "tocsin.history",
    "load_ledger": "tocsin.ensemble.ledger_toml",
    "prevent": "tocsin.program.interventions",
    "remove_cause": "tocsin.program.interventions",
    "remove_layer": "tocsin.program.interventions",
    "remove_tie": "tocsin.program.interventions",
    "remove_unit": "tocsin.program.interventions",
    "rewire_layer": "tocsin.program.interventions",
    "scale": "tocsin.program.interventions",
    "scale_cause": "tocsin.program.interventions",
    "scale_layer": "tocsin.program.interventions",
    "scale_tie": "tocsin.program.interventions",
    "set_covariate": "tocsin.program.interventions",
    "shift": "tocsin.program.interventions",
    "weak_prior": "tocsin.infer",
}

__version__ = "0.1.0"
__all__ = [
    "Allocation",
    "Attribution",
    "Backtest",
    "Clause",
    "Ensemble",
    "Fact",
    "Figure",
    "Fit",
    "FitError",
    "Forecast",
    "History",
    "HistoryError",
    "Ledger",
    "Model",
    "ModelError",
    "Outcome",
    "Paired",
    "Posterior",
    "Prevention",
    "Prior",
    "Program",
    "SentenceError",
    "StateVariable",
    "Stock",
    "Support",
    "TocsinError",
    "Transition",
    "Treaty",
    "WhatIf",
    "__version__",
    "add_tie",
    "backtest",
    "baseline",
    "calibration",
    "change_parameter",
    "choose_prior",
    "contagion",
    "delay",
    "force",
    "forecast",
    "forward_validation",
    "lift",
    "load_fit",
    "load_history",
    "load_ledger",
    "prevent",
    "remove_cause",
    "remove_layer",
    "remove_tie",
    "remove_unit",
    "rewire_layer",
    "scale",
    "scale_cause",
    "scale_layer",
    "scale_tie",
    "set_covariate",
    "shift",
    "weak_prior",
]


def __getattr__(name: str) -> object:
    if name in _WHERE:
        return getattr(import_module(_WHERE[name]), name)
    raise AttributeError(f"module 'tocsin' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
