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
