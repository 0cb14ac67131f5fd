"""A plain Gillespie loop for the one model of W1, in Numba: what a determined user would write by hand."""
import os, sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
import numba as nb
import numpy as np
from measure import QUICK, once, seconds, tell
from works import END, FALL_HOME, RISE_HOME, UNITS, w1_combined


@nb.njit(nogil=True, cache=True)
def simulate(rise, fall, first, last, seed):
    # rise and fall are (source, target): a source's row is read in order when it changes.
    np.random.seed(seed)
    n = rise.shape[0]
    most = 2 * n * (last - first)
    world, unit = np.empty(most, np.int64), np.empty(most, np.int32)
    time, to = np.empty(most), np.empty(most, np.int8)
    event = 0
    state = np.empty(n, np.int8)
    pressed, pulled, rate = np.empty(n), np.empty(n), np.empty(n)
    for w in range(first, last):
        state[:] = 0
        pressed[:] = RISE_HOME
        pulled[:] = FALL_HOME
        rate[:] = RISE_HOME
        total = n * RISE_HOME
        t = 0.0
        while total > 1e-12:
            t += -np.log(1.0 - np.random.random()) / total
            if t > END:
                break
            u = np.random.random() * total
            i = 0
            while i < n - 1 and u >= rate[i]:
                u -= rate[i]
                i += 1
            if rate[i] == 0.0:  # rounding at the very end of the list
                continue
            state[i] += 1
            world[event], unit[event], time[event], to[event] = w, i, t, state[i]
            event += 1
            if state[i] == 1:
                for j in range(n):
                    pressed[j] += rise[i, j]
            else:
                for j in range(n):
                    pressed[j] -= rise[i, j]
                    pulled[j] += fall[i, j]
            total = 0.0
            for j in range(n):
                r = pressed[j] if state[j] == 0 else (pulled[j] if state[j] == 1 else 0.0)
                rate[j] = r
                total += r
    return world[:event], unit[:event], time[:event], to[:event]


def main():
    rise, fall = (np.ascontiguousarray(each.T) for each in w1_combined())
    threads = int(os.environ.get("NUMBA_NUM_THREADS") or os.cpu_count())
    worlds = 20_000 if QUICK else 80_000
    compiled, _ = once(lambda: simulate(rise, fall, 0, 1, 0))

    def run(seed):
        size = -(-worlds // (4 * threads))
        with ThreadPoolExecutor(threads) as pool:
            parts = [pool.submit(simulate, rise, fall, k, min(k + size, worlds), seed + k) for k in range(0, worlds, size)]
            return [part.result() for part in parts]

    taken = seconds(run, 5)
    events = sum(len(part[0]) for part in run(1))
    tell("W1", "worlds", worlds / taken, "worlds/s", compile=compiled, events=events / worlds)


main()
