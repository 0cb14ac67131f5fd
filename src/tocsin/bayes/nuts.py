"""Sample the posterior of a model: NUTS by nutpie on the compiled likelihood."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from tocsin.bayes.convergence import load_arviz
from tocsin.bayes.interval_censored import draw_open
from tocsin.bayes.posterior import Posterior, PosteriorDraws
from tocsin.bayes.random_effects import Asked, with_effects
from tocsin.bayes.target import Belief, Target
from tocsin.errors import FitError, ModelError, TocsinError
from tocsin.fit.maximum.constraint import Prior
from tocsin.program.spans.open_times import Placer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.history.history import History
    from tocsin.model.model import Model

    Floats = NDArray[np.float64]

# Acceptance that the step size is adapted to: above the usual 0.8, because strengths have one long tail, and more
# where standard deviations of effects make the posterior narrow in places.
ACCEPT, ACCEPT_WITH_EFFECTS = 0.9, 0.95


def sample_model(
    model: Model,
    history: History,
    draws: int = 1000,
    tune: int = 1000,
    chains: int = 4,
    seed: int = 1917,
    prior: Prior | None = None,
    progress: bool | Callable[[int, int], None] = False,
    frailty: Asked = None,
    shock: Asked = None,
    target_accept: float | None = None,
) -> Posterior:
    """Draw from the posterior of a model; see `Model.sample`."""
    for name, value, least in (
        ("draws", draws, 4),
        ("tune", tune, 10),
        ("chains", chains, 1),
        ("seed", seed, 0),
    ):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
            raise ModelError(f"{name} must be a whole number of at least {least}, not {value!r}")
    if target_accept is not None and (isinstance(target_accept, bool | str) or not 0.0 < target_accept < 1.0):
        raise ModelError(f"target_accept must lie between 0 and 1, not {target_accept!r}")
    if prior is not None and not isinstance(prior, Prior):
        raise ModelError(f"prior must come from tc.weak_prior(...), not {prior!r}")
    chosen = Prior() if prior is None else prior
    effects = with_effects(model, history, frailty, shock)
    belief = Belief.of(chosen, effects.plain)  # on the scale of this history
    target = Target(effects, belief)
    if effects.program.spans is None or target.density.whole:
        drawn = draw(target, draws, tune, chains, seed, progress, target_accept)
        return Posterior(model, history, effects, belief, chosen, drawn, seed)
    placer = Placer(effects.program)
    told, times = draw_open(target, placer, draws, tune, chains, seed, progress)
    event = effects.program.observer.spoken[placer.open]
    return Posterior(model, history, effects, belief, chosen, told, seed, (event, times))


def draw(
    target: Target,
    draws: int,
    tune: int,
    chains: int,
    seed: int,
    progress: bool | Callable[[int, int], None] = False,
    target_accept: float | None = None,
) -> PosteriorDraws:
    """Draw from a target by the no-U-turn sampler (Hoffman & Gelman 2014; nutpie: Seyboldt et al. 2024).

    Raises:
        TocsinError: nutpie is not installed.
        FitError: the sampler finds no place to begin.
    """
    load_arviz()
    try:
        from nutpie import sample
        from nutpie.compiled_pyfunc import from_pyfunc
    except ImportError:
        raise TocsinError(
            "sampling needs nutpie and ArviZ, which are not installed: pip install 'tocsin[bayes]'"
        ) from None

    told: list[int] = []

    if target_accept is None:
        target_accept = ACCEPT_WITH_EFFECTS if target.blocks else ACCEPT

    def make_density() -> Callable[[Floats], tuple[float, Floats]]:
        own = target.copy()

        def density(free: Floats, **_: Any) -> tuple[float, Floats]:
            with np.errstate(over="ignore", invalid="ignore"):
                return own(np.asarray(free))

        return density

    def make_expand(*_: Any) -> Callable[..., dict[str, Floats]]:
        def expand(free: Floats, **_: Any) -> dict[str, Floats]:
            told.append(1)  # one a draw
            return {"free": np.array(free, dtype=np.float64)}

        return expand

    compiled = from_pyfunc(
        target.size,
        make_density,
        make_expand,
        expanded_dtypes=[np.dtype("float64")],
        expanded_shapes=[(target.size,)],
        expanded_names=["free"],
    )
    begin = np.zeros(target.size)
    at = target.count
    for block in target.blocks:
        begin[at] = np.log(0.5 * block.spread)
        at += 1 + block.inner
    if not np.isfinite(target(begin)[0]):
        raise FitError("the posterior has no density where the sampler begins: a covariate may be too large")
    try:
        sampler = sample(
            compiled,
            draws=int(draws),
            tune=int(tune),
            chains=int(chains),
            cores=min(int(chains), threads()),
            seed=int(seed) % 2**63,
            progress_bar=progress is True,
            save_warmup=False,
            init_mean=begin,
            target_accept=target_accept,
            blocking=False,
        )
        raw = _wait(sampler, told, progress, int(chains) * (int(draws) + int(tune)))
    except RuntimeError as error:
        raise FitError(f"the sampler stopped: {str(error).splitlines()[0]}") from None
    free = np.asarray(raw.posterior["free"].values)[:, -int(draws) :]
    stats = {str(name): np.asarray(value.values) for name, value in raw.sample_stats.data_vars.items()}
    points = [target.point(each) for each in free.reshape(-1, target.size)]
    shape = free.shape[:2]

    def stacked(name: str) -> Floats:
        return np.array([getattr(point, name) for point in points]).reshape(*shape, -1)

    return PosteriorDraws(stacked("vector"), stacked("spread"), stacked("effect"), stats)


def threads() -> int:
    """Return how many chains run at once: NUMBA_NUM_THREADS, or the number of processors this may use."""
    from tocsin.ensemble.simulate import threads as allowed

    try:
        return min(allowed(), len(os.sched_getaffinity(0)))
    except AttributeError:  # not every system knows affinities
        return allowed()


def _wait(sampler: Any, told: list[int], progress: bool | Callable[[int, int], None], total: int) -> Any:
    """Wait for the sampler and tell `progress` how many draws there are; an interruption ends it."""
    try:
        while callable(progress) and not sampler.is_finished:
            progress(min(len(told), total), total)
            time.sleep(0.1)
        result = sampler.wait()
        if callable(progress):
            progress(total, total)
        return result
    except BaseException:
        sampler.cancel()
        raise
