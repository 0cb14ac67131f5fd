"""The explorer: a page on which a history is played, questioned and changed, and the server that feeds it."""
