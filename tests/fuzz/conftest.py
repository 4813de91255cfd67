"""One running stack for everything that is sent to it; whatever a test does to it, it has to bear."""

from collections.abc import Iterator

import pytest

from tests.acceptance.stack import Stack, running


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running(tmp_path_factory.mktemp("fuzz")) as stack:
        yield stack
