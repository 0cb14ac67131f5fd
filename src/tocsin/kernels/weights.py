"""Weights of ties: one for each tie, or one number where all weigh the same and none ever changes."""

from __future__ import annotations

from tocsin.kernels.jit import inlined
from tocsin.kernels.layout import IN_TIE
from tocsin.kernels.places import place


@inlined
def weight_of(weight, tie):
    """Return the weight of a tie by its number."""
    return weight[tie if weight.size > 1 else 0]


@inlined
def weight_inward(lay, weight, position):
    """Return the weight of a tie by its position in the order of targets."""
    return weight[place(lay.tie[IN_TIE, position])] if weight.size > 1 else weight[0]
