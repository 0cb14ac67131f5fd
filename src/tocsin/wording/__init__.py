"""Numbers, dates and shares in words for people."""
