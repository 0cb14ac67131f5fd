"""The verification suite, run by `uv run pytest verify`: against theory and rival programs, and slower."""

import sys
from pathlib import Path

# The random models of the tests serve here too, at greater length.
sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
