"""The rules: states, facts and how they fold into a task. No I/O, standard library only."""
