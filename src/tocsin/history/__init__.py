"""The record of what happened: tables, reading, writing, validating; the packaged histories."""

from tocsin.history.record import History, load_history

__all__ = ["History", "load_history"]
