"""Use cases: one verb, one function. Each takes a connection and never commits."""
