"""One pass over a Hawkes process whose half-lives are estimated: log hazards, integrals and their derivatives.

Where nothing but memory changes, an entry adds a known amount to the integrals at once, and the log hazards of
the events of units with the same terms share their factors. So derivatives by strengths and half-lives are sums
over each such group of units, and no event is kept.

A *slot* is one cause as one unit feels it. With kappa = ln 2 / h, the exposure E of a slot has the derivatives

d log E / d log h = kappa M1 / M0 = g,    d2 log E / d(log h)2 = kappa^2 (M2 / M0 - (M1 / M0)^2) - g,

M0, M1, M2 the sums of w exp(-kappa age), w age exp(-kappa age), w age^2 exp(-kappa age).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.compiled import entry, inner
from tocsin.kernels.exposure_sweep import integrals

FADED = 40.0  # powers of e after which nothing is left


class DecayCourse(NamedTuple):
    """What happened, and who feels it; E events, N units, S slots, G groups, A slots of groups."""

    time: NDArray[np.float64]  # (E,)
    unit: NDArray[np.int64]  # (E,) unit of an event that is explained, -1 for others
    sender: NDArray[np.int64]  # (E,) what the event sends by
    slot: NDArray[np.int64]  # (N + 1,) first slot of each unit
    group: NDArray[np.int64]  # (N,) group of each unit
    of_group: NDArray[np.int64]  # (G + 1,) first slot of each group
    shared: NDArray[np.int64]  # (S,) slot of the group that each slot of a unit is
    sent: NDArray[np.int64]  # (senders + 1,) first tie of each sender
    feels: NDArray[np.int64]  # (ties,) slot that a tie leads to
    weight: NDArray[np.float64]  # (ties,)
    end: float


@inner
def grow_older(memory, s, decay, span):
    """Let the moments of a slot grow older."""
    if span > 0.0:
        e = math.exp(-decay * span)
        memory[s, 2] = e * (memory[s, 2] + span * (2.0 * memory[s, 1] + span * memory[s, 0]))
        memory[s, 1] = e * (memory[s, 1] + span * memory[s, 0])
        memory[s, 0] *= e


@entry
def hawkes_sums(course, factor, decay, order):
    """Sum up log hazards, shares and integrals.

    Parameters:
        course: the DecayCourse of a transition.
        factor: what multiplies the exposure of each slot of a group (A,).
        decay: ln 2 / half-life of each (A,), 0 for a cause at home.
        order: 0 for values, 1 with gradients, 2 with Hessians.

    Returns:
        The sum of log hazards; of shares s, of s g, and of s (g^2 + g') by slot of a group (A, 3); of the products of
        (s, s g) by group, one matrix after the other; and the integrals of the moments by slot (A, 3), those of home
        left out.
    """
    slots, groups = course.shared.size, course.of_group.size - 1
    memory, since = np.zeros((slots, 3)), np.zeros(slots)
    for s in range(slots):
        memory[s, 0] = 1.0 if decay[course.shared[s]] == 0.0 else 0.0
    begin = np.zeros(groups + 1, dtype=np.int64)
    most = 0
    for g in range(groups):
        size = course.of_group[g + 1] - course.of_group[g]
        begin[g + 1] = begin[g] + 4 * size * size
        most = max(most, size)
    value = 0.0
    single, integral = np.zeros((factor.size, 3)), np.zeros((factor.size, 3))
    double = np.zeros(begin[groups] if order > 1 else 0)
    share = np.empty(2 * most)
    x = 0
    while x < course.time.size:
        time, last = course.time[x], x
        while last < course.time.size and course.time[last] == time:
            last += 1
        for y in range(x, last):  # events at one instant do not see each other
            i = course.unit[y]
            if i < 0:
                continue
            first, size = course.slot[i], course.slot[i + 1] - course.slot[i]
            hazard = 0.0
            for a in range(size):
                s = first + a
                k = course.shared[s]
                if decay[k] > 0.0 and memory[s, 0] > 0.0:
                    grow_older(memory, s, decay[k], time - since[s])
                    since[s] = time
                share[a] = factor[k] * memory[s, 0]
                hazard += share[a]
            value += math.log(hazard) if hazard > 0.0 else -math.inf
            if order == 0:
                continue
            by = 1.0 / hazard if hazard > 0.0 else math.nan
            for a in range(size):
                s = first + a
                k = course.shared[s]
                share[a] *= by
                share[size + a] = 0.0
                single[k, 0] += share[a]
                if decay[k] > 0.0 and memory[s, 0] > 0.0:
                    age = memory[s, 1] / memory[s, 0]
                    slope = decay[k] * age
                    share[size + a] = share[a] * slope
                    single[k, 1] += share[size + a]
                    if order > 1:
                        single[k, 2] += share[a] * (decay[k] * decay[k] * memory[s, 2] / memory[s, 0] - slope)
            if order > 1:
                at = begin[course.group[i]]
                for a in range(2 * size):
                    own = share[a]
                    if own == 0.0:
                        continue
                    row = at + a * 2 * size
                    for b in range(a + 1):
                        double[row + b] += own * share[b]
        for y in range(x, last):
            j = course.sender[y]
            for tie in range(course.sent[j], course.sent[j + 1]):
                s, w = course.feels[tie], course.weight[tie]
                k = course.shared[s]
                if memory[s, 0] > 0.0:
                    grow_older(memory, s, decay[k], time - since[s])
                since[s] = time
                memory[s, 0] += w
                if decay[k] * (course.end - time) > FADED:
                    j0 = 1.0 / decay[k]
                    j1, j2 = j0 * j0, 2.0 * j0 * j0 * j0
                else:
                    j0, j1, j2 = integrals(decay[k], course.end - time)
                integral[k, 0] += w * j0
                if order > 0:
                    integral[k, 1] += w * j1
                    integral[k, 2] += w * j2
        x = last
    return value, single, double, integral
