"""The verb new: a folder with a history to change, every line explained, that runs as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tocsin.cli.command_line import app, guarded
from tocsin.cli.options import named

LINES = """\
import tocsin as tc
history = tc.load_history({folder!r})
print(history.intake)
vote = tc.StateVariable("vote", ["no", "yes"])
example = tc.contagion("border", when="vote=yes")
model = tc.Model([vote], [tc.Transition("vote", "no", "yes", tc.baseline("1"), example)])
fit = model.fit(history)
print(fit.summary())
worlds = fit.simulate(history, worlds=1000, seed=1, interventions=[tc.remove_layer("border")])
print(worlds.probability("vote", "yes"))
"""


@app.command()
def new(
    folder: Annotated[Path, typer.Argument(metavar="DIR", parser=named, help="The folder to make.")],
) -> None:
    """Make a folder with a small history to change into your own; it can be fitted at once.

    \b
      tocsin new my-history
      tocsin replay my-history
    """
    with guarded():
        from importlib import resources

        from tocsin.errors import TocsinError
        from tocsin.files.whole import write_whole

        source = resources.files("tocsin.cli") / "template"
        files = sorted((each for each in source.iterdir() if each.is_file()), key=lambda each: each.name)
        there = [each.name for each in files if (folder / each.name).exists()]
        if there:
            raise TocsinError(f"{folder}: {', '.join(there)} stand there already; name another folder")
        for each in files:
            write_whole(folder / each.name, each.read_bytes())
        typer.echo(f"{folder}: {', '.join(each.name for each in files)}")
        typer.echo(f"\n  tocsin validate {folder}\n  tocsin fit {folder}\n")
        typer.echo(f"# or in Python:\n{LINES.format(folder=str(folder))}")
