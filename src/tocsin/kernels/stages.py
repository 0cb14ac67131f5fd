"""The probability of the courses that a unit may have taken, where the times of some of its moves are open.

A unit stands in *stages*: which of its recorded events have happened. Between two cuts of its time all hazards are
constant, so the probabilities of the stages follow a linear equation with a triangular generator, whose solution is
a matrix exponential (Kalbfleisch & Lawless 1985). A known event is a jump. Gradients by running backward as well.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.compiled import allocating, entry


class Course(NamedTuple):
    """The stages and cuts of all open units; S stages, G pieces of time, E moves, and X cells (piece, stage)."""

    stage_first: NDArray[np.int64]  # (units + 1,)
    low: NDArray[np.float64]  # (S,) a stage can be held on (low, high]
    high: NDArray[np.float64]  # (S,)
    piece_first: NDArray[np.int64]  # (units + 1,)
    begin: NDArray[np.float64]  # (G,)
    end: NDArray[np.float64]  # (G,)
    cell: NDArray[np.int64]  # (G,) the first cell of each piece
    move_first: NDArray[np.int64]  # (units + 1,)
    move: NDArray[np.int32]  # (E, 3) stages of the unit before and after, and the transition (-1: undeclared)
    span: NDArray[np.float64]  # (E, 3) from, to, and the rate of what is undeclared
    known: NDArray[np.uint8]  # (E,) whether the move is at `to` exactly
    rivals: NDArray[np.uint8]  # (K, K) whether two transitions move one variable (grouped time)


@allocating
def _exponential(a):
    """Return exp(a) of a small matrix: Taylor's series of its 2^-s part, squared s times."""
    n = a.shape[0]
    size = 0.0
    for i in range(n):
        row = 0.0
        for j in range(n):
            row += abs(a[i, j])
        size = max(size, row)
    halvings = 0
    while size > 0.5:
        size *= 0.5
        halvings += 1
    scaled = a / 2.0**halvings
    result, term = np.eye(n), np.eye(n)
    for k in range(1, 15):
        new = np.zeros((n, n))
        for i in range(n):
            for m in range(n):
                if term[i, m] != 0.0:
                    for j in range(n):
                        new[i, j] += term[i, m] * scaled[m, j]
        term = new / k
        result += term
    for _ in range(halvings):
        new = np.zeros((n, n))
        for i in range(n):
            for m in range(n):
                if result[i, m] != 0.0:
                    for j in range(n):
                        new[i, j] += result[i, m] * result[m, j]
        result = new
    return result


@allocating
def _generator(course, u, g, hazard, active):
    """Return the integrated generator of a piece among its active stages, with the moves' places in it."""
    first = course.stage_first[u]
    count = active.size
    place = np.full(course.stage_first[u + 1] - first, -1, dtype=np.int64)
    for x in range(count):
        place[active[x]] = x
    a = np.zeros((count, count))
    width = course.end[g] - course.begin[g]
    for x in range(count):
        for k in range(hazard.shape[1]):
            a[x, x] -= hazard[course.cell[g] + active[x], k]
    for e in range(course.move_first[u], course.move_first[u + 1]):
        x, y = place[course.move[e, 0]], place[course.move[e, 1]]
        if course.known[e] or x < 0 or y < 0:
            continue
        if course.begin[g] < course.span[e, 0] or course.end[g] > course.span[e, 1]:
            continue
        k = course.move[e, 2]
        a[x, y] += hazard[course.cell[g] + active[x], k] if k >= 0 else course.span[e, 2] * width
    return a, place


@allocating
def _active(course, u, g):
    first = course.stage_first[u]
    count = course.stage_first[u + 1] - first
    found = np.empty(count, dtype=np.int64)
    n = 0
    for s in range(count):
        if course.low[first + s] <= course.begin[g] and course.high[first + s] >= course.end[g]:
            found[n] = s
            n += 1
    return found[:n]


@allocating
def _steps(course, u, g, hazard, active, place):
    """Return the matrix of a period of grouped time, in which a variable moves once at most."""
    count, moves = active.size, hazard.shape[1]
    p = np.zeros((count, count))
    for x in range(count):
        total = 0.0
        for k in range(moves):
            total += hazard[course.cell[g] + active[x], k]
        p[x, x] = np.exp(-total)
    for e in range(course.move_first[u], course.move_first[u + 1]):
        x, y = place[course.move[e, 0]], place[course.move[e, 1]]
        if x < 0 or course.begin[g] < course.span[e, 0] or course.end[g] > course.span[e, 1]:
            continue
        if y < 0:
            continue
        k = course.move[e, 2]
        if k < 0:
            p[x, y] += course.span[e, 2] * p[x, x]
            continue
        own, others = 0.0, 0.0
        for m in range(moves):
            if course.rivals[k, m]:
                own += hazard[course.cell[g] + active[x], m]
            else:
                others += hazard[course.cell[g] + active[x], m]
        if own > 0.0:
            p[x, y] += hazard[course.cell[g] + active[x], k] / own * -np.expm1(-own) * np.exp(-others)
    return p


@entry
def follow(course, hazard, jump, grouped, slopes):
    """Return the log-probability of each unit's record (units,), and its slopes.

    Parameters:
        hazard: integrated hazard of every transition in every cell (X, K).
        jump: the hazard of each known move at its instant (E,).
        grouped: whether pieces are periods of grouped time.
        slopes: whether slopes are wanted.

    Returns:
        log-probabilities (units,), slopes by `hazard` (X, K), and by the logarithm of `jump` (E,).
    """
    units, moves = course.stage_first.size - 1, hazard.shape[1]
    value = np.zeros(units)
    by_hazard = np.zeros(hazard.shape if slopes else (0, moves))
    by_jump = np.zeros(jump.size if slopes else 0)
    for u in range(units):
        first, count = course.stage_first[u], course.stage_first[u + 1] - course.stage_first[u]
        pieces = course.piece_first[u + 1] - course.piece_first[u]
        forward = np.zeros((pieces + 1, count))  # at the beginning of each piece, after the jumps there
        backward = np.ones(count)
        alpha = np.zeros(count)
        alpha[0] = 1.0
        level = 0.0
        for p in range(pieces + 1):
            if p > 0:
                g = course.piece_first[u] + p - 1
                active = _active(course, u, g)
                if active.size == 1 and not grouped:
                    s = active[0]
                    total = 0.0
                    for k in range(moves):
                        total += hazard[course.cell[g] + s, k]
                    level -= total
                    for other in range(count):
                        if other != s:
                            alpha[other] = 0.0
                else:
                    a, place = _generator(course, u, g, hazard, active)
                    step = _steps(course, u, g, hazard, active, place) if grouped else _exponential(a)
                    new = np.zeros(count)
                    for x in range(active.size):
                        for y in range(active.size):
                            new[active[y]] += alpha[active[x]] * step[x, y]
                    alpha = new
                time = course.end[g]
                _jump(course, u, alpha, jump, time, first, p == pieces)
            total = alpha.sum()
            if not total > 0.0:
                level = -np.inf
                break
            level += np.log(total)
            alpha = alpha / total
            forward[p] = alpha
        last = alpha[count - 1]  # all that is recorded has happened
        value[u] = level + (np.log(last) if last > 0.0 else -np.inf) if level > -np.inf else -np.inf
        if not slopes or not np.isfinite(value[u]):
            continue
        backward = np.zeros(count)
        backward[count - 1] = 1.0
        for p in range(pieces, 0, -1):
            g = course.piece_first[u] + p - 1
            time = course.end[g]
            active = _active(course, u, g)
            # Before the jumps at the end of the piece.
            a, place = _generator(course, u, g, hazard, active)
            alpha = forward[p - 1]
            n = active.size
            step = _steps(course, u, g, hazard, active, place) if grouped else _exponential(a)
            reached = np.zeros(count)
            for x in range(n):
                for y in range(n):
                    reached[active[y]] += alpha[active[x]] * step[x, y]
            before = np.zeros(count)
            whole = 0.0
            for s in range(count):
                if p == pieces or course.high[first + s] > time:
                    before[s] = backward[s]
            for e in range(course.move_first[u + 1] - 1, course.move_first[u] - 1, -1):
                if course.known[e] and course.span[e, 1] == time and not grouped:
                    before[course.move[e, 0]] += jump[e] * before[course.move[e, 1]]
            for s in range(count):
                whole += reached[s] * before[s]
            if not whole > 0.0:
                break
            for e in range(course.move_first[u], course.move_first[u + 1]):
                if course.known[e] and course.span[e, 1] == time and not grouped:
                    y = course.move[e, 1]
                    by_jump[e] = reached[course.move[e, 0]] * jump[e] * before[y] / whole
            before = before / whole
            inner = np.zeros(n)
            for x in range(n):
                inner[x] = before[active[x]]
            if grouped:
                _step_slopes(course, u, g, hazard, active, place, step, alpha, inner, by_hazard)
            else:
                block = np.zeros((2 * n, 2 * n))
                for x in range(n):
                    for y in range(n):
                        block[x, y] = block[n + x, n + y] = a[x, y]
                        block[x, n + y] = inner[x] * alpha[active[y]]
                both = _exponential(block) if n > 1 else block
                if n == 1:
                    both[0, 1] = inner[0] * alpha[active[0]] * step[0, 0]
                for x in range(n):
                    for k in range(moves):
                        by_hazard[course.cell[g] + active[x], k] -= both[x, n + x]
                for e in range(course.move_first[u], course.move_first[u + 1]):
                    x, y = place[course.move[e, 0]], place[course.move[e, 1]]
                    if course.known[e] or x < 0 or y < 0 or course.move[e, 2] < 0:
                        continue
                    if course.begin[g] < course.span[e, 0] or course.end[g] > course.span[e, 1]:
                        continue
                    by_hazard[course.cell[g] + active[x], course.move[e, 2]] += both[y, n + x]
            new = np.zeros(count)
            for x in range(n):
                for y in range(n):
                    new[active[x]] += step[x, y] * before[active[y]]
            backward = new
    return value, by_hazard, by_jump


@allocating
def _jump(course, u, alpha, jump, time, first, last):
    """Let the known moves of an instant happen, and leave stages that cannot be held after it."""
    for e in range(course.move_first[u], course.move_first[u + 1]):
        if course.known[e] and course.span[e, 1] == time:
            alpha[course.move[e, 1]] += alpha[course.move[e, 0]] * jump[e]
    for s in range(alpha.size):
        if not last and course.high[first + s] <= time:
            alpha[s] = 0.0


@allocating
def _step_slopes(course, u, g, hazard, active, place, step, alpha, inner, out):
    """Add the slopes of one period of grouped time."""
    moves = hazard.shape[1]
    for x in range(active.size):
        cell = course.cell[g] + active[x]
        stay = alpha[active[x]] * inner[x] * step[x, x]
        for k in range(moves):
            out[cell, k] -= stay
        for e in range(course.move_first[u], course.move_first[u + 1]):
            if place[course.move[e, 0]] != x or place[course.move[e, 1]] < 0:
                continue
            if course.begin[g] < course.span[e, 0] or course.end[g] > course.span[e, 1]:
                continue
            k, y = course.move[e, 2], place[course.move[e, 1]]
            weight = alpha[active[x]] * inner[y]
            if k < 0:
                for m in range(moves):
                    out[cell, m] -= weight * course.span[e, 2] * step[x, x]
                continue
            own, others = 0.0, 0.0
            for m in range(moves):
                if course.rivals[k, m]:
                    own += hazard[cell, m]
                else:
                    others += hazard[cell, m]
            if not own > 0.0:
                continue
            share = -np.expm1(-own) / own
            bend = (np.exp(-own) - share) / own if own > 1e-5 else -0.5 + own / 3.0
            gone = np.exp(-others)
            out[cell, k] += weight * share * gone
            for m in range(moves):
                if course.rivals[k, m]:
                    out[cell, m] += weight * hazard[cell, k] * bend * gone
                else:
                    out[cell, m] -= weight * hazard[cell, k] * share * gone
