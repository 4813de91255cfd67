"""The data folder is its owner's alone, whatever it was before."""

import os
from pathlib import Path

import pytest

from cli.embedded.files import OURS, make_folder, open_private, tighten
from cli.errors import CliError

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")


def mode(path: Path) -> int:
    return path.lstat().st_mode & 0o777


def opened(data: Path) -> list[Path]:
    """A data folder as an older `up` under a wide umask left it; returns all that is in it."""
    for folder in ("logs", "postgres/cluster/base", "valkey/appendonlydir", "flower"):
        (data / folder).mkdir(parents=True)
    for file in (
        "lock",
        "urls.json",
        "logs/api.log",
        "postgres/port",
        "postgres/cluster/base/1",
        "valkey/appendonlydir/a",
    ):
        (data / file).write_text("x")
    found = [data, *data.rglob("*")]
    for path in found:
        path.chmod(0o777 if path.is_dir() else 0o666)
    return found


def test_a_new_folder_can_be_entered_by_its_owner_only(tmp_path: Path) -> None:
    make_folder(tmp_path / "data")
    assert mode(tmp_path / "data") == 0o700


def test_an_old_one_that_stood_open_is_closed_with_all_that_is_ours_in_it(tmp_path: Path) -> None:
    data = tmp_path / "data"
    found = opened(data)
    make_folder(data)
    tighten(data)
    left_open = {str(path.relative_to(data)) for path in found if mode(path) & 0o077}
    # PostgreSQL refuses to start on a cluster that others can enter, and makes it itself.
    assert left_open == {"postgres/cluster", "postgres/cluster/base", "postgres/cluster/base/1"}


def test_what_is_not_ours_in_it_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    (tmp_path / "secret").chmod(0o644)
    data = tmp_path / "data"
    opened(data)
    (data / "mine").write_text("x")
    (data / "mine").chmod(0o644)
    (data / "logs" / "link").symlink_to(tmp_path / "secret")
    tighten(data)
    assert mode(data / "mine") == mode(tmp_path / "secret") == 0o644


@pytest.mark.parametrize("wide", [0o777, 0o755, 0o710, 0o701])
def test_an_open_folder_with_other_things_is_refused_and_left_alone(tmp_path: Path, wide: int) -> None:
    """`--data .`, `--data ~`, `--data /tmp`: closing those would do harm."""
    data = tmp_path / "home"
    data.mkdir()
    (data / "photos").mkdir()
    data.chmod(wide)
    with pytest.raises(CliError, match=r"open to other users and holds other things, such as photos"):
        make_folder(data)
    assert mode(data) == wide
    data.chmod(0o700)
    make_folder(data)


@as_root
def test_a_folder_of_another_user_is_refused_unless_it_was_lent(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    os.chown(data, 12345, 12345)
    with pytest.raises(CliError, match=r"belongs to another user \(uid 12345\)"):
        make_folder(data)
    make_folder(data, lent_to=12345)


def test_a_file_that_is_opened_private_is_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with open_private(tmp_path / "lock") as file:
            file.write("x")
    finally:
        os.umask(before)
    assert mode(tmp_path / "lock") == 0o600
    assert {"lock", "logs"} <= set(OURS)
