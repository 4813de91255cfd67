"""Filter presets: those that ship with Celeriac stand before those that clients save, and do not change."""

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.audit import Action, Author, Change
from domain.errors import BuiltInPreset, InvalidRequest, PresetExists, PresetNotFound
from domain.presets import BUILT_IN, Preset, built_in
from services.audit import record_change
from store.queries import presets

MAX_PRESETS = 1_000


async def save_preset(
    connection: AsyncConnection, preset: Preset, *, author: Author, most: int = MAX_PRESETS
) -> Preset:
    """Store it; raises PresetExists if the name is taken, InvalidRequest if there are as many as may be already."""
    saved, _ = await presets.list_presets(connection, limit=0, offset=0)
    if saved >= most:
        raise InvalidRequest.of_field("name", f"there are {most:,} saved presets; remove one first")
    added = None if built_in(preset.name) else await presets.add_preset(connection, preset)
    if added is None:
        raise PresetExists(f"There is a preset of this name: {preset.name}")
    await record_change(connection, Change(Action.PRESET_SAVE, added.name, after=_shown(added)), author=author)
    return added


async def find_preset(connection: AsyncConnection, name: str) -> Preset:
    """Return the preset of this name; raises PresetNotFound."""
    preset = built_in(name) or await presets.get_preset(connection, name)
    if preset is None:
        raise PresetNotFound
    return preset


async def list_presets(connection: AsyncConnection, *, limit: int, offset: int) -> tuple[int, list[Preset]]:
    """Return how many presets there are and one page of them: ours, then the saved ones by name."""
    ours = list(BUILT_IN[offset : offset + limit])
    saved, page = await presets.list_presets(connection, limit=limit - len(ours), offset=max(0, offset - len(BUILT_IN)))
    return len(BUILT_IN) + saved, ours + page


async def delete_preset(connection: AsyncConnection, name: str, *, author: Author) -> None:
    """Remove a saved preset; raises BuiltInPreset for ours, PresetNotFound if there is none."""
    if built_in(name):
        raise BuiltInPreset
    before = await presets.get_preset(connection, name)
    if before is None or not await presets.delete_preset(connection, name):
        raise PresetNotFound
    await record_change(connection, Change(Action.PRESET_DELETE, name, before=_shown(before)), author=author)


def _shown(preset: Preset) -> dict[str, object]:
    return {"description": preset.description, "filters": preset.filters}
