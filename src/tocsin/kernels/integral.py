"""The integral of a log-linear hazard over the rows of a long matrix, with gradient and Hessian, in one reading.

Rows are taken in blocks that stay in the nearest cache, column by column, so that the compiler works on several rows at
once. Exponentials are worked out here for the same reason: exp(x) = 2^q exp(r) with q whole and |r| <= ln(2) / 2, where
the series of exp(r) needs fourteen terms (Muller 2016, ch. 11).
"""

from __future__ import annotations

import math

import numpy as np

from tocsin.kernels.compiled import summing

BLOCK = 64  # rows

TILE = 3  # columns taken against as many others at once: each number read serves three products

LOG2E = 1.4426950408889634

LN2 = 0.6931471805599453

LEAST, MOST = -708.0, 710.0  # beyond, exp(x) is next to nothing, or endless

EXPONENT, BIAS = 52, 1023  # where a double has its exponent, and what is added to it

E2, E3, E4, E5, E6, E7, E8, E9, E10, E11, E12, E13 = (1.0 / math.factorial(n) for n in range(2, 14))


@summing
def integrate(columns, coefficients, exposure, order):
    """Return the integral of a hazard with its derivatives.

    Parameters:
        columns: terms x_a, column after column (k, rows); coefficients: beta (k,), finite.
        exposure: e of each row (rows,); one that is zero counts for nothing, also where the hazard is endless.
        order: 0 for the value alone, 2 with gradient and Hessian.

    Returns:
        With w = e exp(beta . x), the sums over rows of w, of w x_a (k,) and of w x_a x_b (k, k).
    """
    width, rows = columns.shape
    last, value = width - 1, 0.0
    single = np.zeros(width + TILE)
    double = np.zeros(
        (width + TILE, width + TILE)
    )  # room for the tiles at the edge, which repeat the last column
    scaled, weights, powers = np.empty((TILE, BLOCK)), np.empty(BLOCK), np.empty(BLOCK)
    exponents = powers.view(np.int64)
    for begin in range(0, rows, BLOCK):
        end = min(begin + BLOCK, rows)
        size = end - begin
        w, power, exponent, e = weights[:size], powers[:size], exponents[:size], exposure[begin:end]
        for r in range(size):
            w[r] = 0.0
        for a in range(0, width, TILE):
            x0 = columns[a, begin:end]
            x1, x2 = columns[min(a + 1, last), begin:end], columns[min(a + 2, last), begin:end]
            c0 = coefficients[a]
            c1 = coefficients[a + 1] if a + 1 < width else 0.0
            c2 = coefficients[a + 2] if a + 2 < width else 0.0
            for r in range(size):
                w[r] += c0 * x0[r] + c1 * x1[r] + c2 * x2[r]
        for r in range(size):
            x = min(max(w[r], LEAST), MOST)
            q = math.floor(x * LOG2E + 0.5)
            exponent[r] = (np.int64(q) + BIAS) << EXPONENT
            w[r] = x - q * LN2  # as exact as x itself, which is rounded too
        total = 0.0
        for r in range(size):
            x = w[r]
            y = E8 + x * (E9 + x * (E10 + x * (E11 + x * (E12 + x * E13))))
            y = 1.0 + x * (1.0 + x * (E2 + x * (E3 + x * (E4 + x * (E5 + x * (E6 + x * (E7 + x * y)))))))
            w[r] = y * power[r] * e[r] if e[r] > 0.0 else 0.0
            total += w[r]
        value += total
        if order == 0:
            continue
        y0, y1, y2 = scaled[0, :size], scaled[1, :size], scaled[2, :size]
        for a in range(0, width, TILE):
            x0 = columns[a, begin:end]
            x1, x2 = columns[min(a + 1, last), begin:end], columns[min(a + 2, last), begin:end]
            t0 = t1 = t2 = s00 = s10 = s11 = s20 = s21 = s22 = 0.0
            for r in range(size):
                y0[r], y1[r], y2[r] = w[r] * x0[r], w[r] * x1[r], w[r] * x2[r]
                t0 += y0[r]
                t1 += y1[r]
                t2 += y2[r]
                s00 += y0[r] * x0[r]
                s10 += y1[r] * x0[r]
                s11 += y1[r] * x1[r]
                s20 += y2[r] * x0[r]
                s21 += y2[r] * x1[r]
                s22 += y2[r] * x2[r]
            single[a] += t0
            single[a + 1] += t1
            single[a + 2] += t2
            double[a, a] += s00
            double[a + 1, a] += s10
            double[a + 1, a + 1] += s11
            double[a + 2, a] += s20
            double[a + 2, a + 1] += s21
            double[a + 2, a + 2] += s22
            for b in range(0, a, TILE):
                z0, z1, z2 = columns[b, begin:end], columns[b + 1, begin:end], columns[b + 2, begin:end]
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
    return value, single[:width].copy(), double[:width, :width].copy()


@summing
def largest(columns, coefficients):
    """Return the largest |beta . x| of all rows; see `integrate`. BLAS would call on threads for so little."""
    width, rows = columns.shape
    sums, found = np.empty(BLOCK), 0.0
    for begin in range(0, rows, BLOCK):
        end = min(begin + BLOCK, rows)
        size = end - begin
        s = sums[:size]
        for r in range(size):
            s[r] = 0.0
        for a in range(width):
            x, c = columns[a, begin:end], coefficients[a]
            for r in range(size):
                s[r] += c * x[r]
        for r in range(size):
            found = max(found, abs(s[r]))
    return found
