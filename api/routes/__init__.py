"""One file for each noun of the REST reference."""
