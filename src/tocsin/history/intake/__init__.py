"""The ways into a history from what researchers hold, and the account of what was read, used and left out."""
