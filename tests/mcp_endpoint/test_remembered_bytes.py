"""How much of the lists is kept: what servers behind the gateway list may be long."""

import json

from okta_mcp.inventory import named_only, policy_for
from okta_mcp.mcp_endpoint.remembered_lists import Key, RememberedLists

LARGE = 5 * 1024 * 1024


def keep(lists: RememberedLists, role: str, size: int) -> Key:
    key: Key = ("tools/list", None, role, None, ())
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "result": {"tools": ["x" * size]}}).encode()
    answer = [
        {"type": "http.response.start", "status": 200, "headers": []},
        {"type": "http.response.body", "body": body},
    ]
    lists.keep(key, answer, (), 1)
    return key


def test_large_lists_push_out_the_oldest_and_small_ones_stay() -> None:
    lists = RememberedLists(policy_for(named_only(), None))
    keys = [keep(lists, f"role {number}", LARGE) for number in range(10)]
    keys += [keep(lists, f"small {number}", 1000) for number in range(10)]
    assert [lists.get(key) is not None for key in keys] == [False] * 7 + [True] * 13


def test_a_list_that_is_made_again_counts_once() -> None:
    lists = RememberedLists(policy_for(named_only(), None))
    first = keep(lists, "viewer", 1000)
    for _ in range(10):
        again = keep(lists, "super-admin", LARGE)
    assert lists.get(first) is not None
    assert lists.get(again) is not None


def test_a_list_beyond_the_bound_is_made_each_time() -> None:
    lists = RememberedLists(policy_for(named_only(), None))
    assert lists.get(keep(lists, "viewer", 4 * LARGE)) is None
    assert lists.get(keep(lists, "viewer", 1000)) is not None
