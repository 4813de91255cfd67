"""`celeriac up -A proj` and `doctor -A proj`: what somebody else's app says, and what holds for its fleet."""
