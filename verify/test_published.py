"""The comparison with published fits, tried on made-up records of the same form."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from published import LAYERS, QUESTIONS, compare, epidemic, measles, natural, rowwise, women


def children(count: int = 40, seed: int = 1861) -> pd.DataFrame:
    """Children of ten houses and three classes, the first of them ill before the record begins."""
    rng = np.random.default_rng(seed)
    begin = np.concatenate([[-0.5], np.cumsum(rng.exponential(0.6, count - 1))])
    return pd.DataFrame(
        {
            "PN": np.arange(count) + 1,
            "HN": rng.integers(10, size=count),
            "CL": rng.choice(["preschool", "1st class", "2nd class"], size=count),
            "tI": begin,
            "tR": begin + rng.uniform(3, 9, count),
        }
    )


def counting(children: pd.DataFrame) -> pd.DataFrame:
    """A row for each child and piece of time between two changes of state, as surveillance has them."""
    times = np.unique(np.concatenate([[0.0], children[["tI", "tR"]].to_numpy().ravel()]))
    times, kids, rows = times[times >= 0], list(children.itertuples()), []
    for start, stop in pairwise(times):
        ill = [k for k in kids if k.tI <= start < k.tR]
        for child in kids:
            mates = [k for k in ill if k.CL == child.CL]
            count = {
                "household": sum(k.HN == child.HN for k in ill),
                "nothousehold": sum(k.HN != child.HN for k in ill),
                "c1": len(mates) * (child.CL == "1st class"),
                "c2": len(mates) * (child.CL == "2nd class"),
            }
            risk = int(child.tI > start)
            rows.append(
                {"start": start, "stop": stop, "atRiskY": risk, "event": int(child.tI == stop), **count}
            )
    return pd.DataFrame(rows)


def test_an_epidemic_in_households_has_the_likelihood_of_its_counting_process() -> None:
    record = children()
    fit = epidemic().fit(measles(record))
    ours = natural(fit)
    assert set(ours) == {"baseline", *LAYERS}
    assert rowwise(counting(record), ours) == pytest.approx(fit.loglik, rel=1e-12)


def test_adoption_in_villages_agrees_with_other_programs(capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(25)
    size = 150
    survey = pd.DataFrame(
        {"village": np.repeat([1.0, 2.0, 3.0], size // 3), "id": np.tile(np.arange(size // 3) + 1.0, 3)}
    )
    # A name may be missing, be her own, or be one who was not surveyed.
    survey[QUESTIONS] = rng.integers(0, size // 3 + 5, size=(size, len(QUESTIONS)))
    survey.loc[::7, QUESTIONS] = 0
    survey["toa"] = rng.integers(1, 12, size)
    assert compare(*women(survey))
    told = capsys.readouterr().out
    assert "farthest of" in told and "differs" not in told
