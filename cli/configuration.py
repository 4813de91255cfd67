"""Reads the settings for a command and refuses, in one sentence, what the command cannot run with."""

import json
import os
import sys
from collections.abc import Iterable
from difflib import get_close_matches

from pydantic import ValidationError

from cli.errors import CliError
from domain.server_urls import MASK, mask_options, mask_url
from settings import Settings

PREFIX = "CELERIAC_"
OF_THE_CLIENT = frozenset({"CELERIAC_URL", "CELERIAC_API_KEY", "CELERIAC_REASON"})
"""Variables that are no settings: the commands that ask the API read them."""
OF_THE_PLUGIN = frozenset({"CELERIAC_PAYLOAD_KEYS"})
"""Variables that are no settings: the plugin reads them, in workers and in clients. No other child is given them."""
SECRETS = ("api_keys", "metrics_key", "flower_basic_auth", "oidc_client_secret", "audit_key", "encryption_keys")
"""Settings that nobody is shown, and that only processes of ours are given: workers run the code of others."""
NEVER_EMPTY = frozenset({"api_keys"})
"""Variables that, set and empty, are a slip that settings refuse."""

# A user's module of one of these names would never be found: ours comes first.
RESERVED_MODULES = {"api", "cli", "dashboard", "domain", "gateway", "loops", "mirror", "services", "store", "tasks"} | {
    "background",
    "celeriac_command",
    "celeriac_worker",
    "celeryconfig",
    "logs",
    "settings",
}


def read_settings(**options: object) -> Settings:
    """Return the environment's settings, overridden by the options that are not None."""
    given = {name: value for name, value in options.items() if value is not None}
    try:
        settings = Settings(**given)  # type: ignore[arg-type]
    except ValidationError as error:
        raise CliError(" ".join(_sentence(problem) for problem in error.errors(include_input=False))) from None
    _refuse_room_names(settings.task_modules)
    return settings


def require_urls(settings: Settings, *names: str) -> None:
    """Refuse to start without these; what another setting stands in for is not missing. Raises CliError."""
    stand_ins = {"redis_url": settings.effective_redis_url, "result_url": settings.effective_result_url}
    missing = [variable(name) for name in names if not (getattr(settings, name) or stand_ins.get(name))]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        raise CliError(f"{', '.join(missing)} {verb} not set; `celeriac up` starts servers of its own instead.")


def variable(field: str) -> str:
    """Return the variable of a setting: `port` is `CELERIAC_PORT`."""
    return PREFIX + field.upper()


def unknown_variables() -> dict[str, str | None]:
    """Return variables with our prefix that nothing reads, each with the one that was perhaps meant."""
    names = [
        name.removeprefix(PREFIX) for name in (*map(variable, Settings.model_fields), *OF_THE_CLIENT, *OF_THE_PLUGIN)
    ]
    given = {name: name.upper().removeprefix(PREFIX) for name in sorted(os.environ) if name.upper().startswith(PREFIX)}
    unknown = {name: rest for name, rest in given.items() if rest not in names}
    return {name: next(map(variable, get_close_matches(rest, names, n=1)), None) for name, rest in unknown.items()}


def tell_unknown_variables() -> None:
    """Print unknown variables on stderr, a line for each."""
    for name, meant in unknown_variables().items():
        print(f"celeriac: nothing reads {name}" + (f"; did you mean {meant}?" if meant else "."), file=sys.stderr)


def described(field: str) -> str:
    """Return a setting's meaning, so that an option and its variable are explained alike."""
    return f"{Settings.model_fields[field].description} [{variable(field)}]"


def as_environment(settings: Settings) -> dict[str, str]:
    """Return the variables from which a child process gets these settings."""
    values = {name: getattr(settings, name) for name in Settings.model_fields}
    unset = {name for name, value in values.items() if value is None or (name in NEVER_EMPTY and not value)}
    return {variable(name): as_text(value) for name, value in values.items() if name not in unset}


def as_text(value: object) -> str:
    """Return a value as it stands in the environment."""
    if isinstance(value, tuple):
        return ",".join(value)
    if isinstance(value, dict):
        return json.dumps(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def masked(field: str, value: object) -> str:
    """Return a value that may be shown: no password, no key."""
    if field in SECRETS:
        return ",".join(MASK for _ in value) if isinstance(value, tuple) else MASK
    if isinstance(value, dict):
        return json.dumps(mask_options(value))
    return mask_url(as_text(value)) if field.endswith("_url") else as_text(value)


def _sentence(problem: object) -> str:
    assert isinstance(problem, dict)
    message = str(problem["msg"]).removeprefix("Value error, ")
    # What several settings together make wrong has no place of its own, and names them itself.
    return f"{variable(str(problem['loc'][0]))}: {message}." if problem["loc"] else f"{message}."


def _refuse_room_names(modules: Iterable[str]) -> None:
    for module in modules:
        if module.split(".")[0] in RESERVED_MODULES:
            raise CliError(
                f"CELERIAC_TASK_MODULES names {module!r}, but `{module.split('.')[0]}` is a package of Celeriac's own; "
                "put your tasks under another name."
            )
