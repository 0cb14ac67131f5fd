"""The maximum of a likelihood: where to begin, what is held, and the search."""
