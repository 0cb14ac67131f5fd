"""The declaration of a model. A model knows no history."""
