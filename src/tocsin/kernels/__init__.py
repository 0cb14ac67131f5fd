"""Compiled loops over arrays: streams, clocks, simulation, sweeps. They know no names and import nothing of Tocsin."""
