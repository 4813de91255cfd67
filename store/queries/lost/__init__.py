"""Questions about what is not where it should be."""
