"""The one error that a command raises on purpose; driver and HTTP errors are translated to it where they arise."""


class CliError(Exception):
    """One sentence for the person at the terminal; the process ends with exit code 1."""
