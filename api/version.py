"""The version of the REST contract, as the reference names it; the package has its own in pyproject.toml."""

VERSION = "1.0.0"
