"""Whether the chains of a sampler agree: R-hat, effective sizes, divergences, in numbers and in words."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from tocsin.errors import TocsinError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.bayes.posterior import Posterior

    Floats = NDArray[np.float64]

R_HAT = 1.01

ESS_A_CHAIN = 100

ENERGY = 0.3


def load_arviz() -> Any:
    """Import ArviZ without its notice about its next version.

    Raises:
        TocsinError: it is not installed.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        try:
            import arviz
        except ImportError:
            raise TocsinError(
                "sampling needs nutpie and ArviZ, which are not installed: pip install 'tocsin[bayes]'"
            ) from None
    return arviz


def diagnostics(values: Floats) -> dict[str, Floats]:
    """Return r_hat, ess_bulk and ess_tail of draws (chains, draws, K), each (K,) (Vehtari et al. 2021)."""
    import xarray

    arviz = load_arviz()
    data = xarray.Dataset({"x": (("chain", "draw", "k"), values)})
    return {
        "r_hat": np.asarray(arviz.rhat(data)["x"], dtype=float),
        "ess_bulk": np.asarray(arviz.ess(data, method="bulk")["x"], dtype=float),
        "ess_tail": np.asarray(arviz.ess(data, method="tail")["x"], dtype=float),
    }


def warnings_of(posterior: Posterior) -> list[str]:
    """Return what speaks against trusting the draws, in plain words."""
    found: list[str] = list(posterior.history.warnings)
    stats = posterior.draws.stats
    chains, draws, _ = posterior.draws.vector.shape
    if "diverging" in stats and (count := int(stats["diverging"].sum())):
        found.append(
            f"{count} of {chains * draws} draws diverged: the sampler could not follow the posterior there, "
            "and what it missed may bias every number; sample again with a higher target_accept (0.99), or "
            "give the strengths or standard deviations a narrower prior"
        )
    names, values, _ = posterior.named(effects=True)
    if chains == 1:
        found.append(
            "one chain cannot be compared with others: sample with chains=4 to see whether they agree"
        )
    if draws >= 4:
        numbers = diagnostics(values)
        worst = int(np.nanargmax(numbers["r_hat"])) if np.isfinite(numbers["r_hat"]).any() else 0
        apart = int((numbers["r_hat"] > R_HAT).sum())
        if apart:
            found.append(
                f"the chains do not agree about {apart} of {len(names)} parameters (R-hat above {R_HAT}; "
                f"worst {numbers['r_hat'][worst]:.3f}, {names[worst]!r}): sample longer (tune and draws "
                "twice as large); if that does not help, the data do not tell these parameters apart"
            )
        least = np.minimum(numbers["ess_bulk"], numbers["ess_tail"])
        few = int((least < ESS_A_CHAIN * chains).sum())
        if few:
            poorest = int(np.nanargmin(least))
            found.append(
                f"{few} of {len(names)} parameters have fewer than {ESS_A_CHAIN * chains} effective draws "
                f"(fewest {least[poorest]:.0f}, {names[poorest]!r}): their intervals are rough; draw more"
            )
    if "energy" in stats and draws >= 4:
        energy = np.asarray(stats["energy"], dtype=float)
        moved = (np.diff(energy, axis=1) ** 2).mean(axis=1) / energy.var(axis=1)
        if (moved < ENERGY).any():
            found.append(
                f"the sampler moves slowly between levels of density (E-BFMI {moved.min():.2f}, below "
                f"{ENERGY}): tails may be missed; tune longer, or give standard deviations a narrower prior "
                "(Betancourt 2016)"
            )
    if (
        "maxdepth_reached" in stats
        and (count := int(stats["maxdepth_reached"].sum())) > 0.01 * chains * draws
    ):
        found.append(
            f"{count} of {chains * draws} draws used the longest path allowed: the posterior is much longer "
            "in some directions than in others; the draws are right but few of them are independent"
        )
    return found
