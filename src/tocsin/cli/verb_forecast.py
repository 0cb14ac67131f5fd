"""The verb forecast: what was to be expected on a date."""

from __future__ import annotations

from typing import Annotated

import typer

from tocsin.cli.command_line import app, guarded, opened, progress, time_given
from tocsin.cli.options import (
    BootstrapSeedOption,
    DoOption,
    DrawsOption,
    HistoryArgument,
    ModelOption,
    TablesOption,
    WaveOption,
    YesOption,
    decimal,
    draws_asked,
    whole,
)


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
            parser=decimal,
            metavar="N",
            help="How many days to look ahead (or months, or years, as the history counts); else a tenth of it.",
        ),
    ] = None,
    past: Annotated[
        int,
        typer.Option(
            "--past",
            metavar="N",
            parser=whole(0),
            help="How many past forecasts to make and score, refitting each; 0 for none.",
        ),
    ] = 8,
    hindcast: Annotated[
        bool,
        typer.Option(
            "--hindcast",
            help="Give worlds the ties, covariates and presence that the record has after the day.",
        ),
    ] = False,
    do: DoOption = None,
    wave: WaveOption = None,
    worlds: Annotated[
        int,
        typer.Option(
            "--worlds", metavar="N", parser=whole(2), help="How many worlds to simulate for each forecast."
        ),
    ] = 2000,
    seed: BootstrapSeedOption = 1917,
    yes: YesOption = False,
    draws: DrawsOption = "fit",
    model: ModelOption = None,
    out: TablesOption = None,
) -> None:
    """Say who was to be expected to enter a state, from what was known on a date; and score such forecasts.

    \b
      tocsin forecast 1917 --as-of 1919-01-01 --horizon 180
      tocsin forecast 1917 --as-of 1919-01-01 --horizon 180 --past 0
      tocsin forecast 1917 --as-of 1919-01-01 --horizon 180 --do "add tie comintern russia > poland from 1919-03-01"
      tocsin forecast 1917 --wave labour=strike --horizon 90 --out foretold

    The fit uses weak priors, so that what has not happened yet is no obstacle. Ties, covariates and presence stay as
    they were on the day, or follow the sentences of --do. Past forecasts are scored so and as hindcasts, which are
    given what the record has after the day, and beside simple rivals.
    """
    day, drawn = time_given(as_of, "--as-of"), draws_asked(draws)
    if horizon is not None and not 0 < horizon < float("inf"):
        raise typer.BadParameter(f"{horizon:g} is not a time ahead", param_hint="--horizon")

    with guarded():
        from tocsin.forecasts.backtest import backtest
        from tocsin.forecasts.forecast import AS_OF, HINDCAST, forecast
        from tocsin.model.followed_state import wave_of
        from tocsin.report.terminal import console
        from tocsin.report.terminal_forecast import backtest_page, forecast_page, write_forecast

        record, declared = opened(history, model, None, None)
        followed = wave_of(declared, wave, record)
        numbers = record.numbers
        span = horizon if horizon is not None else max((numbers.end - numbers.start) // 10, 1.0)
        last = numbers.end - span
        latest: object = record.to_date(last) if record.dated else last
        when = latest if day is None else day
        with progress() as tell:
            made = forecast(
                declared, record, followed.variable, followed.state, when, span, worlds, seed,
                draws=drawn, progress=tell, known=HINDCAST if hindcast else AS_OF, scenario=do or (),
            )  # fmt: skip
            scored = None
            if past:
                scored = backtest(
                    declared, record, followed.variable, followed.state, span, past, when, max(worlds // 2, 2), seed,
                    draws=drawn, progress=tell,
                )  # fmt: skip
        if out is not None:
            write_forecast(made, scored, out)
        page = console()
        page.print(forecast_page(made, followed))
        if scored is not None:
            page.print(backtest_page(scored, record.clock))
