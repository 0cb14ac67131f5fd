"""Whether contagion is what it seems: rival explanations set beside it."""
