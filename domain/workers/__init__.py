"""Workers: when one counts as gone, what is wished of it, and its figures."""
