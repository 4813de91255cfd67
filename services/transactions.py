"""How a verb of several transactions gets them: from the door that calls it, since only doors commit."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from sqlalchemy.ext.asyncio import AsyncConnection

Transact = Callable[[], AbstractAsyncContextManager[AsyncConnection]]
"""Opens a transaction that is committed at the end of its block, and rolled back if that raises: `engine.begin`."""
