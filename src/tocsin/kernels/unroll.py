"""A scale on which a strength is about equally well known everywhere, for the sampler."""

from __future__ import annotations

import math

import numpy as np

from tocsin.kernels.jit import entry

STEPS = 60


@entry
def unroll(place, log_reach, floor):
    """Return log strengths from places on a scale of even information.

    A cause of strength exp(x) that expects n = exp(x + log_reach) events has about the Fisher information
    n + floor^2 about x: n from the data, floor^2 from a normal prior of standard deviation 1 / floor. The
    place is y(x) = integral of u dx = 2 u + floor (x + log_reach - 2 log(u + floor)), u = sqrt(n + floor^2).
    So what the data know to a hair and the long tail towards zero have one width.

    Parameters:
        place: y (K,); log_reach: log of the events that a cause of strength 1 expects (K,); floor: (K,).

    Returns:
        x (K,), dx/dy (K,), d log(dx/dy) / dy (K,).
    """
    result, slope, bend = np.empty(place.size), np.empty(place.size), np.empty(place.size)
    for k in range(place.size):
        a, y = floor[k], place[k]
        # y(x) is convex and rises, so Newton's steps come down from the right and do not overshoot.
        x = (y - 2.0 * a) / a + 2.0 * math.log(2.0 * a)  # of x + log_reach, where n is small
        if y > 0.0:
            x = min(x, 2.0 * math.log(y / 2.0 + 2.0 * a + 1.0))
        for _ in range(STEPS):
            u = math.sqrt(math.exp(min(x, 700.0)) + a * a)
            step = (2.0 * u + a * (x - 2.0 * math.log(u + a)) - y) / u
            x -= step
            if abs(step) < 1e-14 * (1.0 + abs(x)):
                break
        n = math.exp(min(x, 700.0))
        u = math.sqrt(n + a * a)
        result[k], slope[k], bend[k] = x - log_reach[k], 1.0 / u, -n / (2.0 * u**3)
    return result, slope, bend


@entry
def roll(value, log_reach, floor):
    """Return the places of log strengths (K,): the inverse of `unroll`."""
    result = np.empty(value.size)
    for k in range(value.size):
        x, a = value[k] + log_reach[k], floor[k]
        u = math.sqrt(math.exp(x) + a * a)
        result[k] = 2.0 * u + a * (x - 2.0 * math.log(u + a))
    return result
