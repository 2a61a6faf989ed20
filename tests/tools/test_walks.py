"""Every list walked by its cursor: the whole of it once, also while its rows come and go."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from okta_mcp.sandbox.directory import Organisation, Row
from tests.sandbox.organisation import NOW, Context, fresh
from tests.tools.reports.log_events import published, raw_event
from tests.vocabulary.northwind import Northwind
from tests.vocabulary.turnover import Turnover

_ORG = fresh()
HANA = _ORG.person("hana.help")["id"]
FINANCE = _ORG.group_named("dept-finance")["id"]
LEARNING, PAYROLL = (
    next(key for key, app in _ORG.apps.items() if app["label"] == label and _ORG.app_groups[key])
    for label in ("Learning", "Payroll")
)
POLICY = max(_ORG.rules, key=lambda key: len(_ORG.rules[key]))
SINCE = NOW - 3 * 86_400

Members = Callable[[Organisation], set[str]]


@dataclass(frozen=True)
class Walk:
    """A list, the ids that belong to it, and the field of a row that holds the id.

    A list that Okta gives in one piece ends where an answer would be larger than `at_bytes`.
    """

    tool: str
    arguments: dict[str, Any]
    members: Members
    at_bytes: int | None = None
    key: str = "id"

    def __str__(self) -> str:
        return "-".join([self.tool, *(name for name in self.arguments if name != "limit")])


def _dashboard(org: Organisation) -> set[str]:
    return {
        key
        for key, app in org.apps.items()
        if app["status"] == "ACTIVE"
        and not app["visibility"]["hide"]["web"]
        and HANA in org.assignments(key)
    }


def _with(table: str, name: str, value: str) -> Members:
    return lambda org: {key for key, row in getattr(org, table).items() if row[name] == value}


def _assigned(scope: str) -> Members:
    return lambda org: {
        key for key, row in org.assignments(PAYROLL).items() if row["scope"] == scope
    }


WALKS = [
    Walk("list_okta_users", {"limit": 25},
         lambda org: {key for key, row in org.users.items() if row["status"] != "DEPROVISIONED"}),
    Walk("list_okta_users", {"limit": 25, "search": 'status eq "ACTIVE"',
                             "sortBy": "profile.lastName", "sortOrder": "desc"},
         _with("users", "status", "ACTIVE")),
    Walk("list_okta_user_groups", {"user_id": HANA},
         lambda org: {group["id"] for group in org.groups_of(HANA)}, 900),
    Walk("list_okta_user_applications", {"user_id": HANA}, _dashboard, 900, "appInstanceId"),
    Walk("list_okta_user_factors", {"user_id": HANA},
         lambda org: {row["id"] for row in org.factors[HANA]}, 900),
    Walk("list_okta_groups", {"limit": 12}, lambda org: set(org.groups)),
    Walk("list_okta_group_users", {"group_id": FINANCE, "limit": 4},
         lambda org: set(org.members[FINANCE])),
    Walk("list_okta_group_applications", {"group_id": FINANCE, "limit": 3},
         lambda org: {key for key, groups in org.app_groups.items() if FINANCE in groups}),
    Walk("list_okta_group_rules", {"limit": 3}, lambda org: set(org.group_rules)),
    Walk("list_okta_applications", {"limit": 8}, lambda org: set(org.apps)),
    Walk("list_okta_application_users", {"app_id": PAYROLL, "limit": 4},
         lambda org: set(org.assignments(PAYROLL))),
    *(Walk("list_okta_application_users", {"app_id": PAYROLL, "limit": 4, "scope": scope},
           _assigned(scope)) for scope in ("USER", "GROUP")),
    Walk("list_okta_application_groups", {"app_id": LEARNING, "limit": 20},
         lambda org: set(org.app_groups[LEARNING])),
    *(Walk("get_okta_event_logs", {"since": published(SINCE), "limit": 60, "sortOrder": order},
           lambda org: {event["uuid"] for event in org.events
                        if published(SINCE) <= event["published"] < published(NOW)},
           key="uuid") for order in ("ASCENDING", "DESCENDING")),
    Walk("list_okta_policies", {"limit": 3}, lambda org: set(org.policies)),
    Walk("list_okta_policies", {"limit": 3, "q": "e"},
         lambda org: {key for key, row in org.policies.items() if "e" in row["name"].casefold()}),
    Walk("list_okta_policy_rules", {"policy_id": POLICY, "limit": 3},
         lambda org: {row["id"] for row in org.rules[POLICY]}),
    Walk("list_okta_network_zones", {"limit": 3}, lambda org: set(org.zones)),
    Walk("list_okta_network_zones", {"limit": 3, "type": "IP"}, _with("zones", "type", "IP")),
    Walk("list_okta_api_tokens", {"limit": 3}, lambda org: set(org.api_tokens)),
    Walk("list_okta_devices", {"limit": 12}, lambda org: set(org.devices)),
    Walk("list_okta_devices", {"user_id": HANA, "limit": 3},
         lambda org: {key for key, users in org.device_users.items() if HANA in users}),
]  # fmt: skip


def _event(at: float, uuid: str) -> Row:
    return raw_event(at=at, uuid=uuid)


@pytest.mark.parametrize("changes", [False, True], ids=["at rest", "while rows change"])
@pytest.mark.parametrize("walk", WALKS, ids=str)
async def test_a_walk_gives_every_row_that_stays_exactly_once(
    monkeypatch: pytest.MonkeyPatch, walk: Walk, changes: bool
) -> None:
    """I-04"""
    if walk.at_bytes is not None:
        monkeypatch.setattr("okta_mcp.tools.reader.MAX_ANSWER_BYTES", walk.at_bytes)
    northwind = Northwind(Context())
    org = northwind.organisation
    turnover = Turnover(
        org, northwind.context.now, _event, HANA, FINANCE, (PAYROLL, LEARNING), POLICY
    )
    for _ in range(25):
        turnover.grow()
    stayed = ever = walk.members(org)
    seen: list[str] = []
    cursor: dict[str, str] = {}
    answers = 0
    while True:
        told = await northwind.call(walk.tool, **walk.arguments, **cursor)
        assert not told.error
        seen += [row[walk.key] for row in told.answer["items"]]
        answers += 1
        if not told.answer["truncated"]:
            break
        cursor = {"after": told.cursor}
        if changes:
            turnover.grow()
            turnover.shrink()
            stayed, ever = stayed & walk.members(org), ever | walk.members(org)
    await northwind.http.aclose()
    assert answers > 1
    assert len(seen) == len(set(seen))
    assert stayed
    assert stayed <= set(seen) <= ever
