"""intensify: W3b, Hawkes processes with one decay for each pair of dimensions, all estimated."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
import warnings

warnings.simplefilter("ignore")
import intensify
from measure import QUICK, seconds, tell
from works import W3B, w3_hawkes

for dimensions, count in W3B[: 2 if QUICK else 3]:
    times, kinds, end = w3_hawkes(dimensions, count)
    events = [times[kinds == kind] for kind in range(dimensions)]
    found = []

    def run(seed):
        start = [[intensify.ExponentialKernel(0.3 / dimensions, 1.0) for _ in range(dimensions)] for _ in range(dimensions)]
        if dimensions == 1:
            process, data = intensify.UnivariateHawkes(0.5, start[0][0]), events[0]
        else:
            process, data = intensify.MultivariateHawkes(dimensions, 0.5, start), events
        found.append(process.fit(data, T=end, fit_decay=True))

    taken = seconds(run, 1 if dimensions > 5 else 3)
    tell("W3b", f"half-lives {dimensions}", taken, "s", events=len(times), loglik=float(found[-1].log_likelihood))
