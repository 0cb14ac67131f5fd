"""A program joins a model with a history: names become arrays, and a hazard becomes one thing."""

from tocsin.program.compile import compile_program
from tocsin.program.program import Program

__all__ = ["Program", "compile_program"]
