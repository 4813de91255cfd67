from hashlib import sha256

from domain.idempotency import request_key


def test_the_same_request_has_the_same_key() -> None:
    assert request_key("/tasks", "k", body=b"{}") == request_key("/tasks", "k", body=b"{}")


def test_another_body_is_another_body_of_the_same_request() -> None:
    one, other = request_key("/tasks", "k", body=b"{}"), request_key("/tasks", "k", body=b"{ }")
    assert one.request_hash == other.request_hash
    assert one.body_hash != other.body_hash


def test_another_path_or_key_is_another_request() -> None:
    keys = [request_key(*given, body=b"") for given in (("/tasks", "k"), ("/tasks/batch", "k"), ("/tasks", "k2"))]
    assert len({key.request_hash for key in keys}) == 3


def test_each_owner_has_keys_of_its_own_and_none_is_stored() -> None:
    owners = [sha256(b"one").digest(), sha256(b"other").digest(), None]
    keys = [request_key("/tasks", "k", body=b"", owner=owner) for owner in owners]
    assert len({key.request_hash for key in keys}) == 3
    assert [key.ownerless_hash for key in keys] == [keys[2].request_hash, keys[2].request_hash, None]
    assert not any(owner in key.request_hash for key in keys for owner in owners if owner)


def test_without_an_owner_the_hash_is_what_it_always_was() -> None:
    assert request_key("/tasks", "k", body=b"").request_hash == sha256(b"/tasks\0k").digest()
