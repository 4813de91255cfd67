"""One function per question, verb first; each takes a connection and never commits."""
