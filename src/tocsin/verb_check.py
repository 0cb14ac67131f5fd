"""The verbs check and forecast: rivals of contagion, and what was to be expected on a date."""

from __future__ import annotations

from typing import Annotated

import typer

from tocsin.cli import _guarded, _held, _opened, _progress, _time, app
from tocsin.verb_options import (
    DrawsOption,
    FromOption,
    HistoryArgument,
    ModelOption,
    TablesOption,
    ToOption,
    WaveOption,
    YesOption,
    draws_asked,
)
from tocsin.words import LARGEST_SEED

SeedOption = Annotated[
    int,
    typer.Option("--seed", metavar="N", min=0, max=LARGEST_SEED, help="The same seed gives the same answer."),
]


@app.command()
def check(
    history: HistoryArgument,
    cause: Annotated[
        list[str] | None,
        typer.Option("--cause", metavar="NAME", help="A contagion to look at; may be given several times."),
    ] = None,
    placebos: Annotated[
        int,
        typer.Option("--placebos", metavar="N", min=19, help="How many placebo histories of each kind."),
    ] = 99,
    bootstrap: Annotated[
        int,
        typer.Option(
            "--bootstrap",
            metavar="N",
            min=0,
            help="How many worlds without the cause, where its p can be found in no other way: 199 or more, or 0.",
        ),
    ] = 199,
    seed: SeedOption = 1917,
    yes: YesOption = False,
    model: ModelOption = None,
    start: FromOption = None,
    end: ToOption = None,
    out: TablesOption = None,
) -> None:
    """Test every contagion against none, and set it beside its rivals: the calendar, the units, placebo ties,
    permuted times, a shock.

    \b
      tocsin check 1917
      tocsin check 1917 --cause comintern
      tocsin check 1917 --cause pow_return --bootstrap 999
      tocsin check 1917 --cause language --placebos 199 --out checked
    """
    first, last = _time(start, "--from"), _time(end, "--to")
    if 0 < bootstrap < 199:
        raise typer.BadParameter(
            "a bootstrap needs 199 worlds or more, or 0 for none", param_hint="--bootstrap"
        )

    def act() -> None:
        from tocsin.show.foretold import check_page, write_check
        from tocsin.show.replay import fitted
        from tocsin.show.table import console

        record, declared = _opened(history, model, first, last)
        with _held(out):
            with _progress() as tell:
                found = fitted(declared, record, tell).check(
                    worlds=placebos, seed=seed, progress=tell, causes=cause or None, bootstrap=bootstrap
                )
            if out is not None:
                write_check(found, out)
        console().print(check_page(found))

    _guarded(act)


@app.command()
def forecast(
    history: HistoryArgument,
    as_of: Annotated[
        str | None,
        typer.Option(
            "--as-of",
            metavar="DATE",
            help="What is known until this day is used; by default the last day that the horizon allows.",
        ),
    ] = None,
    horizon: Annotated[
        float | None,
        typer.Option(
            "--horizon",
            metavar="N",
            help="How many days to look ahead (or months, or years, as the history counts); else a tenth of it.",
        ),
    ] = None,
    past: Annotated[
        int,
        typer.Option(
            "--past", metavar="N", min=0, help="How many past forecasts to make and score; 0 for none."
        ),
    ] = 4,
    wave: WaveOption = None,
    worlds: Annotated[
        int,
        typer.Option("--worlds", metavar="N", min=2, help="How many worlds to simulate for each forecast."),
    ] = 2000,
    seed: SeedOption = 1917,
    yes: YesOption = False,
    draws: DrawsOption = "fit",
    model: ModelOption = None,
    out: TablesOption = None,
) -> None:
    """Say who was to be expected to enter a state, from what was known until a date; and score such forecasts.

    \b
      tocsin forecast 1917 --as-of 1919-01-01 --horizon 180
      tocsin forecast 1917 --as-of 1919-01-01 --horizon 180 --past 0
      tocsin forecast 1917 --wave labour=strike --horizon 90 --out foretold

    The fit uses weak priors, so that what has not happened yet is no obstacle. Ties and covariates after the date
    are taken as the record has them.
    """
    day, drawn = _time(as_of, "--as-of"), draws_asked(draws)
    if horizon is not None and not 0 < horizon < float("inf"):
        raise typer.BadParameter(f"{horizon:g} is not a time ahead", param_hint="--horizon")

    def act() -> None:
        from tocsin.infer.forecasts import backtest, forecast
        from tocsin.show.foretold import backtest_page, forecast_page, write_forecast
        from tocsin.show.table import console
        from tocsin.show.wave import wave_of

        record, declared = _opened(history, model, None, None)
        followed = wave_of(declared, wave, record)
        numbers = record.numbers
        span = horizon if horizon is not None else max((numbers.end - numbers.start) // 10, 1.0)
        last = numbers.end - span
        latest: object = record.to_date(last) if record.dated else last
        when = latest if day is None else day
        with _progress() as tell:
            made = forecast(
                declared, record, followed.variable, followed.state, when, span, worlds, seed,
                draws=drawn, progress=tell,
            )  # fmt: skip
            scored = None
            if past:
                scored = backtest(
                    declared, record, followed.variable, followed.state, span, past, when, worlds, seed,
                    draws=drawn, progress=tell,
                )  # fmt: skip
        if out is not None:
            write_forecast(made, scored, out)
        page = console()
        page.print(forecast_page(made, followed))
        if scored is not None:
            page.print(backtest_page(scored))

    _guarded(act)
