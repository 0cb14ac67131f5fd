"""Attribution: which cause, which source and which of its events moved the hazard of each event."""
