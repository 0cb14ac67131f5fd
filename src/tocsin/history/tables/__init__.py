"""Tables from files and frames, read cell by cell; every fault is told with its place."""
