"""What a route asks of the key that it is called with. Each route declares one (`api/declarations.py`).

A key of `CELERIAC_API_KEYS` has all scopes, and one that ends in `:read` has the first alone; a key of the table has
those that it was made with (`domain/principals.py`).
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class Scope(StrEnum):
    """What a caller may do."""

    READ = "read"
    SUBMIT = "submit"
    OPERATE = "operate"
    ADMIN = "admin"


MEANINGS: Mapping[Scope, str] = MappingProxyType(
    {
        Scope.READ: "look at everything that is recorded, arguments and results included, but for hidden values",
        Scope.SUBMIT: "make new tasks and workflows",
        Scope.OPERATE: "act on what is there: tasks, workflows, workers, alerts, marks, saved filters",
        Scope.ADMIN: "make and revoke keys, reveal hidden values, and change by which rules everybody is served",
    }
)
