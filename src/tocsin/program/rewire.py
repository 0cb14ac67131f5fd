"""Ties swapped at random, so that who is tied to whom says nothing and every unit keeps its degrees."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from tocsin.history.numbers import TieArrays

ROUNDS = 20  # of swaps; each offers one to every tie


def swapped(ties: TieArrays, rng: np.random.Generator) -> TieArrays:
    """Return the ties of a layer after many rounds of swaps.

    Two ties a > b and c > d become a > d and c > b, each keeping its weight and dates with its source,
    unless a unit would be tied to itself or a pair be tied twice (Maslov & Sneppen 2002).
    """
    if len(ties.source) < 2:
        return ties
    # All rows of one pair move together, so that pairs stay distinct and rows of one pair never overlap.
    size = int(max(ties.source.max(), ties.target.max())) + 1
    pairs, row = np.unique(ties.source.astype(np.int64) * size + ties.target, return_inverse=True)
    source, target = pairs // size, pairs % size
    half = source.size // 2
    for _ in range(ROUNDS):
        order = rng.permutation(source.size)
        one, two = order[:half], order[half : 2 * half]
        first, second = source[one] * size + target[two], source[two] * size + target[one]
        fits = (source[one] != target[two]) & (source[two] != target[one])
        fits &= ~np.isin(first, source * size + target) & ~np.isin(second, source * size + target)
        both = np.concatenate([first, second])
        _, where, count = np.unique(both, return_inverse=True, return_counts=True)
        once = count[where] == 1
        fits &= once[:half] & once[half:]
        target[one[fits]], target[two[fits]] = target[two[fits]], target[one[fits]]
    return replace(ties, target=target[row].astype(ties.target.dtype))
