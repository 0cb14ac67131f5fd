"""The shares of causes in events, summed over events that see the same terms, and a step from them."""

from __future__ import annotations

import math

import numpy as np

from tocsin.kernels.jit import entry


@entry
def sum_shares(exposure, first, chosen, factor, order):
    """Sum up log hazards and shares, group by group.

    With the hazard lambda = sum over causes of f_c E_c and the shares s_c = f_c E_c / lambda of an event:

    Parameters:
        exposure: of the events, group by group (E, C).
        first: first event of each group (G + 1,); chosen: the groups to look at, zeros for the others.
        factor: f, what multiplies the exposure in each group (G, C).
        order: 0 for log hazards, 1 with sums of s, 2 with sums of s s' too.

    Returns:
        Sum of log lambda by group (G,), sums of s (G, C) and of s s' (G, C, C).
    """
    groups, causes = factor.shape
    value = np.zeros(groups)
    single = np.zeros((groups if order > 0 else 0, causes))
    double = np.zeros((groups if order > 1 else 0, causes, causes))
    share = np.empty(causes)
    for g in chosen:
        total = 0.0
        for e in range(first[g], first[g + 1]):
            hazard = 0.0
            for c in range(causes):
                share[c] = factor[g, c] * exposure[e, c]
                hazard += share[c]
            total += math.log(hazard) if hazard > 0.0 else -math.inf
            if order > 0:
                by = 1.0 / hazard if hazard > 0.0 else math.nan
                for c in range(causes):
                    share[c] *= by
                    single[g, c] += share[c]
            if order > 1:
                for a in range(causes):
                    own = share[a]
                    for b in range(a + 1):
                        double[g, a, b] += own * share[b]
        value[g] = total
        if order > 1:
            for a in range(causes):
                for b in range(a):
                    double[g, b, a] = double[g, a, b]
    return value, single, double


@entry
def bounded_step(slope, curve, place, least, sweeps):
    """Return the step to the summit of slope . d - d' curve d / 2 among steps that keep place + d >= least.

    Found by going up one coordinate after the other, at most `sweeps` times over all.
    """
    size = slope.size
    step, left = np.zeros(size), slope.copy()  # left: the slope at the step
    for _ in range(sweeps):
        most = 0.0
        for a in range(size):
            if curve[a, a] <= 0.0:
                continue
            to = max(step[a] + left[a] / curve[a, a], least - place[a])
            by = to - step[a]
            if by != 0.0:
                step[a] = to
                most = max(most, abs(by) * math.sqrt(curve[a, a]))
                for b in range(size):
                    left[b] -= by * curve[a, b]
        if most < 1e-13:
            break
    return step
