"""The record of what happened: tables, reading, writing, validating; the packaged histories."""
