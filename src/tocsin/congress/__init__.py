"""Delegates: what experts expected, as a weight on parameters, beside what came."""
