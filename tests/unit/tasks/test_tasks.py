import hashlib
import os
from pathlib import Path

import pytest
from celery.exceptions import Retry

from tasks import files
from tasks.app import app
from tasks.basics import add, echo, fail, flaky, sleep
from tasks.examples import process_data, process_payment
from tasks.files import hash_file
from tasks.text import wordcount

SHIPPED = {
    "celeriac.add",
    "celeriac.echo",
    "celeriac.fail",
    "celeriac.flaky",
    "celeriac.hash_file",
    "celeriac.sleep",
    "celeriac.wordcount",
    "process_data",
    "process_payment",
}


def test_exactly_the_nine_tasks_ship() -> None:
    app.loader.import_default_modules()
    assert {name for name, task in app.tasks.items() if task.__module__.startswith("tasks.")} == SHIPPED


def test_echo_gives_back_what_it_got() -> None:
    assert echo(1, "a", key=[2]) == {"args": [1, "a"], "kwargs": {"key": [2]}}


def test_add_sleep_and_fail_do_what_they_say() -> None:
    assert add(2, 3) == 5
    assert sleep(0.01) == 0.01
    with pytest.raises(RuntimeError, match=r"^on purpose$"):
        fail("on purpose")


def test_flaky_asks_for_a_retry_until_it_has_failed_often_enough() -> None:
    for retries in range(2):
        with pytest.raises(Retry, match=f"k: failure {retries + 1} of 2"):
            _at_attempt(retries)
    assert _at_attempt(2) == {"key": "k", "attempts": 3}


def test_wordcount_counts_what_stands_between_white_space() -> None:
    assert wordcount("to be or\nnot  to be, To") == {"to": 2, "be": 1, "or": 1, "not": 1, "be,": 1, "To": 1}
    assert wordcount("") == {}


def test_hash_file_reads_files_of_the_workers_folder(folder: Path) -> None:
    (folder / "sub").mkdir()
    (folder / "sub" / "a.bin").write_bytes(b"x" * 100_000)
    (folder / "link").symlink_to("sub/a.bin")
    digest = hashlib.sha256(b"x" * 100_000).hexdigest()
    assert hash_file("sub/a.bin") == hash_file("link") == hash_file(str(folder / "sub" / "a.bin")) == digest


@pytest.mark.parametrize("path", ["../secret", "/etc/hostname", "escape", "folder-link/secret", "sub/../../secret"])
def test_hash_file_refuses_whatever_leads_out_of_the_folder(folder: Path, path: str) -> None:
    (folder.parent / "secret").write_text("s")
    (folder / "escape").symlink_to(folder.parent / "secret")
    (folder / "folder-link").symlink_to(folder.parent)
    with pytest.raises(PermissionError, match="outside the folder of the worker"):
        hash_file(path)


def test_hash_file_refuses_a_folder_of_a_like_name_beside_its_own(folder: Path) -> None:
    neighbour = folder.with_name(folder.name + "-other")
    neighbour.mkdir()
    (neighbour / "a").write_text("a")
    with pytest.raises(PermissionError):
        hash_file(str(neighbour / "a"))


@pytest.mark.parametrize(
    "path",
    [
        "data/postgres/password",
        "data/urls.json",
        "data/no-such-file",
        "./data/../data/urls.json",
        "link-to-data/urls.json",
        "link-to-file",
        ".env",
        "sub/.env",
        ".git/config",
        ".ssh/../.env",
        "sub/.hidden/a",
        "link-to-env",
    ],
)
def test_hash_file_refuses_the_data_folder_and_what_is_hidden_by_a_dot(
    folder: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    for name in ("data/postgres", ".git", ".ssh", "sub/.hidden"):
        (folder / name).mkdir(parents=True)
    for name in ("data/postgres/password", "data/urls.json", ".env", "sub/.env", ".git/config", "sub/.hidden/a"):
        (folder / name).write_text("secret")
    (folder / "link-to-data").symlink_to("data")
    (folder / "link-to-file").symlink_to("data/urls.json")
    (folder / "link-to-env").symlink_to(".env")
    monkeypatch.setattr(files, "DATA", (folder / "data").resolve())
    with pytest.raises(PermissionError, match="is hidden"):
        hash_file(path)


def test_hash_file_reads_nothing_where_the_folder_itself_holds_the_data(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "urls.json").write_text("secret")
    for data in (folder, folder.parent):
        monkeypatch.setattr(files, "DATA", data.resolve())
        with pytest.raises(PermissionError, match="is hidden"):
            hash_file("urls.json")


def test_hash_file_names_what_it_cannot_read(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    with pytest.raises(ValueError, match="pipe is not a file"):
        hash_file("pipe")
    with pytest.raises(ValueError, match=r"\. is not a file"):
        hash_file(".")
    with pytest.raises(FileNotFoundError, match="nothing does not exist"):
        hash_file("nothing")


@pytest.mark.parametrize(
    ("currency", "amount", "text", "minor"),
    [
        ("USD", 99.99, "99.99", 9999),
        ("usd", 0.005, "0.01", 1),
        ("JPY", 1250.4, "1250", 1250),
        ("EUR", "1e2", "100.00", 10000),
    ],
)
def test_a_payment_is_rounded_to_what_its_currency_has(currency: str, amount: float, text: str, minor: int) -> None:
    receipt = process_payment(1234, currency=currency, amount=amount)
    assert receipt == {"order_id": 1234, "currency": currency.upper(), "amount": text, "minor_units": minor}


def test_a_payment_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="Order 7: the amount must be positive"):
        process_payment(7, currency="USD", amount=0.001)


def test_rows_are_summed_up_by_numeric_column() -> None:
    summary = process_data([{"a": 1, "b": "x", "c": True}, {"a": 3.5}, {}])
    assert summary == {"rows": 3, "columns": {"a": {"count": 2, "min": 1, "max": 3.5, "mean": 2.25}}}
    assert process_data([]) == {"rows": 0, "columns": {}}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that the worker is taken to have started in."""
    own = tmp_path / "own"
    own.mkdir()
    monkeypatch.setattr(files, "FOLDER", own.resolve())
    return own


def _at_attempt(retries: int) -> object:
    """One run of `flaky("k", 2)` as a worker does it, with so many retries behind it."""
    flaky.push_request(args=("k", 2), kwargs={}, retries=retries, called_directly=False, is_eager=True, id="t")
    try:
        return flaky.run("k", 2)
    finally:
        flaky.pop_request()
