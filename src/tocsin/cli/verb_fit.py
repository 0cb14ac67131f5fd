"""The verb fit: estimates, printed and kept."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tocsin.cli.command_line import app, guarded, opened, progress, time_given
from tocsin.cli.options import (
    FromOption,
    HistoryArgument,
    ModelOption,
    SeedOption,
    ToOption,
    WorldsOption,
    named,
    whole,
)


@app.command()
def fit(
    history: HistoryArgument,
    model: ModelOption = None,
    start: FromOption = None,
    end: ToOption = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", parser=named, metavar="FILE", help="Also write the fit as JSON, as replay does."
        ),
    ] = None,
    page: Annotated[
        Path | None,
        typer.Option(
            "--page",
            parser=named,
            metavar="FILE",
            help="Also write a page: misfits, and the record beside worlds of the fit (posterior predictive checks).",
        ),
    ] = None,
    statistics: Annotated[
        list[str] | None,
        typer.Option(
            "--statistic",
            metavar="NAME=SQL",
            help="For the page, a sum of a world's events: 'places=count(DISTINCT unit)'; may be repeated.",
        ),
    ] = None,
    apart: Annotated[
        list[str] | None,
        typer.Option(
            "--held-out",
            metavar="UNIT",
            help="For the page, a unit to leave out of a fit and foretell; may be given several times.",
        ),
    ] = None,
    misfits: Annotated[
        int,
        typer.Option(
            "--misfits",
            metavar="N",
            parser=whole(0),
            help="In how many refitted worlds misfits are looked for: 19 or more, or 0 for rough p at once.",
        ),
    ] = 0,
    worlds: WorldsOption = 400,
    seed: SeedOption = 1917,
) -> None:
    """Fit the model to a history by maximum likelihood, print the estimates and the three worst misfits.

    \b
      tocsin fit 1917
      tocsin fit my-history --model my-model.toml --out fit.json
      tocsin fit 1917 --page fit.html --held-out hungary --statistic "places=count(DISTINCT unit)"
    """
    first, last = time_given(start, "--from"), time_given(end, "--to")
    asked = dict(_statistic(text) for text in statistics or [])
    if 0 < misfits < 19:
        raise typer.BadParameter("misfits need 19 worlds or more, or 0", param_hint="--misfits")
    if page is None and (asked or apart):
        raise typer.BadParameter("--statistic and --held-out are of the page: say --page FILE too")
    if page is not None and worlds < 20:
        raise typer.BadParameter("a page needs 20 worlds or more", param_hint="--worlds")

    with guarded():
        from tocsin.files.whole import to_json, write_whole
        from tocsin.fit.save import fit_content
        from tocsin.report.fit_page import fit_page, misfit_lines
        from tocsin.report.replay import fitted
        from tocsin.report.terminal import console, estimates_table, frame_table

        record, declared = opened(history, model, first, last)
        with progress() as tell:
            estimates = fitted(declared, record, tell)
        if out is not None:
            write_whole(out, to_json(fit_content(estimates)))
        worst = misfit_lines(estimates, misfits)
        if page is not None:
            made = estimates.predictive(asked, apart or (), worlds, seed)
            write_whole(page, fit_page(estimates, made, worst))
        terminal = console(width=180)
        title = f"{record.title or record.name}: log-likelihood {estimates.loglik:.4f}"
        if estimates.loglik_error > 0.0:
            title += f" (Monte-Carlo error {estimates.loglik_error:.2g}, over drawn times)"
        terminal.print(estimates_table(estimates, title))
        terminal.print(
            frame_table(estimates.transitions.reset_index(drop=True), "what the estimates rest on")
        )
        for warning in estimates.warnings:
            terminal.print(f"warning: {warning}", markup=False)
        terminal.print("The worst misfits")
        for line in worst:
            terminal.print(f"  {line}", markup=False)


def _statistic(text: str) -> tuple[str, str]:
    name, equal, query = text.partition("=")
    if not (name.strip() and equal and query.strip()):
        raise typer.BadParameter(f"{text!r} is not NAME=SQL", param_hint="--statistic")
    return name.strip(), query.strip()
