"""tick: W3, the likelihood of Hawkes processes of ten and fifty dimensions with exponential kernels of known decay."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
import warnings

warnings.simplefilter("ignore")
import numpy as np
from measure import QUICK, once, seconds, tell
from tick.hawkes import HawkesExpKern
from works import DECAY, w3_hawkes, w3_loglik


def main(dimensions):
    times, kinds, end = w3_hawkes(dimensions)
    events = [np.ascontiguousarray(times[kinds == kind]) for kind in range(dimensions)]
    found = []

    def run(seed):
        learner = HawkesExpKern(DECAY, gofit="likelihood", penalty="none", solver="gd", step=1e-6, max_iter=1000, tol=1e-9, verbose=False)
        try:
            learner.fit(events)
        except Exception:
            learner = HawkesExpKern(DECAY, gofit="likelihood", penalty="l2", C=1e6, solver="agd", max_iter=1000, verbose=False)
            learner.fit(events)
        found.append(learner)

    taken = seconds(run, 1 if QUICK else 3)
    mu, alpha = np.maximum(found[-1].baseline, 1e-9), np.maximum(found[-1].adjacency, 0.0)
    tell("W3", f"Hawkes {dimensions}", taken, "s", events=len(times), loglik=w3_loglik(mu, alpha))


for number in (10,) if QUICK else (10, 50):
    main(number)
