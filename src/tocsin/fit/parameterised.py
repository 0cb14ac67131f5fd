"""A model with parameters: what can be asked of it without a fit, and of a fit as well."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tocsin.errors import ModelError, TocsinError
from tocsin.model.learned import Learned

if TYPE_CHECKING:
    from concurrent.futures import Executor

    import pandas as pd
    from distributed import Client

    from tocsin.attribution.attribution import Attribution
    from tocsin.ensemble.ensemble import Ensemble
    from tocsin.ensemble.paired import Outcome
    from tocsin.ensemble.parameter_draws import Draws
    from tocsin.history.history import History
    from tocsin.interventions.intervention import Intervention
    from tocsin.model.model import Model
    from tocsin.program.program import Program
    from tocsin.support.allocate import Allocation
    from tocsin.support.candidates import Prevention, Support
    from tocsin.what_if.answer import WhatIf


class Parameterised:
    """A model with a value for every parameter.

    Parameters:
        model: the declaration.
        values: a value for every parameter name.
        learned: what the formulas learnt from the history that the values belong to.

    Example:
        >>> import tocsin as tc
        >>> history = tc.load_history("1917")
        >>> fit = tc.Model.from_toml(history.model_path).fit(history)
        >>> known = fit.model.with_params(fit.params)
        >>> isinstance(known, tc.Parameterised)
        True
    """

    def __init__(self, model: Model, values: Mapping[str, float], learned: Learned | None = None) -> None:
        if learned is not None and not isinstance(learned, Learned):
            raise ModelError(f"learned= is the `learned` of a fit or a program, not {type(learned).__name__}")
        self.model = model
        self.values = dict(values)
        self.learned = learned
        self._compiled: tuple[str, Program] | None = None

    def program(self, history: History) -> Program:
        """Return the model compiled against a history; the last one is remembered.

        Raises:
            ModelError: a category has a level that was never seen, or nobody said what its levels are.
        """
        if self._compiled is None or self._compiled[0] != history.digest:
            program = self.model.compile(history, self.learned)
            if self.learned is None and program.learned.learns:
                role = next(name for name, role in program.learned.items() if role.learns)
                names = ", ".join(map(repr, program.learned[role].levels))
                raise ModelError(
                    f"the parameters of {role!r} speak of levels of {names}, which a formula learns from the history "
                    "that is fitted: say which, with_params(params, learned=fit.learned), or "
                    "learned=model.compile(history).learned for the history that they belong to"
                )
            self._compiled = (history.digest, program)
        return self._compiled[1]

    def log_likelihood(self, history: History) -> float:
        """Return the log-likelihood of a history at these parameters; see `Program.loglik`."""
        return self.program(history).loglik(self.values)

    def simulate(
        self,
        history: History,
        worlds: int = 1000,
        seed: int = 1917,
        interventions: Sequence[Intervention | str] = (),
        progress: Callable[[int, int], None] | None = None,
        folder: str | Path | None = None,
        runner: Client | Executor | None = None,
        given: str = "nothing",
        clocks: str = "cause",
        draws: Any = "fit",
    ) -> Ensemble:
        """Simulate worlds of a history; see `Program.simulate`.

        Parameters:
            draws: which parameters worlds have: ``"fit"`` draws them from their uncertainty (of a fit; 200 draws,
                kept with it), ``"best"`` takes the estimates; or a number of draws, a frame with a column for each
                parameter (`draws`), or a posterior. World k has draw k modulo their number. Given parameters have
                no uncertainty, and none is drawn.
            folder: keep the worlds there, as Parquet parts, instead of in memory.
            runner: what draws the worlds elsewhere: a `concurrent.futures.Executor`, or a dask.distributed Client.
        """
        from tocsin.ensemble.simulate import simulate
        from tocsin.fit.draws_kept import draws_for
        from tocsin.program.condition import Condition

        program = self.program(history)
        drawn = draws_for(self, program, draws)
        vector = program.pack(self.values)
        condition = Condition.parse(given, clocks, history)
        return simulate(
            program, vector, worlds, seed, interventions, progress, folder, runner, condition, drawn
        )

    def draw_share(
        self,
        history: History,
        share: tuple[int, int],
        folder: str | Path,
        worlds: int = 10_000,
        seed: int = 1917,
        interventions: Sequence[Intervention | str] = (),
        given: str = "nothing",
        draws: Any = "fit",
        progress: Callable[[int, int], None] | None = None,
    ) -> int:
        """Draw one share of many worlds into a folder where other processes draw the others.

        Processes need not know of each other, and two may draw the same share; `tc.gather_shares` makes the folder
        whole.

        Parameters:
            share: (k, n): the k-th of n shares, from 1.
            folder: the same for all, on a disk that they share (or copied together afterwards).
            worlds, seed, interventions, given, draws: of the whole run; see `simulate`.

        Returns:
            How many worlds the share has; what is there already is not drawn again.

        Raises:
            ModelError: a share that is none.
            TocsinError: the folder holds the worlds of another run.
        """
        from tocsin.ensemble.simulate import simulate_share
        from tocsin.fit.draws_kept import draws_for
        from tocsin.program.condition import Condition

        program = self.program(history)
        drawn = draws_for(self, program, draws)
        condition = Condition.parse(given, "cause", history)
        return simulate_share(
            program,
            program.pack(self.values),
            worlds,
            seed,
            share,
            Path(folder),
            interventions,
            condition,
            drawn,
            progress,
        )

    def what_if(
        self,
        history: History,
        interventions: Sequence[Intervention | str] | Intervention | str,
        worlds: int = 2000,
        seed: int = 1917,
        given: str = "nothing",
        against: Sequence[Intervention | str] | Intervention | str = (),
        clocks: Sequence[str] | str | None = None,
        draws: Any = "fit",
        wave: str | None = None,
        progress: Callable[[str, int, int], None] | None = None,
    ) -> WhatIf:
        """Set worlds with a change beside the same worlds without it; see `WhatIf`.

        Parameters:
            interventions: the change, as objects or sentences.
            worlds, seed: how many pairs of worlds, and the seed that the worlds of a pair share.
            given: ``nothing``, ``until DATE`` or ``history``; given history, the answer depends on how worlds
                are coupled, and comes under each coupling with its range.
            against: another change, in the place of none.
            clocks: under ``history`` only some couplings: ``cause``, ``source``, ``fresh``.
            draws: which parameters worlds have; see `simulate`.
            wave: the state to follow, such as ``regime=soviet``; by default the model's own.
            progress: called with what is being done, worlds done and worlds in all.

        Raises:
            SentenceError: a sentence cannot be read.
            ModelError: an intervention names what does not exist, or a date is outside the window.
        """
        from tocsin.what_if.answer import what_if

        return what_if(
            self, history, interventions, worlds, seed, given, against, clocks, draws, wave, progress
        )

    def attribute(
        self,
        history: History | None = None,
        draws: int | Draws | None = None,
        level: float = 0.95,
        seed: int = 1917,
        method: str = "likelihood",
    ) -> Attribution:
        """Return for every explained event the share of each cause, of each source and of each of its events.

        share of cause c = lambda_c / sum of all causes, at the instant of the event. Shares say what moved
        the hazard at that instant; they are not but-for probabilities. A fit gives them at its estimates, with
        intervals over draws of its parameters; given parameters have no uncertainty, and no intervals, unless
        draws of them are given too.

        Parameters:
            history: whose events; of a fit by default the one that was fitted.
            draws: of the parameters of a fit; 200 by default (fewer where that needs much memory), 0 for none. Of given
                parameters the draws that worlds had.
            level: probability of the intervals.
            seed: of the draws.
            method: ``likelihood`` or ``bootstrap``; see `tocsin.fit.draws.draw_parameters`.

        Raises:
            TocsinError: draws of given parameters, or a number, level or method that is none.
        """
        from tocsin.attribution.make import attribute

        return attribute(self, history, draws, level, seed, method)

    def hazards_by_cause(
        self,
        history: History,
        transition: str | None = None,
        unit: str | None = None,
        times: Iterable[Any] | None = None,
    ) -> pd.DataFrame:
        """Return what each cause added to the hazard of what happened, through time.

        expected = integral of lambda_c over the interval, of one unit or summed over all units at risk: the
        number of events that the cause would bring in it, given what happened before.

        Parameters:
            history: what happened.
            transition: the name of one transition; by default all.
            unit: one unit; by default the sum over all.
            times: dates or numbers that bound the intervals; by default the window in at most 120 of them.

        Returns:
            One row a transition, cause and interval: transition, cause, start, end, [date], expected, and
            hazard, its mean per unit of the clock.

        Raises:
            TocsinError: there is no such transition or unit, or the times are not in order in the window.
        """
        from tocsin.program.hazard_course import course

        program = self.program(history)
        return course(program, program.pack(self.values), transition, unit, times)

    def residuals(self, history: History) -> pd.DataFrame:
        """Return the integrated hazards between events at these parameters; see `Program.residuals`."""
        return self.program(history).residuals(self.values)

    def allocate(
        self,
        history: History,
        support: Support | Prevention,
        outcome: Outcome | str | Callable[[Ensemble], Any],
        worlds: int = 500,
        seed: int = 1,
        maximise: bool = True,
        interventions: Sequence[Intervention | str] = (),
        draws: Any = "fit",
        progress: Callable[[int, int], None] | None = None,
    ) -> Allocation:
        """Find where and when scarce support raises (or lowers) an expected outcome most.

        The budget is laid out step by step, each step where the mean outcome of worlds that share their luck
        grows most for its cost (greedy, with lazy evaluation: Minoux 1978; Kempe, Kleinberg & Tardos 2003). The
        plan is then judged on fresh worlds beside nothing, the record's own allocation, an even one and random
        ones. The guarantee of 1 - 1/e holds where returns diminish, which a model need not.

        Parameters:
            support: `Support`, ties of one source in one layer, or `Prevention`, units kept out of a state.
            outcome: a sentence such as ``units regime=soviet`` (see `Outcome`), or a function from an ensemble
                to one number for each world.
            worlds: worlds of each evaluation; the plan is judged on four times as many, drawn with seed + 1.
            maximise: whether more is better.
            interventions: changes that hold in all worlds, on top of each choice.
            draws: which parameters worlds have, so that plan and intervals hold what the estimates leave open; see
                `simulate`.
            progress: called with evaluations done and to be done at the least.

        Raises:
            ModelError: the support or the outcome is wrong; every problem is listed.
        """
        from tocsin.fit.draws_kept import draws_for
        from tocsin.support.allocate import allocate

        program = self.program(history)
        return allocate(
            program,
            program.pack(self.values),
            support,
            outcome,
            worlds,
            seed,
            maximise,
            interventions,
            draws_for(self, program, draws),
            progress,
        )

    def draws(self, count: int, seed: int = 1917, history: History | None = None) -> pd.DataFrame:
        """Return parameters of a fit drawn from their uncertainty, for `simulate(..., draws=...)`.

        They are drawn from the likelihood (see `tocsin.fit.draws.draw_parameters`): what is fixed, not
        identified or at a bound stays as it is, and a strength estimated at zero has its one-sided law.

        Parameters:
            count: how many; seed: of the draws.
            history: the fitted history, where the fit was loaded without it.

        Returns:
            A row for each draw and a column for each parameter, half-lives and alphas as logarithms.

        Raises:
            TocsinError: the parameters were given, not fitted, or a number is wrong.
        """
        import pandas as pd

        from tocsin.errors import check_whole
        from tocsin.fit.draws import draw_parameters
        from tocsin.fit.estimates import Fit

        if not isinstance(self, Fit):
            raise TocsinError("given parameters have no uncertainty to draw from: fit the model")
        check_whole(count=count, seed=seed)
        program = self.fitted_program if history is None else self.program(history)
        return pd.DataFrame(draw_parameters(self, program, int(count), seed).vectors, columns=[*self.values])

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_compiled": None}
