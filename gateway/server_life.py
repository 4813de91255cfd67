"""Which life of a Redis server this is: whatever was sent to an earlier one, this one may not have."""

from datetime import UTC, datetime, timedelta

from domain.proofs import ServerLife

LIFE_CHARACTERS = 12
"""How many of the forty characters are kept by which Redis tells one life from another: each dispatch has them."""
MOST_SECONDS = 100 * 365 * 24 * 3600


def life_of(answer: object) -> str | None:
    """Return what `INFO server` says of it; None where the server does not tell."""
    life = answer.get("run_id") if isinstance(answer, dict) else None
    return str(life)[:LIFE_CHARACTERS] if life else None


def server_life_of(answer: object) -> ServerLife:
    """Return the life of the server with its beginning, by our clock."""
    seconds = answer.get("uptime_in_seconds") if isinstance(answer, dict) else None
    if not isinstance(seconds, int) or not 0 <= seconds <= MOST_SECONDS:
        return ServerLife(life_of(answer), None)
    return ServerLife(life_of(answer), datetime.now(UTC) - timedelta(seconds=seconds))
