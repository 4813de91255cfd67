"""The key of the seals over the audit: that of the setting, or one that `up` makes for its own database and keeps here.

It lies in the data folder (`audit/password`, readable by its owner only), and is never on a command line or in a log.
"""

from pathlib import Path

from cli.embedded.files import kept_password, make_folder
from settings import Settings

FOLDER = "audit"


def key_file(data: Path) -> Path:
    """Return where the key lies."""
    return data / FOLDER / "password"


def with_audit_key(settings: Settings) -> Settings:
    """Return the settings with a key, made at first use where none is named."""
    if settings.audit_key:
        return settings
    make_folder(settings.data)
    make_folder(settings.data / FOLDER)
    return settings.model_copy(update={"audit_key": (kept_password(settings.data / FOLDER),)})


def audit_keys_of(settings: Settings) -> tuple[bytes, ...]:
    """Return the keys to verify with: those of the setting, else that of a data folder which has one."""
    file = key_file(settings.data)
    if settings.audit_key or not file.exists():
        return settings.audit_keys
    return (file.read_bytes().strip(),)
