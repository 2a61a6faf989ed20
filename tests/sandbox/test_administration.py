"""Roles, API tokens and devices as the stand-in Management API shows them."""

import httpx
import pytest

from okta_mcp.sandbox.directory import identifier
from tests.sandbox.organisation import ORG, Context, next_link, walk

HANA = identifier("00u", "hana.help@northwind.example")
LENA = identifier("00u", "lena.leaver@northwind.example")


@pytest.fixture
async def http():
    async with Context().client() as client:
        yield client


async def test_a_role_says_whether_it_comes_from_a_group_and_which(http) -> None:
    rows = (await http.get(f"users/{HANA}/roles")).json()
    assert [(row["type"], row["assignmentType"]) for row in rows] == [
        ("HELP_DESK_ADMIN", "USER"),
        ("REPORT_ADMIN", "USER"),
        ("READ_ONLY_ADMIN", "GROUP"),
    ]
    group = (await http.get(rows[2]["_links"]["assignee"]["href"])).json()
    assert group["profile"]["name"] == "sso-viewers"
    assert (await http.get(f"groups/{group['id']}/roles")).json() == [rows[2]]


async def test_somebody_without_a_role_has_an_empty_list(http) -> None:
    zoe = identifier("00u", "zoe.oconnor@northwind.example")
    assert (await http.get(f"users/{zoe}/roles")).json() == []


async def test_a_custom_role_names_its_role_and_resource_set(http) -> None:
    sami = identifier("00u", "sami.soc@northwind.example")
    (custom, _) = (await http.get(f"users/{sami}/roles")).json()
    assert (custom["type"], custom["label"]) == ("CUSTOM", "Incident responder")
    assert custom["_links"]["resource-set"]["href"].endswith(custom["resource-set"])


async def test_the_bounds_of_a_role_come_on_request(http) -> None:
    assert "_embedded" not in (await http.get(f"users/{HANA}/roles")).json()[0]
    (helper, *_) = (await http.get(f"users/{HANA}/roles?expand=targets/groups")).json()
    names = [group["profile"]["name"] for group in helper["_embedded"]["targets"]["groups"]]
    assert names == ["site-prague", "site-oslo"]
    (owner, _) = (await http.get(f"users/{LENA}/roles?expand=targets/catalog/apps")).json()
    apps = owner["_embedded"]["targets"]["catalog"]["apps"]
    assert [app["name"] for app in apps] == ["northwind_payroll_1"]


async def test_those_who_hold_a_role_page_by_a_link_in_the_body(http) -> None:
    first = await http.get("iam/assignees/users?limit=20")
    assert "link" not in first.headers
    url = httpx.URL(first.json()["_links"]["next"]["href"])
    assert str(url).startswith(f"{ORG}/api/v1/iam/assignees/users?limit=20&after=")
    second = (await http.get(url)).json()
    rows = first.json()["value"] + second["value"]
    assert second["_links"] == {}
    assert len({row["id"] for row in rows}) == len(rows) == 36
    assert {HANA, LENA} <= {row["id"] for row in rows}


async def test_api_tokens_come_in_one_list_without_the_secret(http) -> None:
    response = await http.get("api-tokens")
    assert next_link(response) is None
    assert len(response.json()) == 9
    assert not {"token", "value"} & set().union(*response.json())


@pytest.mark.parametrize(
    ("search", "count"),
    [
        ('status eq "SUSPENDED"', 3),
        ("profile.managed eq false", 11),
        ('profile.diskEncryptionType eq "NONE"', 7),
        ('profile.platform eq "WINDOWS" or profile.platform eq "MACOS"', 36),
        ("profile.integrityJailbreak eq true", 2),
        ('profile.displayName sw "lena"', 1),
        ('profile.displayName co "nobody"', 0),
    ],
)
async def test_devices_are_searched(http, search: str, count: int) -> None:
    assert len(await walk(http, f"devices?limit=10&search={search}")) == count


async def test_the_people_of_a_device_come_on_request(http) -> None:
    search = 'search=profile.displayName sw "lena"'
    (plain,) = (await http.get(f"devices?{search}")).json()
    (full,) = (await http.get(f"devices?{search}&expand=user")).json()
    (short,) = (await http.get(f"devices?{search}&expand=userSummary")).json()
    assert "_embedded" not in plain
    assert full["_embedded"]["users"][0]["user"]["profile"]["city"] == "Vienna"
    assert short["_embedded"]["users"][0]["user"]["id"] == LENA
    assert "city" not in short["_embedded"]["users"][0]["user"]["profile"]


async def test_the_devices_of_a_person(http) -> None:
    (row,) = (await http.get(f"users/{LENA}/devices")).json()
    assert row["device"]["profile"]["displayName"].startswith("Lena's")


async def test_group_rules_are_searched_and_name_their_groups_on_request(http) -> None:
    (rule,) = (await http.get("groups/rules?search=isMember&expand=groupIdToGroupNameMap")).json()
    names = rule["_embedded"]["groupIdToGroupNameMap"].values()
    assert sorted(names) == ["dept-engineering", "on-call"]
    (invalid,) = (await http.get("groups/rules?search=trading&expand=groupIdToGroupNameMap")).json()
    assert invalid["_embedded"]["groupIdToGroupNameMap"] == {}
    assert "_embedded" not in (await http.get("groups/rules")).json()[0]
