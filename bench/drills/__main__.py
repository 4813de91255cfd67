"""`python -m bench.drills NAME`: one drill; its options with `--help`. The exit code is 1 if a promise is broken."""

from collections.abc import Callable, Mapping

import typer

from bench.drills import (
    cancel_matrix,
    csv_export,
    dead_mirror,
    frozen_brokers,
    frozen_intake,
    frozen_postgres,
    full_disk,
    fuzz,
    half_open,
    keys_under_load,
    kills,
    mirror_away,
    owners_control,
    sentinel,
    shared_limit,
    soak,
    streams,
    true_figures,
    two_mirrors,
    webhooks,
)

DRILLS: Mapping[str, Callable[..., None]] = {
    "figures": true_figures.main,
    "export": csv_export.main,
    "limit": shared_limit.main,
    "frozen-postgres": frozen_postgres.main,
    "frozen-brokers": frozen_brokers.main,
    "mirror-away": mirror_away.main,
    "two-mirrors": two_mirrors.main,
    "dead-mirror": dead_mirror.main,
    "frozen-intake": frozen_intake.main,
    "full-disk": full_disk.main,
    "half-open": half_open.main,
    "kills": kills.main,
    "cancel": cancel_matrix.main,
    "sentinel": sentinel.main,
    "soak": soak.main,
    "fuzz": fuzz.main,
    "inspect": owners_control.main,
    "keys": keys_under_load.main,
    "streams": streams.main,
    "webhooks": webhooks.main,
}

application = typer.Typer(
    help="Drills: promises held against a running system.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for name, drill in DRILLS.items():
    application.command(name)(drill)

if __name__ == "__main__":
    application(prog_name="python -m bench.drills")
