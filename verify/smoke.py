"""Try an installed Tocsin as a user would, in an empty folder outside the checkout: `python verify/smoke.py PYTHON`.

PYTHON is the interpreter of an environment in which Tocsin is installed, from a wheel or at its lowest versions. Every
verb says its help; the main ones run, few worlds each; a replay comes again to the bit; the extras that are there are
tried; the licences are with it. Prints a line for each; ends with status 1 at the first that fails.
"""

# ruff: noqa: T201  (a command prints)

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

LICENCES = """
from importlib.metadata import distribution
found = {file.name: file.read_text() for file in distribution("tocsin").files or () if "licenses" in file.parts}
assert "MIT License" in found["LICENSE"], sorted(found)
assert "Natural Earth" in found["NOTICE.md"] and "CC BY 4.0" in found["NOTICE.md"], sorted(found)
assert "Creative Commons Attribution 4.0 International" in found["CC-BY-4.0.txt"], sorted(found)
"""
MODEL = """
import pandas as pd, tocsin as tc
history = tc.History(
    units={"unit": ["a", "b", "c"]},
    events=pd.DataFrame({"unit": ["a", "b"], "variable": "s", "state": "on", "time": [1.0, 2.5]}),
    ties={"layer": ["l", "l"], "source": ["a", "b"], "target": ["b", "c"]},
    variables=[tc.StateVariable("s", ["off", "on"])], window=(0.0, 9.0),
)
model = tc.Model([tc.StateVariable("s", ["off", "on"])],
                 [tc.Transition("s", "off", "on", tc.baseline("1"), tc.contagion("l", when="s=on"))])
fit = model.fit(history, prior=tc.weak_prior())
assert fit.simulate(history, worlds=50, seed=1, draws="best").worlds == 50
fit.attribute(history)
"""
BAYES = (
    MODEL + "\nposterior = model.sample(history, draws=50, tune=50, chains=2, seed=1)\nposterior.summary()\n"
)


def main() -> None:
    """Run all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("python", type=Path, help="of the environment in which Tocsin is installed")
    parser.add_argument("--no-licences", action="store_true", help="of a checkout in place of a wheel")
    asked = parser.parse_args()
    python = asked.python.absolute()  # a link into the environment stays a link
    with tempfile.TemporaryDirectory(prefix="tocsin-smoke-") as folder:
        smoke = Smoke(python, Path(folder))
        smoke.all(licences=not asked.no_licences)
    print(f"{smoke.done} steps, all well")


class Smoke:
    """The steps, in one folder."""

    def __init__(self, python: Path, folder: Path) -> None:
        self.python, self.folder, self.done = python, folder, 0
        self.tocsin = str(python.with_name("tocsin"))
        # Nothing of the checkout, and kernels compiled anew.
        self.environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}

    def run(self, *command: str, say: str = "") -> str:
        """Run a command; end everything if it fails or prints a traceback."""
        begun = time.monotonic()
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=900
        )
        if done.returncode or "Traceback" in done.stderr:
            print(done.stdout[-2000:], done.stderr[-4000:], sep="\n", file=sys.stderr)
            sys.exit(f"failed with status {done.returncode}: {say or ' '.join(command)}")
        self.done += 1
        print(f"  {time.monotonic() - begun:6.1f} s  {say or ' '.join(['tocsin', *command[1:]])}", flush=True)
        return done.stdout

    def python_runs(self, code: str, say: str) -> None:
        """Run a few lines of Python."""
        self.run(str(self.python), "-I", "-c", code, say=say)

    def has(self, module: str) -> bool:
        """Return whether an extra's module is there."""
        code = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({module!r}) is None)"
        return not subprocess.run([str(self.python), "-I", "-c", code], cwd=self.folder).returncode

    def all(self, *, licences: bool) -> None:
        """Run every step."""
        if licences:
            self.python_runs(LICENCES, "the licences are with it")
        words = self.run(self.tocsin, "--help")
        verbs = re.findall(r"^  (\w+)  +[A-Z]", words, re.MULTILINE)
        if not {"replay", "fit", "explore"} <= set(verbs):
            sys.exit(f"the help does not list the verbs: {words}")
        for verb in verbs:
            self.run(self.tocsin, verb, "--help")
        self.run(self.tocsin, "histories")
        self.run(self.tocsin, "validate", "1917")
        self.python_runs(MODEL, "a history from frames: fit, simulate, attribute")
        few = ("--worlds", "100", "--seed", "1")
        self.run(self.tocsin, "replay", "1917", *few, "--out", "one")
        self.run(self.tocsin, "replay", "--again", "one/manifest.json", "--out", "two")
        one, two = ((self.folder / name / "ensemble.parquet").read_bytes() for name in ("one", "two"))
        if one != two:
            sys.exit("a replay does not come again to the bit")
        self.run(self.tocsin, "replay", "1917", *few, "--do", "remove layer comintern", "--out", "three")
        self.run(self.tocsin, "claims", "1917", "--out", "claims.html")
        self.run(self.tocsin, "ledger", "1917", *few)
        if self.has("uvicorn"):
            self.explore()
        if self.has("nutpie"):
            self.python_runs(BAYES, "a posterior")

    def explore(self) -> None:
        """Start the explorer, ask it, and stop it."""
        command = [self.tocsin, "explore", "1917", "--worlds", "50", "--port", "0"]
        server = subprocess.Popen(
            command, cwd=self.folder, env=self.environment, stdout=subprocess.PIPE, text=True
        )
        try:
            assert server.stdout is not None
            found = re.search(r"http://[\d.:]+/", server.stdout.readline())
            if found is None:
                sys.exit("the explorer did not start")
            for path in ("", "page/main.js", "api/about", "api/worlds?do=remove+layer+comintern"):
                with urllib.request.urlopen(found[0] + path, timeout=60) as answer:
                    if answer.headers["x-content-type-options"] != "nosniff" or not answer.read():
                        sys.exit(f"the explorer's answer to /{path} is not as it should be")
            server.send_signal(signal.SIGINT)
            server.wait(30)
        finally:
            server.kill()
            server.wait()
        self.done += 1
        print("           the explorer answers and stops", flush=True)


if __name__ == "__main__":
    main()
