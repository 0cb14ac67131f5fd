"""A growing record, watched: news comes in, the model is fitted anew, and a dated bulletin says what to expect."""
