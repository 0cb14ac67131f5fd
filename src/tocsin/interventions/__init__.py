"""Changes of a program: declared, read from sentences, checked, applied."""
