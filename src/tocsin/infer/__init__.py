"""What the data say of a program: estimates, attribution, checks."""

from tocsin.infer.attribution import Attribution
from tocsin.infer.fit import Fit, fit_model, load_fit
from tocsin.infer.forecasts import Backtest, Forecast, backtest, forecast
from tocsin.infer.forward import choose_prior, forward_validation
from tocsin.infer.given import Given
from tocsin.infer.posterior import Posterior
from tocsin.infer.prior import Prior, weak_prior

__all__ = [
    "Attribution",
    "Backtest",
    "Fit",
    "Forecast",
    "Given",
    "Posterior",
    "Prior",
    "backtest",
    "choose_prior",
    "fit_model",
    "forecast",
    "forward_validation",
    "load_fit",
    "weak_prior",
]
