"""Events known to lie in a span: their open times, and the likelihood over them."""
