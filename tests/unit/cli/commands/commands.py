"""Runs a command as the command line does, for tests."""

from typer.testing import CliRunner, Result

from cli.main import application


def run(*arguments: str) -> Result:
    """Raises what the command raises."""
    result = CliRunner().invoke(application(list(arguments)), list(arguments))
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result
