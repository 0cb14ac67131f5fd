"""lifelines: W3, the event history as a Cox model of time-varying covariates (its baseline is free)."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
import warnings

warnings.simplefilter("ignore")
import numpy as np
import pandas as pd
from lifelines import CoxTimeVaryingFitter
from measure import QUICK, once, seconds, tell
from works import COVARIATES, INTERVALS, SUBJECTS, w3_table


def main():
    coefficients, x, subject, time = w3_table()

    def table():
        happened = np.zeros((SUBJECTS, INTERVALS), dtype=int)
        happened[subject, np.ceil(time).astype(int) - 1] = 1
        frame = pd.DataFrame(x.reshape(-1, COVARIATES), columns=[f"x{k}" for k in range(COVARIATES)])
        frame["id"] = np.repeat(np.arange(SUBJECTS), INTERVALS)
        frame["start"] = np.tile(np.arange(INTERVALS, dtype=float), SUBJECTS)
        frame["stop"] = frame["start"] + 1.0
        frame["event"] = happened.ravel()
        return frame

    build, frame = once(table)
    found = []

    def run(seed):
        found.append(CoxTimeVaryingFitter().fit(frame, id_col="id", event_col="event", start_col="start", stop_col="stop"))

    taken = seconds(run, 1 if QUICK else 3)
    off = np.abs(found[-1].params_.to_numpy() - coefficients).max()
    tell("W3", "event history", taken, "s", build=build, events=len(time), off=float(off))


main()
