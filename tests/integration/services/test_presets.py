"""Presets on a real database."""

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.errors import InvalidRequest
from domain.presets import Preset
from services import presets
from tests.authors import AUTHOR


async def test_so_many_presets_may_be_saved_and_no_more(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        for name in ("a", "b"):
            await presets.save_preset(connection, Preset(name, "", {}), most=2, author=AUTHOR)
        with pytest.raises(InvalidRequest, match="remove one first"):
            await presets.save_preset(connection, Preset("c", "", {}), most=2, author=AUTHOR)
        await presets.delete_preset(connection, "a", author=AUTHOR)
        await presets.save_preset(connection, Preset("c", "", {}), most=2, author=AUTHOR)
