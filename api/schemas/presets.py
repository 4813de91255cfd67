"""Filter presets on the wire."""

from typing import Annotated, Any, Self

from pydantic import Field

from api.schemas.base import RequestModel, ResponseModel
from api.schemas.filters import TaskFilters
from api.schemas.pages import Page
from api.schemas.types import Text, Timestamp
from domain.presets import Preset

PRESET_NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"


class PresetSubmission(RequestModel):
    """The body of `POST /search/presets`."""

    name: Annotated[str, Field(pattern=PRESET_NAME, examples=["slow_payments"])]
    description: Annotated[Text, Field(max_length=500)] = ""
    filters: TaskFilters = Field(
        description="As the query parameters of /search/tasks; relative times count from when the preset is applied.",
        examples=[{"status": ["COMPLETED"], "queue_name": "payments", "min_duration": 5, "created_after": "-7d"}],
    )

    def as_preset(self) -> Preset:
        """The preset, with the filters as the client wrote them."""
        filters = self.filters.model_dump(mode="json", exclude_unset=True)
        return Preset(self.name, self.description, filters)


class PresetModel(ResponseModel):
    """A filter with a name."""

    name: str
    description: str
    filters: dict[str, Any]
    built_in: bool = Field(description="It ships with Celeriac and cannot be removed.")
    created_at: Timestamp | None

    @classmethod
    def from_preset(cls, preset: Preset) -> Self:
        return cls(
            name=preset.name,
            description=preset.description,
            filters=dict(preset.filters),
            built_in=preset.created_at is None,
            created_at=preset.created_at,
        )


class PresetPage(Page[PresetModel]):
    """A part of the list of presets; the rows stand under both names."""

    presets: list[PresetModel]
