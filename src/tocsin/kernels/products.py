"""Weighted products of the columns of a long matrix: what gradient and Hessian of an integral are made of."""

from __future__ import annotations

import numpy as np

from tocsin.kernels.jit import summing

BLOCK = 64  # rows at a time, so that all that is read stays in the nearest cache
TILE = 3  # columns taken against as many others at once: each number read serves three products


@summing
def weighted_products(columns, weight):
    """Return the weighted sums of columns, and of products of all pairs of them.

    Parameters:
        columns: column after column (k, rows); weight: of each row (rows,).

    Returns:
        sum over rows of w x_a (k,), and of w x_a x_b (k, k).
    """
    width, rows = columns.shape
    last = width - 1
    single = np.zeros(width + TILE)
    double = np.zeros(
        (width + TILE, width + TILE)
    )  # room for the tiles at the edge, which repeat the last column
    scaled = np.empty((TILE, BLOCK))
    for begin in range(0, rows, BLOCK):
        end = min(begin + BLOCK, rows)
        w, size = weight[begin:end], end - begin
        y0, y1, y2 = scaled[0, :size], scaled[1, :size], scaled[2, :size]
        for a in range(0, width, TILE):
            x0 = columns[a, begin:end]
            x1, x2 = columns[min(a + 1, last), begin:end], columns[min(a + 2, last), begin:end]
            t0 = t1 = t2 = 0.0
            for r in range(size):
                y0[r], y1[r], y2[r] = w[r] * x0[r], w[r] * x1[r], w[r] * x2[r]
                t0 += y0[r]
                t1 += y1[r]
                t2 += y2[r]
            single[a] += t0
            single[a + 1] += t1
            single[a + 2] += t2
            for b in range(0, a + TILE, TILE):
                z0 = columns[b, begin:end]
                z1, z2 = columns[min(b + 1, last), begin:end], columns[min(b + 2, last), begin:end]
                s00 = s01 = s02 = s10 = s11 = s12 = s20 = s21 = s22 = 0.0
                for r in range(size):
                    s00 += y0[r] * z0[r]
                    s01 += y0[r] * z1[r]
                    s02 += y0[r] * z2[r]
                    s10 += y1[r] * z0[r]
                    s11 += y1[r] * z1[r]
                    s12 += y1[r] * z2[r]
                    s20 += y2[r] * z0[r]
                    s21 += y2[r] * z1[r]
                    s22 += y2[r] * z2[r]
                double[a, b] += s00
                double[a, b + 1] += s01
                double[a, b + 2] += s02
                double[a + 1, b] += s10
                double[a + 1, b + 1] += s11
                double[a + 1, b + 2] += s12
                double[a + 2, b] += s20
                double[a + 2, b + 1] += s21
                double[a + 2, b + 2] += s22
    for a in range(width):
        for b in range(a):
            double[b, a] = double[a, b]
    return single[:width].copy(), double[:width, :width].copy()
