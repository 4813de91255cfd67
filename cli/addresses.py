"""Keeps, in the data folder of a running `celeriac up`, where its servers are: for `doctor` and `migrate`."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from cli.embedded.files import write_secret
from cli.errors import CliError
from settings import Settings

FILE = "urls.json"


@dataclass(frozen=True, slots=True)
class Addresses:
    """URLs with their passwords: never printed."""

    api_url: str
    database_url: str = field(repr=False)
    broker_url: str = field(repr=False)
    result_url: str = field(repr=False)
    redis_url: str = field(repr=False)
    flower_url: str | None = field(default=None, repr=False)
    """The URL of Flower, with a login in it; None where none was started."""
    host: str | None = None
    """The host on which the API listens, as `up` was told; None in a file of an `up` from before this was kept."""
    asks_for_key: bool = False


def write_addresses(data: Path, addresses: Addresses) -> None:
    """Store the addresses in the data folder, readable by its owner only."""
    write_secret(data / FILE, json.dumps(asdict(addresses), indent=2) + "\n")


def read_addresses(data: Path) -> Addresses | None:
    """Return the addresses; None if no `up` runs in this folder. Raises CliError where they cannot be read."""
    try:
        return Addresses(**json.loads((data / FILE).read_text()))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CliError(f"{data / FILE} cannot be read: {error.strerror}.") from error
    except (ValueError, TypeError):
        # Not from the error: it would carry the text, passwords included.
        raise CliError(f"{data / FILE} is not understood: was it written by another release of Celeriac?") from None


def forget_addresses(data: Path) -> None:
    """Remove the addresses from the data folder."""
    (data / FILE).unlink(missing_ok=True)


def with_addresses(settings: Settings) -> Settings:
    """Return settings whose missing URLs are those of the `up` in their data folder."""
    addresses = read_addresses(settings.data)
    if addresses is None:
        return settings
    names = ("database_url", "broker_url", "result_url", "redis_url")
    missing = {name: getattr(addresses, name) for name in names if not getattr(settings, name)}
    return settings.model_copy(update=missing)
