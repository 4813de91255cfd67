"""One running stack for all tests of this folder that do it no harm."""

from collections.abc import Iterator

import pytest

from tests.acceptance.stack import Stack, running


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running(tmp_path_factory.mktemp("up"), flower=True, from_nothing=True) as stack:
        yield stack
