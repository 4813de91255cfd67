"""What stands between a request and what is marked, broken or too slow."""
