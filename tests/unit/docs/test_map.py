"""docs/map.md is what `make map` makes of the code."""

from fastapi.routing import APIRoute

from api.app import ROUTERS
from api.routing import API_PREFIX
from tools.code_map import PAGE, noun_of, render, routes


def test_the_page_is_that_of_the_code() -> None:
    assert PAGE.read_text() == render(), "run `make map`"


def test_every_route_of_the_api_is_found_in_the_code() -> None:
    known = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
    served = [f"{verb} {route.path.removeprefix(API_PREFIX)}" for route in known for verb in route.methods or ()]
    assert sorted(routes()) == sorted(served)


def test_a_name_belongs_to_the_first_noun_that_has_a_word_of_it() -> None:
    assert noun_of("store/queries/workflow_results") == "Workflows"
    assert noun_of("celeriac:cancelled:<task_id>") == "Cancels"
    assert noun_of("domain/whatever_comes") == "The rest"
