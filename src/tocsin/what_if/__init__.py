"""Worlds with a change beside the same worlds without it."""
