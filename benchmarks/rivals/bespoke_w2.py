"""Next-reaction loops with an indexed heap for W2, in Numba: for SIR by transmission times, for SIS by Gibson & Bruck."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
import numba as nb
import numpy as np
from measure import once, seconds, tell
from works import INFECTION, RECOVERY, W2_END, w2_graph, w2_seeds


@nb.njit(cache=True)
def place(heap, where, key, slot):
    """Move the unit in `slot` of the heap to where it belongs."""
    unit = heap[slot]
    k = key[unit]
    while slot > 0:
        up = (slot - 1) >> 1
        if key[heap[up]] <= k:
            break
        heap[slot] = heap[up]
        where[heap[slot]] = slot
        slot = up
    size = heap.size
    while True:
        down = 2 * slot + 1
        if down >= size:
            break
        if down + 1 < size and key[heap[down + 1]] < key[heap[down]]:
            down += 1
        if key[heap[down]] >= k:
            break
        heap[slot] = heap[down]
        where[heap[slot]] = slot
        slot = down
    heap[slot] = unit
    where[unit] = slot


@nb.njit(cache=True)
def sir(first, target, seeds, beta, gamma, end, seed):
    np.random.seed(seed)
    n = first.size - 1
    state = np.zeros(n, np.int8)
    key = np.full(n, np.inf)
    heap = np.arange(n).astype(np.int32)
    where = np.arange(n).astype(np.int32)
    time, unit, source = np.empty(2 * n), np.empty(2 * n, np.int32), np.empty(2 * n, np.int32)
    by = np.full(n, -1, np.int32)
    event = 0
    for i in seeds:
        key[i] = -1.0
        place(heap, where, key, where[i])
    while True:
        i = heap[0]
        t = key[i]
        if t > end:
            break
        if state[i] == 0:
            state[i] = 1
            if t >= 0.0:
                time[event], unit[event], source[event] = t, i, by[i]
                event += 1
            else:
                t = 0.0
            over = t - np.log(1.0 - np.random.random()) / gamma
            key[i] = over
            place(heap, where, key, 0)
            for e in range(first[i], first[i + 1]):
                j = target[e]
                if state[j] == 0:
                    at = t - np.log(1.0 - np.random.random()) / beta
                    if at < over and at < key[j]:
                        key[j] = at
                        by[j] = i
                        place(heap, where, key, where[j])
        else:
            time[event], unit[event], source[event] = t, i, -1
            event += 1
            state[i] = 2
            key[i] = np.inf
            place(heap, where, key, 0)
    return time[:event], unit[:event], source[:event]


@nb.njit(cache=True)
def sis(first, target, seeds, beta, gamma, end, seed):
    np.random.seed(seed)
    n = first.size - 1
    state = np.zeros(n, np.int8)
    near = np.zeros(n, np.int32)  # infected neighbours
    key = np.full(n, np.inf)
    heap = np.arange(n).astype(np.int32)
    where = np.arange(n).astype(np.int32)
    time, unit = np.empty(1024), np.empty(1024, np.int32)
    event = 0
    for i in seeds:
        state[i] = 1
        for e in range(first[i], first[i + 1]):
            near[target[e]] += 1
    for i in range(n):
        if state[i] == 1:
            key[i] = -np.log(1.0 - np.random.random()) / gamma
        elif near[i] > 0:
            key[i] = -np.log(1.0 - np.random.random()) / (beta * near[i])
        place(heap, where, key, where[i])
    for slot in range(n // 2 - 1, -1, -1):
        place(heap, where, key, slot)
    while True:
        i = heap[0]
        t = key[i]
        if t > end:
            break
        if event == time.size:
            longer, wider = np.empty(2 * event), np.empty(2 * event, np.int32)
            longer[:event], wider[:event] = time, unit
            time, unit = longer, wider
        time[event], unit[event] = t, i
        event += 1
        if state[i] == 0:
            state[i] = 1
            change = 1
            key[i] = t - np.log(1.0 - np.random.random()) / gamma
        else:
            state[i] = 0
            change = -1
            key[i] = np.inf if near[i] == 0 else t - np.log(1.0 - np.random.random()) / (beta * near[i])
        place(heap, where, key, 0)
        for e in range(first[i], first[i + 1]):
            j = target[e]
            old = near[j]
            near[j] = old + change
            if state[j] == 0:
                if near[j] == 0:
                    key[j] = np.inf
                elif old == 0:
                    key[j] = t - np.log(1.0 - np.random.random()) / beta
                else:
                    key[j] = t + (key[j] - t) * old / near[j]
                place(heap, where, key, where[j])
    return time[:event], unit[:event]


def csr(units):
    source, target = w2_graph(units)
    both, other = np.concatenate([source, target]), np.concatenate([target, source])
    order = np.argsort(both, kind="stable")
    first = np.zeros(units + 1, np.int64)
    np.cumsum(np.bincount(both, minlength=units), out=first[1:])
    return first, other[order]


def main():
    kind, units = sys.argv[2], int(sys.argv[3])
    run = sir if kind == "SIR" else sis
    rates = INFECTION[kind], RECOVERY, W2_END[kind]
    compiled, _ = once(lambda: run(*csr(1000), w2_seeds(1000), *rates, 1))
    build, (first, target) = once(lambda: csr(units))
    seeds = w2_seeds(units)
    taken = seconds(lambda seed: run(first, target, seeds, *rates, seed), 5 if units < 1_000_000 else 3)
    events = len(run(first, target, seeds, *rates, 1)[0])
    tell("W2", f"{kind} {units}", taken, "s", compile=compiled, build=build, events=events)


main()
