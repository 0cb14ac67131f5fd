"""Case 14: Medical Innovation (Coleman, Katz & Menzel 1966): 125 doctors in four cities, 17 months.

Van den Bulte & Lilien (2001) find that the contagion of the classical reading goes once what moved all
doctors is in the model. Here it has at most a tenth of the adoptions along the ties of advice even without
the months, and nothing once they are in.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tocsin as tc

FOLDER = Path(__file__).parents[2] / "shared" / "data" / "netdiffuseR"
pytestmark = pytest.mark.skipif(not FOLDER.exists(), reason="../shared/data is absent")
DRUG = tc.StateVariable("drug", ["without", "with"])
LAST = 17


def record() -> tc.History:
    nodes = pd.read_csv(FOLDER / "medInnovations_nodes.csv")
    edges = pd.read_csv(FOLDER / "medInnovations_edges.csv")
    adopted = nodes[nodes["toa"] <= LAST]
    months = pd.DataFrame(
        {
            "unit": "*",
            "covariate": "month",
            "value": np.arange(1.0, LAST + 1),
            "start": np.arange(0.0, LAST),
            "end": np.arange(1.0, LAST + 1),
        }
    )
    return tc.History(
        nodes.assign(unit=nodes["id"].astype(str), city=nodes["group"].astype(str))[["unit", "city"]],
        pd.DataFrame(
            {"unit": adopted["id"].astype(str), "variable": "drug", "state": "with", "time": adopted["toa"]}
        ),
        # A doctor is exposed to those whom the doctor names.
        pd.DataFrame(
            {"layer": "advice", "source": edges["dst"].astype(str), "target": edges["src"].astype(str)}
        ),
        months,
        variables=[DRUG],
        window=(0, LAST),
    )


@pytest.mark.parametrize("normalise", [None, "target"])
def test_contagion_is_not_found_too_easily(normalise: str | None) -> None:
    history = record()
    assert len(history.events) == 109  # 16 of 125 not within the study
    advice = tc.contagion("advice", when="drug=with", normalise=normalise)  # type: ignore[arg-type]
    p, share = {}, {}
    for home in ("1", "C(month)", "C(month) + C(city)"):
        without, both = (
            tc.Model([DRUG], [tc.Transition("drug", "without", "with", tc.baseline(home), *more)]).fit(
                history
            )
            for more in ((), (advice,))
        )
        p[home] = without.compare(both).p
        share[home] = both.causes.set_index("cause")["share"]["advice"]
    assert min(p.values()) > 0.1
    assert share["1"] < 0.1 and share["C(month)"] < 0.04
    assert p["C(month)"] > p["1"] and share["C(month)"] < share["1"]
