"""Background loops, one per file, all alike: `run_once()` does one round."""
