"""Our app's worker as a node that is killed, restarted and cut off from its broker."""

from pytest_celery import RESULT_TIMEOUT, CeleryTestSetup

from tests.patience import PATIENCE_SECONDS


def test_a_task_runs_and_gives_its_result(celery_setup: CeleryTestSetup) -> None:
    assert celery_setup.ready(ping=False, control=True, docker=False)
    added = celery_setup.app.send_task("celeriac.add", args=(2, 3))
    counted = celery_setup.app.send_task("celeriac.wordcount", args=("a b a",))
    assert added.get(timeout=RESULT_TIMEOUT) == 5
    assert counted.get(timeout=RESULT_TIMEOUT) == {"a": 2, "b": 1}
    celery_setup.worker.assert_log_exists("succeeded in")


def test_a_task_queued_while_its_worker_is_dead_is_done_after_the_restart(celery_setup: CeleryTestSetup) -> None:
    celery_setup.worker.kill()
    queued = celery_setup.app.send_task("celeriac.add", args=(1, 1))
    assert not queued.ready()
    celery_setup.worker.restart()
    assert queued.get(timeout=RESULT_TIMEOUT) == 2


def test_the_worker_outlives_a_restart_of_its_broker_and_finishes_what_it_runs(celery_setup: CeleryTestSetup) -> None:
    running = celery_setup.app.send_task("celeriac.sleep", args=(4,))
    celery_setup.worker.assert_log_exists(f"Task celeriac.sleep[{running.id}] received")
    celery_setup.broker.restart()
    afterwards = celery_setup.app.send_task("celeriac.add", args=(1, 2))
    assert running.get(timeout=RESULT_TIMEOUT) == 4
    assert afterwards.get(timeout=RESULT_TIMEOUT) == 3
    runs = celery_setup.worker.logs().count(f"Task celeriac.sleep[{running.id}] succeeded")
    assert runs == 1


def test_a_task_whose_process_is_killed_runs_again(celery_setup: CeleryTestSetup) -> None:
    deadly = celery_setup.app.send_task("celeriac.sleep", args=(3,))
    celery_setup.worker.assert_log_exists(f"Task celeriac.sleep[{deadly.id}] received")
    _kill_pool_process(celery_setup)
    assert deadly.get(timeout=RESULT_TIMEOUT) == 3


def _kill_pool_process(setup: CeleryTestSetup) -> None:
    stats = setup.app.control.inspect(timeout=PATIENCE_SECONDS, limit=1).stats()
    ((_, node),) = stats.items()
    for pid in node["pool"]["processes"]:
        setup.worker.container.exec_run(["kill", "-9", str(pid)])
