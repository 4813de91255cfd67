"""What is not where it should be: who finds it, by what proof, and what is then done."""
