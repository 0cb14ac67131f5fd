"""What the data say of a program: estimates, attribution, checks."""

from tocsin.infer.attribution import Attribution
from tocsin.infer.fit import Fit, fit_model, load_fit
from tocsin.infer.given import Given
from tocsin.infer.prior import Prior, weak_prior

__all__ = ["Attribution", "Fit", "Given", "Prior", "fit_model", "load_fit", "weak_prior"]
