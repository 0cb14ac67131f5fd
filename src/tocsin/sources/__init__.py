"""Readers of the field's data sets, one a file, each known by its columns; `tc.read` finds the one that fits."""
