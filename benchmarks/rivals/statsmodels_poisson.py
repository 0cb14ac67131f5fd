"""statsmodels: W3, the event history as a Poisson regression on 200,000 intervals."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
import numpy as np
import statsmodels.api as sm
from measure import QUICK, once, seconds, tell
from works import COVARIATES, INTERVALS, SUBJECTS, w3_table


def main():
    coefficients, x, subject, time = w3_table()

    def table():
        happened = np.zeros((SUBJECTS, INTERVALS))
        happened[subject, np.ceil(time).astype(int) - 1] = 1
        return happened.ravel(), sm.add_constant(x.reshape(-1, COVARIATES))

    build, (y, design) = once(table)
    found = []
    taken = seconds(lambda seed: found.append(sm.Poisson(y, design).fit(disp=0)), 1 if QUICK else 3)
    off = np.abs(found[-1].params[1:] - coefficients).max()
    tell("W3", "event history", taken, "s", build=build, events=len(time), off=float(off))


main()
