"""epiworldpy: discrete steps. W1 cannot be declared (an unweighted SIR of the same size stands in); W2 in steps of 0.1."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
import os
import numpy as np
from epiworldpy import epimodels
from measure import QUICK, once, seconds, tell
from works import INFECTION, RECOVERY, UNITS, W2_END, w1_layers, w2_graph, w2_seeds

DT = 0.1


def w1():
    model = epimodels.ModelSIR("w1", 0.1, 0.05, 0.1)
    target, source = np.nonzero(w1_layers()[0])
    model.agents_from_edgelist(source.tolist(), target.tolist(), UNITS, True)
    model.verbose_off()
    worlds = 500 if QUICK else 2000
    threads = int(os.environ.get("NUMBA_NUM_THREADS") or os.cpu_count())
    run = lambda seed: model.run_multiple(60, worlds, seed, lambda number, each: None, True, False, threads)
    tell("W1", "worlds", worlds / seconds(run, 3), "worlds/s", note="unweighted SIR, steps of 0.1: not the same process")


def w2(kind, units):
    beta, gamma = -np.expm1(-INFECTION[kind] * DT), -np.expm1(-RECOVERY * DT)
    make = epimodels.ModelSIR if kind == "SIR" else epimodels.ModelSIS

    def built():
        model = make("w2", 0.01, beta, gamma)
        source, target = w2_graph(units)
        model.agents_from_edgelist(source.tolist(), target.tolist(), units, False)
        model.verbose_off()
        return model

    build, model = once(built)
    steps = int(30 / DT) if kind == "SIR" else int(W2_END[kind] / DT)
    taken = seconds(lambda seed: model.run(steps, seed), 3 if units <= 10_000 else 1)
    tell("W2", f"{kind} {units}", taken, "s", build=build, note="steps of 0.1")


if sys.argv[1] == "W1":
    w1()
else:
    w2(sys.argv[2], int(sys.argv[3]))
