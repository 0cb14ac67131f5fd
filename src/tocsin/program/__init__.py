"""A program joins a model with a history: names become arrays, and a hazard becomes one thing."""
