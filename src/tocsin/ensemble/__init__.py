"""Many worlds: their storage, the questions that can be put to them, and their comparison."""

from tocsin.ensemble.ensemble import Ensemble
from tocsin.ensemble.frame import Followed, Frame, frame_of
from tocsin.ensemble.observed import observed_world

__all__ = ["Ensemble", "Followed", "Frame", "frame_of", "observed_world"]
