"""The version of the REST contract (docs/rest-contract.md); the package has its own in pyproject.toml."""

VERSION = "1.0.0"
