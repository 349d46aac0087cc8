"""One file a tier: a context manager `make(folder)` that opens one with nothing in it."""
