"""What a check says against something, for tests of what it must let pass."""

from collections.abc import Callable


def raised_by(check: Callable[..., object], *given: object) -> Exception | None:
    """What was raised; None if it passed."""
    try:
        check(*given)
    except Exception as refusal:
        return refusal
    return None
