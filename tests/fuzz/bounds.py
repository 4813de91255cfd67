"""What holds while anything at all is sent to a running stack, however slow the machine is that runs the tests.

`python -m bench.drills fuzz` measures how well; here nothing may hang, swell, die or stand still.
"""

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager

from bench.fuzzing.watch import Watched, beside
from tests.acceptance.stack import Stack

SEED_VARIABLE = "FUZZ_SEED"
SEED = int(os.environ.get(SEED_VARIABLE) or random.SystemRandom().randrange(2**32))
ANSWER_SECONDS = 15.0
LATE_SECONDS = 10.0
"""Until a probe's task is completed, and until `/health/live` answers."""
PATIENCE_SECONDS = 30.0
MOST_MIB = 768.0
"""Of any single process; a stack at rest has none above 200."""


@contextmanager
def bounded(stack: Stack) -> Iterator[None]:
    """Around an attack: work goes on meanwhile, no process dies, none swells."""
    print(f"{SEED_VARIABLE}={SEED}")
    with beside(stack.url, stack.pid, patience=PATIENCE_SECONDS) as (watch, prober):
        yield
    found = prober.found
    assert found.failures == [], again()
    assert max(found.late) < LATE_SECONDS, (found.late, again())
    assert max(found.live) < LATE_SECONDS, (found.live, again())
    assert watch.found.restarted == [], again()
    assert swollen(watch.found) == {}, again()


def swollen(watched: Watched) -> dict[str, float]:
    """MiB by kind of process, of those beyond the bound."""
    return {kind: size for kind, size in watched.most.items() if size > MOST_MIB}


def again() -> str:
    """How to see the same once more."""
    return f"again with {SEED_VARIABLE}={SEED}"
