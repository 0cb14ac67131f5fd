"""Compiled loops over arrays: streams, clocks, simulation, sweeps; they know no names."""
