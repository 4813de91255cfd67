"""`celeriac up -A proj` and `doctor -A proj`: what is read from somebody else's app, and what is told about its fleet."""
