"""What holds while anything at all is sent to a running stack, however slow the machine is that runs the tests.

`python -m bench.drills fuzz` measures how well; here nothing may hang, swell, die or stand still.
"""

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager

from bench.fuzzing.watch import Probes, WatchedProcesses, beside
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
    broken = list(broken_promises(prober.found, watch.found))
    assert not broken, "; ".join([*broken, again()])


def broken_promises(probes: Probes, watched: WatchedProcesses) -> Iterator[str]:
    """A sentence each."""
    yield from probes.failures
    if (late := max(probes.late)) > LATE_SECONDS:
        yield f"a probe was completed after {late:.1f} s"
    if (late := max(probes.live)) > LATE_SECONDS:
        yield f"/health/live took {late:.1f} s"
    yield from (f"{kind} has gone" for kind in watched.restarted)
    yield from (f"{kind} had {size:,.0f} MiB" for kind, size in watched.most.items() if size > MOST_MIB)


def again() -> str:
    """How to see the same once more."""
    return f"again with {SEED_VARIABLE}={SEED}"
