"""Forecasts as of a day, how past ones did, and a penalty chosen by them."""
