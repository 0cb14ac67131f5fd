"""The verb fit: estimates, printed and kept."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tocsin.cli.command_line import app, guarded, opened, progress, time_given
from tocsin.cli.options import FromOption, HistoryArgument, ModelOption, ToOption, named


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
) -> None:
    """Fit the model to a history by maximum likelihood and print the estimates.

    \b
      tocsin fit 1917
      tocsin fit my-history --model my-model.toml --out fit.json
    """
    first, last = time_given(start, "--from"), time_given(end, "--to")

    with guarded():
        from tocsin.files.whole import to_json, write_whole
        from tocsin.fit.save import fit_content
        from tocsin.report.replay import fitted
        from tocsin.report.terminal import console, estimates_table, frame_table

        record, declared = opened(history, model, first, last)
        with progress() as tell:
            estimates = fitted(declared, record, tell)
        if out is not None:
            write_whole(out, to_json(fit_content(estimates)))
        page = console(width=180)
        title = f"{record.title or record.name}: log-likelihood {estimates.loglik:.4f}"
        if estimates.loglik_error > 0.0:
            title += f" (Monte-Carlo error {estimates.loglik_error:.2g}, over drawn times)"
        page.print(estimates_table(estimates, title))
        page.print(frame_table(estimates.transitions.reset_index(drop=True), "what the estimates rest on"))
        for warning in estimates.warnings:
            page.print(f"warning: {warning}", markup=False)
