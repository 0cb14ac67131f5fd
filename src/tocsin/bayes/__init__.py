"""The posterior of a model: NUTS, random effects, leave-future-out comparison (extra `bayes`)."""
