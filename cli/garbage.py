"""When Python looks for garbage in what `celeriac` becomes: not while it starts, and seldom afterwards."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

SELDOM = (50_000, 20, 20)
"""New objects beyond those that went, and how many such rounds until older ones are looked through as well."""


@contextmanager
def nothing_goes() -> Iterator[None]:
    """Import in this block: what comes with modules never goes, and looking through it is a sixth of a start."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def look_for_garbage_seldom() -> None:
    """Never look again through what never goes, and through the rest only when much has come.

    115,000 objects of modules are a fifth of the mirror's time. A batch makes some hundred thousand more, next to none
    of them in circles: with Python's own thresholds of 700, the mirror takes in 8 % fewer events.
    """
    gc.freeze()
    gc.set_threshold(*SELDOM)
