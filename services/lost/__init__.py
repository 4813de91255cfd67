"""What is not where it should be, and the proof that must be there before anything is done."""
