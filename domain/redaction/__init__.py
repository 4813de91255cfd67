"""What is hidden of arguments and results on every way out: which names and places, and the mask itself."""
