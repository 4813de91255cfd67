"""One running stack for all examples of docs/rest-contract.md."""

from collections.abc import Iterator

import pytest

from tests.acceptance.stack import Stack, running


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running(tmp_path_factory.mktemp("contract"), flower=True) as stack:
        yield stack
