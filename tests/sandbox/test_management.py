"""Requests to the stand-in Management API: refusals first, then lists and single rows."""

import json
from collections.abc import AsyncIterator

import httpx
import pytest

from okta_mcp.sandbox.directory import ROLE_GROUPS, identifier, timestamp
from tests.sandbox.organisation import NOW, Context, next_link, walk

OKTA_MCP_APP = identifier("0oa", "Okta MCP")
EVERYONE = identifier("00g", "BUILT_IN/Everyone")
PAYMENTS = identifier("rst", "ACCESS_POLICY/Payments")
NORA = identifier("00u", "nora.super@northwind.example")
LENA = identifier("00u", "lena.leaver@northwind.example")


@pytest.fixture
def context() -> Context:
    return Context()


@pytest.fixture
async def http(context: Context):
    async with context.client() as client:
        yield client


def refused(response: httpx.Response, status: int, code: str) -> dict:
    body = response.json()
    assert (response.status_code, body["errorCode"]) == (status, code), body
    assert body["errorLink"] == code
    assert body["errorId"].startswith("oae")
    assert isinstance(body["errorCauses"], list)
    assert response.headers["X-Rate-Limit-Limit"]
    return body


async def pages(http: httpx.AsyncClient, path: str) -> AsyncIterator[list[dict]]:
    """One page after the other; where roles are asked, rows and next link stand in the body."""
    url: str | None = path
    while url is not None:
        response = await http.get(url)
        assert response.status_code == 200, response.text
        body = response.json()
        if isinstance(body, list):
            yield body
            url = next_link(response)
        else:
            yield body["value"]
            url = body["_links"].get("next", {}).get("href")


@pytest.mark.parametrize(
    "header", ["", "SSWS", "SSWS wrong", "Bearer wrong", "Basic 00sandboxtoken"]
)
async def test_a_request_without_a_good_token_is_refused(http, header: str) -> None:
    body = refused(await http.get("users", headers={"Authorization": header}), 401, "E0000011")
    assert body["errorSummary"] == "Invalid token provided"


async def test_a_persons_token_without_the_scope_is_refused(http, context: Context) -> None:
    context.bearers["t"] = context.organisation.user("nora.super")["id"], frozenset({"openid"})
    response = await http.get("logs", headers={"Authorization": "Bearer t"})
    refused(response, 403, "E0000006")
    assert 'error="insufficient_scope"' in response.headers["WWW-Authenticate"]


async def test_a_persons_token_is_refused_when_the_person_is_no_administrator(
    http, context: Context
) -> None:
    cole = context.organisation.user("cole.contractor")["id"]
    context.bearers["t"] = cole, frozenset({"okta.users.read"})
    refused(await http.get("users", headers={"Authorization": "Bearer t"}), 403, "E0000006")


async def test_a_persons_token_with_scope_and_role_reads_as_that_person(
    http, context: Context
) -> None:
    hana = context.organisation.user("hana.help")["id"]
    context.bearers["t"] = hana, frozenset({"okta.users.read"})
    response = await http.get("users/me", headers={"Authorization": "Bearer t"})
    assert response.json()["id"] == hana


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"])
async def test_nothing_can_be_written(http, method: str) -> None:
    response = await http.request(method, "users")
    assert response.status_code == 405
    if method != "HEAD":
        refused(response, 405, "E0000022")


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("nowhere", "E0000022"),
        ("users/00uNobody", "E0000007"),
        ("users/nora.super@northwind.example/factors", "E0000007"),
        ("users/ops%2Foncall@northwind.example", "E0000022"),
        ("groups/00gNothing", "E0000007"),
        ("groups/sso-viewers", "E0000007"),
        ("groups/00gNothing/users", "E0000007"),
        ("apps/0oaNothing/users", "E0000007"),
        ("policies/rstNothing/rules", "E0000007"),
        ("policies/rstNothing/mappings", "E0000007"),
        ("groups/00gNothing/apps", "E0000007"),
        ("groups/00gNothing/roles", "E0000007"),
        ("users/nora.super@northwind.example/roles", "E0000007"),
        ("users/nora.super@northwind.example/devices", "E0000007"),
        (f"apps/0oaNothing/users/{LENA}", "E0000007"),
        (f"apps/{identifier('0oa', 'Loan Desk')}/users/{LENA}", "E0000007"),
    ],
)
async def test_what_is_not_there_is_not_found(http, path: str, code: str) -> None:
    refused(await http.get(path), 404, code)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("users?limit=0", "E0000001"),
        ("users?limit=201", "E0000001"),
        ("users?limit=x", "E0000001"),
        ("users?after=forged", "E0000001"),
        ("users?after=%C3%A9", "E0000001"),
        ("groups?limit=10001", "E0000001"),
        ("apps?limit=201", "E0000001"),
        (f"apps/{OKTA_MCP_APP}/groups?limit=19", "E0000001"),
        (f"apps/{OKTA_MCP_APP}/groups?limit=201", "E0000001"),
        (f"apps/{OKTA_MCP_APP}/users?limit=501", "E0000001"),
        ("policies", "E0000028"),
        ("policies?type=NONE", "E0000001"),
        ("policies?type=IDENTITY_CLAIM_SOURCING", "E0000001"),
        ("policies?type=PASSWORD&status=ON", "E0000001"),
        ("groups/rules?limit=201", "E0000001"),
        (f"groups/{EVERYONE}/apps?limit=201", "E0000001"),
        ("iam/assignees/users?limit=0", "E0000001"),
        ("devices?limit=201", "E0000001"),
        ("devices?expand=users", "E0000001"),
        ("devices?search=user.id eq %22x%22", "E0000031"),
        ("users?search=lastLogin gt %222020-01-01T00:00:00.000Z%22", "E0000031"),
        ("users?search=status ne %22ACTIVE%22", "E0000053"),
        ("users?filter=profile.department eq %22IT%22", "E0000031"),
        ("zones?filter=type eq %22IP%22", "E0000031"),
        ("zones?filter=status eq %22ACTIVE%22", "E0000031"),
        ("logs?filter=published gt %222020-01-01T00:00:00.000Z%22", "E0000053"),
        ("logs?filter=debugContext.debugData.url co %22x%22", "E0000031"),
        ("logs?limit=1001", "E0000001"),
        ("logs?limit=-1", "E0000001"),
        ("logs?since=yesterday", "E0000053"),
        ("logs?since=2020-01-01T00:00:00.000Z", "E0000053"),
        ("logs?q=" + "+".join("abcdefghijk"), "E0000001"),
        ("logs?q=" + "a" * 41, "E0000001"),
    ],
)
async def test_a_query_that_okta_does_not_take_is_refused(http, path: str, code: str) -> None:
    refused(await http.get(path), 400, code)


@pytest.mark.parametrize(
    ("of", "path"),
    [
        ("users?limit=5", "groups"),
        ("users?limit=5", "users?search=id pr&sortBy=created"),
        ("logs?limit=5", "logs?until=2027-01-15T00:00:00.000Z"),
    ],
)
async def test_a_cursor_of_another_list_is_refused(http, of: str, path: str) -> None:
    cursor = httpx.URL(next_link(await http.get(of))).params["after"]
    joined = "&" if "?" in path else "?"
    refused(await http.get(f"{path}{joined}after={cursor}"), 400, "E0000001")


@pytest.mark.parametrize(
    "kind", ["POST_AUTH_SESSION", "ENTITY_RISK", "SESSION_VIOLATION_DETECTION"]
)
async def test_a_policy_type_that_was_not_bought_is_refused(http, kind: str) -> None:
    refused(await http.get(f"policies?type={kind}"), 401, "E0000015")


async def test_a_spent_bucket_refuses_until_its_window_ends(http, context: Context) -> None:
    context.profile = "integrator"
    for left in range(9, -1, -1):
        response = await http.get("logs?limit=1")
        assert response.headers["X-Rate-Limit-Remaining"] == str(left)
    response = await http.get("logs?limit=1")
    refused(response, 429, "E0000047")
    assert response.headers["X-Rate-Limit-Reset"] == str(int(NOW) + 60)
    context.seconds += 60
    assert (await http.get("logs?limit=1")).status_code == 200


@pytest.mark.parametrize(
    ("path", "count"),
    [
        ("users?limit=7", 238),
        ("users?search=id pr&limit=31", 250),
        ("users?search=id pr&sortBy=profile.lastName&sortOrder=desc&limit=50", 250),
        ("groups?limit=13", 170),
        ("apps", 30),
        ("apps?limit=3", 30),
        ("zones?limit=3", 8),
        ("policies?type=ACCESS_POLICY&limit=1", 4),
        ("policies?type=CLIENT_UPDATE", 0),
        (f"policies/{PAYMENTS}/rules?limit=1", 4),
        (f"groups/{EVERYONE}/apps?limit=2", 5),
        ("groups/rules?limit=4", 6),
        ("devices?limit=9", 60),
    ],
)
async def test_a_walk_gives_every_row_once(http, path: str, count: int) -> None:
    rows = await walk(http, path)
    assert len(rows) == len({row["id"] for row in rows}) == count


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_a_search_is_sorted_over_all_its_pages(http, order: str) -> None:
    rows = await walk(http, f"users?search=id pr&sortBy=created&sortOrder={order}&limit=60")
    created = [row["created"] for row in rows]
    assert created == sorted(created, reverse=order == "desc")


async def test_members_and_assignments_are_walked_like_lists(http, context: Context) -> None:
    everyone = context.organisation.group_named("Everyone")["id"]
    assert len(await walk(http, f"groups/{everyone}/users?limit=41")) == 238
    app = identifier("0oa", "Wiki")
    rows = await walk(http, f"apps/{app}/users?limit=33&expand=user")
    assert {row["id"] for row in rows} == set(context.organisation.assignments(app))
    assert rows[0]["_embedded"]["user"]["id"] == rows[0]["id"]
    assert {row["scope"] for row in rows} == {"USER", "GROUP"}


@pytest.mark.parametrize(
    "path",
    [
        "users?limit=7",
        "users?search=id pr&sortBy=profile.lastName&sortOrder=asc&limit=20",
        "users?search=id pr&sortBy=profile.lastName&sortOrder=desc&limit=20",
        "users?search=id pr&sortBy=lastLogin&sortOrder=desc&limit=20",
        f"groups/{EVERYONE}/users?limit=20",
        f"apps/{identifier('0oa', 'Wiki')}/users?limit=20",
        "iam/assignees/users?limit=5",
    ],
)
async def test_a_walk_gives_every_row_once_while_people_come_and_go(
    http, context: Context, path: str
) -> None:
    organisation, seen = context.organisation, []
    before = {row["id"] async for page in pages(http, path) for row in page}
    turn = 0
    async for page in pages(http, path):
        seen += [row["id"] for row in page]
        # The cursor stands on the last row, the hardest one to miss. Nora's token is the caller.
        if seen[-1] != NORA:
            organisation.remove_user(seen[-1])
        turn += 1
        organisation.add_user(f"{turn}@new.example", f"F{turn}", f"L{turn}", timestamp(NOW))
    assert len(seen) == len(set(seen))
    assert before <= set(seen)
    assert turn > 3


async def test_a_walk_gives_every_device_once_while_some_are_deleted(
    http, context: Context
) -> None:
    before, seen = set(context.organisation.devices), []
    async for page in pages(http, "devices?limit=7&expand=user"):
        seen += [row["id"] for row in page]
        del context.organisation.devices[seen[-1]]
    assert sorted(seen) == sorted(before)


async def test_self_and_next_are_separate_header_lines_and_next_is_opaque(http) -> None:
    lines = (await http.get("users?limit=5")).headers.get_list("link")
    assert [line.rpartition("; ")[2] for line in lines] == ['rel="self"', 'rel="next"']
    (last,) = (await http.get("zones")).headers.get_list("link")
    assert last.endswith('rel="self"')


async def test_deactivated_people_are_found_by_search_only(http) -> None:
    assert "DEPROVISIONED" not in {row["status"] for row in await walk(http, "users")}
    search = await walk(http, 'users?search=status eq "DEPROVISIONED"')
    assert len(search) == 12


async def test_q_finds_by_prefix_and_never_pages(http) -> None:
    response = await http.get("users?q=ann")
    assert 0 < len(response.json()) <= 10
    assert next_link(response) is None
    names = [row["profile"]["firstName"] for row in response.json()]
    assert all(name.startswith("Ann") for name in names)


async def test_credentials_are_left_out_when_the_content_type_asks(http) -> None:
    assert "credentials" in (await http.get("users?limit=1")).json()[0]
    omit = {"Content-Type": "application/json; okta-response=omitCredentials,omitCredentialsLinks"}
    assert "credentials" not in (await http.get("users?limit=1", headers=omit)).json()[0]
    links = {"Content-Type": "application/json; okta-response=omitCredentialsLinks"}
    assert "credentials" in (await http.get("users?limit=1", headers=links)).json()[0]


@pytest.mark.parametrize("name", ["nora.super@northwind.example", "NORA.super", "me"])
async def test_a_person_is_found_by_login_short_name_and_me(http, name: str) -> None:
    assert (await http.get(f"users/{name}")).json()["profile"]["firstName"] == "Nora"


@pytest.mark.parametrize(("name", "blocks"), [("edgar.exec", 1), ("nora.super", 0)])
async def test_the_blocks_of_a_person_come_on_request(http, name: str, blocks: int) -> None:
    assert "_embedded" not in (await http.get(f"users/{name}")).json()
    shown = (await http.get(f"users/{name}?expand=blocks")).json()
    assert len(shown["_embedded"]["blocks"]) == blocks


async def test_the_groups_of_a_person_carry_their_type(http) -> None:
    rows = (await http.get("users/cole.contractor/groups")).json()
    named = [row for row in rows if row["profile"]["name"] == ROLE_GROUPS["super-admin"]]
    assert [row["type"] for row in named] == ["APP_GROUP"]


async def test_app_links_name_only_what_is_visible_and_active(http) -> None:
    labels = {row["label"] for row in (await http.get("users/hana.help/appLinks")).json()}
    assert "Okta MCP" in labels
    assert not labels & {"Nightly Export", "Old Wiki"}


async def test_apps_of_a_person_are_found_by_filter(http, context: Context) -> None:
    hana = context.organisation.user("hana.help")["id"]
    rows = await walk(http, f'apps?filter=user.id eq "{hana}"')
    labels = {row["label"] for row in rows}
    assert "Okta MCP" in labels
    assert "Incident Board" not in labels
    assert "user" not in rows[0]


async def test_an_app_leads_to_its_policy_and_its_rules(http) -> None:
    app = (await http.get(f"apps/{OKTA_MCP_APP}")).json()
    policy = (await http.get(app["_links"]["accessPolicy"]["href"])).json()
    rules = await walk(http, f"policies/{policy['id']}/rules")
    rule = (await http.get(f"policies/{policy['id']}/rules/{rules[1]['id']}")).json()
    assert rule == rules[1]
    group = rule["conditions"]["people"]["groups"]["include"][0]
    assert (await http.get(f"groups/{group}")).json()["profile"]["name"] == "sso-super-admins"


async def test_the_groups_of_an_application_come_in_pages(http) -> None:
    path = f"apps/{identifier('0oa', 'Learning')}/groups"
    first = await http.get(path)
    assert len(first.json()) == 20
    rows = await walk(http, path)
    assert len(rows) == len({row["id"] for row in rows}) == 23
    assert [row["priority"] for row in rows] == list(range(23))


@pytest.mark.parametrize(
    ("query", "count"), [("status=ACTIVE", 4), ("status=INACTIVE", 0), ("q=pay", 1), ("q=none", 0)]
)
async def test_policies_are_chosen_by_status_and_prefix(http, query: str, count: int) -> None:
    assert len((await http.get(f"policies?type=ACCESS_POLICY&{query}")).json()) == count


async def test_the_mappings_of_a_policy_are_the_applications_that_name_it(http) -> None:
    for policy in (await http.get("policies?type=ACCESS_POLICY&expand=rules")).json():
        assert len(policy["_embedded"]["rules"]) >= 3
        mappings = await walk(http, policy["_links"]["mappings"]["href"])
        guarded = {row["_links"]["application"]["href"] for row in mappings}
        apps = await walk(http, "apps?limit=200")
        assert guarded == {
            app["_links"]["self"]["href"]
            for app in apps
            if app["_links"]["accessPolicy"]["href"] == policy["_links"]["self"]["href"]
        }
        assert guarded


async def test_one_assignment_says_whether_it_is_direct(http) -> None:
    scopes = {
        label: (await http.get(f"apps/{identifier('0oa', label)}/users/{LENA}")).json()["scope"]
        for label in ("Payroll", "Treasury")
    }
    assert scopes == {"Payroll": "USER", "Treasury": "GROUP"}


async def test_applications_of_a_person_carry_the_assignment_on_request(http) -> None:
    path = f'apps?filter=user.id eq "{LENA}"&expand=user/{LENA}&limit=200'
    rows = await walk(http, path)
    assert {row["_embedded"]["user"]["id"] for row in rows} == {LENA}


async def test_the_applications_of_a_group_are_those_that_name_it(http) -> None:
    finance = identifier("00g", "OKTA_GROUP/dept-finance")
    rows = await walk(http, f"groups/{finance}/apps")
    assert {row["label"] for row in rows} == {"Treasury", "Ledger", "Learning"}


async def test_groups_are_counted_on_request(http, context: Context) -> None:
    (row,) = (await http.get('groups?search=type eq "BUILT_IN"&expand=stats')).json()
    assert row["_embedded"]["stats"]["usersCount"] == len(context.organisation.members[EVERYONE])


async def test_an_embedded_group_comes_on_request(http) -> None:
    (first, *_) = (await http.get(f"apps/{OKTA_MCP_APP}/groups?expand=group")).json()
    assert first["_embedded"]["group"]["profile"]["name"] == "sso-super-admins"
    (found,) = (await http.get(f"apps/{OKTA_MCP_APP}/groups?expand=group&q=SSO-viewers")).json()
    assert found["_embedded"]["group"]["profile"]["name"] == "sso-viewers"


async def test_a_pending_factor_still_shows_its_secret_as_okta_does(http, context: Context) -> None:
    nils = context.organisation.user("nils.newjoiner")["id"]
    rows = (await http.get(f"users/{nils}/factors")).json()
    (pending,) = [row for row in rows if row["status"] == "PENDING_ACTIVATION"]
    assert pending["_embedded"]["activation"]["sharedSecret"]


async def test_a_reset_organisation_is_read_on_the_next_request(http, context: Context) -> None:
    context.organisation.zones.clear()
    assert (await http.get("zones")).json() == []
    context.organisation = Context().organisation
    assert json.loads((await http.get("zones?limit=3")).text)
