"""One module for each command, named like it; its function `command` has the options, and little more."""
