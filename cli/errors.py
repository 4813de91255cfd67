"""The one error that a command raises on purpose; driver and HTTP errors are translated to it where they arise."""


class CliError(Exception):
    """One sentence for the person at the terminal; the process ends with this exit code."""

    exit_code = 1


class OpenAccess(CliError):
    """What was asked for would let in everybody who reaches an address; nothing has been started."""

    exit_code = 2
