"""Where the columns of a matrix lie and how far they spread, each row with a weight."""

from __future__ import annotations

import math

import numpy as np

from tocsin.kernels.compiled import entry


@entry
def spread(columns, weight):
    """Return mean, spread and distance from zero of each column over the rows with a weight.

    Parameters:
        columns: column after column (k, rows); weight: of each row (rows,), none below zero.

    Returns:
        One row a column (k, 3): the mean; the standard deviation, or the distance of its values where there are
        but two, or 0 where there is one; and the largest size of a value.
    """
    result = np.zeros((columns.shape[0], 3))
    for a in range(columns.shape[0]):
        x = columns[a]
        # Distances from one of the values are exact where all lie far from zero and near each other.
        origin, other, count, found = 0.0, 0.0, 0, 0.0
        total, single, double = 0.0, 0.0, 0.0
        for r in range(x.size):
            w = weight[r]
            if w <= 0.0:
                continue
            if count == 0:
                origin, count = x[r], 1
            d = x[r] - origin
            if d != 0.0:
                if count == 1:
                    other, count = d, 2
                elif d != other:
                    count = 3
                single += w * d
                double += w * d * d
            total += w
            found = max(found, abs(x[r]))
        if total > 0.0:
            middle = single / total
            result[a, 0] = origin + middle
            if count == 2:
                result[a, 1] = abs(other)
            elif count == 3:
                result[a, 1] = math.sqrt(max(double / total - middle * middle, 0.0))
        result[a, 2] = found
    return result
