"""Pictures, tables and reports of results; the job that makes them all."""
