"""The command `tocsin`: what ends it comes first, so that nothing is cut short while the rest is imported."""

from __future__ import annotations

import sys
from typing import NoReturn

from tocsin.machine import ending


def main() -> NoReturn:
    """Run the command line and end with its code."""
    from tocsin.machine import refusals

    closed = refusals.opened()
    ending.watch()
    output = refusals.streams(closed)

    def command() -> object:
        from tocsin.cli.main import app

        return app(standalone_mode=False)

    try:
        code = refusals.run(command, output)
    except BaseException:
        if ending.ending.is_set():  # the other thread ends the process; what breaks meanwhile is no news
            ending.forever()
        raise
    if ending.ending.is_set():
        ending.forever()
    sys.exit(code)


if __name__ == "__main__":
    main()
