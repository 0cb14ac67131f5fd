"""The works W1, W2 and W3: their exact definition, as arrays, for ours and every rival. Needs NumPy only."""

from __future__ import annotations

import math

import numpy as np

# --- W1: many small worlds ------------------------------------------------------------------------------

UNITS = 50
END = 6.0
RISE_HOME, RISE, RISE_SHARES = 0.03, 0.8, (0.5, 0.3, 0.2)
FALL_HOME, FALL, FALL_SHARES = 0.05, 0.6, (0.3, 0.3, 0.2)


def w1_layers() -> np.ndarray:
    """Return three dense layers (3, target, source): log-normal(0, 1), no diagonal, mean sum of a row 1."""
    rng = np.random.default_rng(1917)
    layers = rng.lognormal(0.0, 1.0, (3, UNITS, UNITS))
    layers[:, np.arange(UNITS), np.arange(UNITS)] = 0.0
    return layers / layers.sum(axis=2).mean(axis=1)[:, None, None]


def w1_combined() -> tuple[np.ndarray, np.ndarray]:
    """Return weights of revolutionary sources in the rise, of fallen ones in the fall (target, source)."""
    layers = w1_layers()
    return (
        RISE * np.tensordot(RISE_SHARES, layers, axes=1),
        FALL * np.tensordot(FALL_SHARES, layers, axes=1),
    )


# --- W2: one large world --------------------------------------------------------------------------------

RECOVERY = 1.0
INFECTION = {"SIR": 3.0 / 7.0, "SIS": 0.3}
W2_END = {"SIR": 100.0, "SIS": 10.0}  # an SIR world is over long before


def w2_graph(units: int) -> tuple[np.ndarray, np.ndarray]:
    """Return an Erdos-Renyi graph of mean degree 10 as pairs (source, target), each once, without loops."""
    rng = np.random.default_rng(units)
    wanted = 5 * units
    code = np.empty(0, dtype=np.int64)
    while code.size < wanted:
        pair = rng.integers(0, units, (2, wanted - code.size + wanted // 50 + 10))
        low, high = pair.min(axis=0), pair.max(axis=0)
        code = np.unique(np.concatenate([code, (low * units + high)[low != high]]))
    code = rng.permutation(code)[:wanted]
    return (code // units).astype(np.int32), (code % units).astype(np.int32)


def w2_seeds(units: int) -> np.ndarray:
    """Return the 1% of units that are infected when the window begins."""
    return np.random.default_rng(units + 1).choice(units, units // 100, replace=False)


# --- W3: fitting ----------------------------------------------------------------------------------------

DECAY = 1.5


def w3_hawkes(dimensions: int = 10, events: int = 100_000) -> tuple[np.ndarray, np.ndarray, float]:
    """Return times, dimensions and the end of a multivariate Hawkes process with exponential kernels.

    lambda_i(t) = mu_i + sum over earlier events (s, j) of alpha_ij DECAY exp(-DECAY (t - s)); drawn by
    generations (Hawkes & Oakes 1974).
    """
    mu, alpha = w3_truth(dimensions)
    end = events / np.linalg.solve(np.eye(dimensions) - alpha, mu).sum()
    rng = np.random.default_rng(3)
    count = rng.poisson(mu * end)
    time = rng.uniform(0.0, end, count.sum())
    kind = np.repeat(np.arange(dimensions), count)
    times, kinds = [time], [kind]
    while time.size:
        children = rng.poisson(alpha[:, kind])  # (dimension of the child, parent)
        into, parent = np.nonzero(children)
        number = children[into, parent]
        time = np.repeat(time[parent], number)
        time = time + rng.exponential(1.0 / DECAY, time.size)
        kind = np.repeat(into, number)
        time, kind = time[time <= end], kind[time <= end]
        times.append(time)
        kinds.append(kind)
    time, kind = np.concatenate(times), np.concatenate(kinds)
    order = np.argsort(time)
    return time[order], kind[order], float(end)


W3B = ((1, 1_949), (5, 417), (10, 100_000))  # dimensions and expected events, whose half-lives are estimated


def w3_truth(dimensions: int = 10) -> tuple[np.ndarray, np.ndarray]:
    """Return the true mu (dimensions,) and alpha (dimension excited, dimension exciting)."""
    rng = np.random.default_rng(2)
    alpha = rng.uniform(0.2, 1.0, (dimensions, dimensions))
    return rng.uniform(0.5, 1.5, dimensions), 0.6 * alpha / alpha.sum(axis=1, keepdims=True)


def w3_loglik(mu: np.ndarray, alpha: np.ndarray) -> float:
    """Return the log-likelihood of the process of `w3_hawkes`, by which all who fit it are compared."""
    times, kinds, end = w3_hawkes(len(mu))
    felt = np.zeros(len(mu))
    last = 0.0
    value = -float(mu.sum()) * end
    gone = alpha.sum(axis=0)[kinds] * -np.expm1(-DECAY * (end - times))
    value -= float(gone.sum())
    for time, kind in zip(times.tolist(), kinds.tolist(), strict=True):
        felt *= math.exp(-DECAY * (time - last))
        last = time
        value += math.log(mu[kind] + DECAY * (alpha[kind] @ felt))
        felt[kind] += 1.0
    return value


SUBJECTS, INTERVALS, COVARIATES = 200, 1000, 10


def w3_table() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return coefficients, covariates (subject, interval, covariate), and subjects and times of events.

    Interval k is (k, k + 1]; in it, events have the hazard exp(-4 + coefficients . covariates); they recur.
    """
    rng = np.random.default_rng(4)
    coefficients = rng.normal(0.0, 0.4, COVARIATES)
    x = rng.normal(0.0, 1.0, (SUBJECTS, INTERVALS, COVARIATES))
    # At most one event in an interval, so that a table of start, stop and event says the same.
    happened = rng.random((SUBJECTS, INTERVALS)) < -np.expm1(-np.exp(-4.0 + x @ coefficients))
    subject, interval = np.nonzero(happened)
    return coefficients, x, subject, interval + rng.uniform(0.01, 1.0, subject.size)
