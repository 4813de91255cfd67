"""What `celeriac top` shows: the Overview of the dashboard, in the same words, on a terminal."""
