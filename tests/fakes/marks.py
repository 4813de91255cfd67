"""Degradation marks where nothing is marked."""

from domain.degradation import NO_MARKS, Marks


class FakeMarks:
    """Stands in for `services.resident.degradation.DegradationMarks`."""

    def current(self) -> Marks:
        return NO_MARKS

    async def fresh(self) -> Marks:
        return NO_MARKS
