"""What an event says was raised, where Celery says it badly."""

WRAPPER = "ExceptionWithTraceback()"
"""What Celery 5.7 tells of tasks whose process did not live to tell: beyond a hard time limit, or killed."""


def told_exception(exception: str | None, traceback: str | None) -> str | None:
    """The exception of an event; in the place of the wrapper what its traceback ends with, None where that has no end.

    `TimeLimitExceeded: 1`, as the result backend has it.
    """
    if exception != WRAPPER:
        return exception
    lines = (traceback or "").splitlines()
    raised = next((line for line in reversed(lines) if _names_an_exception(line)), None)
    if raised is None:
        return None
    path, _, message = raised.partition(": ")
    name = path.rsplit(".", 1)[-1]
    # billiard's own exceptions say their arguments once more: `TimeLimitExceeded(1,)`.
    arguments = message.removeprefix(name)
    if arguments != message and arguments.startswith("(") and arguments.endswith(")"):
        message = arguments[1:-1].removesuffix(",")
    return f"{name}: {message}"


def _names_an_exception(line: str) -> bool:
    """Whether it is the last line of a traceback: `billiard.exceptions.WorkerLostError: Worker exited`."""
    path, colon, _ = line.partition(": ")
    return bool(colon) and path.replace(".", "").replace("_", "").isalnum()
