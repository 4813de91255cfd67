"""Two versions: of Celeriac, as pyproject.toml has it, and of the REST contract (docs/rest-contract.md)."""

RELEASE = "0.1.0"
VERSION = "1.0.0"
"""The version of the contract, which `GET /health` answers."""
