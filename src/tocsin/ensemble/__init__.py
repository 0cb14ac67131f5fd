"""Many worlds: drawing them, their storage, the questions that can be put to them, and their comparison."""
