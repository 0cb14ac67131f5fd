"""The declaration of a model. A model knows no history."""

from tocsin.model.declaration import (
    Baseline,
    Cause,
    Contagion,
    Model,
    Transition,
    baseline,
    contagion,
)

__all__ = ["Baseline", "Cause", "Contagion", "Model", "Transition", "baseline", "contagion"]
