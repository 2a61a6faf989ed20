"""Groups to roles, and the one lookup per person and interval behind every call."""

import asyncio
from dataclasses import dataclass, field

import pytest

from okta_mcp.okta.directory import (
    DirectoryUnavailableError,
    Group,
    Membership,
    PersonInactiveError,
    SignInAgainError,
)
from okta_mcp.okta.oidc import UpstreamTokens
from okta_mcp.rbac.policy import SECURITY_ADMIN, SUPER_ADMIN, VIEWER, Role
from okta_mcp.rbac.roles import LiveRoles, RoleDecision, RoleMapping
from okta_mcp.stores.memory import MemoryStore
from okta_mcp.stores.records import Records
from tests.vocabulary.clock import Clock

SOC_ID = "00g1emaKYZTWRYYRRTSK"
MAPPING = RoleMapping(
    {
        VIEWER: ("staff", "Help Desk, EMEA", "soc"),
        SECURITY_ADMIN: ("soc", SOC_ID),
        SUPER_ADMIN: ("owners",),
    }
)
ANN = "00uann1234567890abcd"
TOKENS = UpstreamTokens({}, "id", "access", None)


def member_of(*groups: Group) -> Membership:
    return Membership(groups, "management_api")


def okta_group(name: str, group_id: str = "00gany") -> Group:
    return Group(name, group_id, "OKTA_GROUP")


@pytest.mark.parametrize(
    "group",
    [
        okta_group("Staff"),
        okta_group("staff "),
        okta_group(" staff"),
        okta_group("staff-emea"),
        okta_group("sta"),
        okta_group(""),
        okta_group("ｓｔａｆｆ"),
        okta_group("stаff"),
        okta_group("staff,soc"),
        okta_group("other", SOC_ID.lower()),
        okta_group("other", SOC_ID[:-1]),
        Group("owners", "00gapp", "APP_GROUP"),
        Group("owners", "00gapp", "app_group"),
        Group("owners", "00gapp", ""),
        Group("owners", "00gapp", "SOMETHING_NEW"),
    ],
    ids=repr,
)
def test_a_group_that_only_resembles_a_mapped_one_grants_nothing(group: Group) -> None:
    """U-27: exact names and case; a name on a group of an application is anybody's choice."""
    assert MAPPING.decided(member_of(group)) == RoleDecision(None, (), "management_api")


def test_a_group_that_is_named_like_the_id_of_a_mapped_one_grants_nothing() -> None:
    """U-27: who may create groups could otherwise choose a role."""
    group = okta_group(SOC_ID, "00gsomethingelse0000")
    assert MAPPING.decided(member_of(group)).role is None


def test_nobody_has_a_role_without_groups() -> None:
    """B-06, U-27."""
    assert MAPPING.decided(Membership((), "id_token")) == RoleDecision(None, (), "id_token")


@pytest.mark.parametrize(
    ("groups", "role", "matched"),
    [
        ((okta_group("staff"),), VIEWER, ("staff",)),
        ((okta_group("Help Desk, EMEA"),), VIEWER, ("Help Desk, EMEA",)),
        ((okta_group("soc"),), SECURITY_ADMIN, ("soc",)),
        ((okta_group("staff"), okta_group("owners")), SUPER_ADMIN, ("owners",)),
        ((okta_group("owners"), okta_group("soc")), SUPER_ADMIN, ("owners",)),
        ((okta_group("anything", SOC_ID),), SECURITY_ADMIN, ("anything",)),
        ((Group("anything", SOC_ID, "APP_GROUP"),), SECURITY_ADMIN, ("anything",)),
        ((Group("owners", "00gb", "BUILT_IN"),), SUPER_ADMIN, ("owners",)),
        ((Group("owners"),), SUPER_ADMIN, ("owners",)),
        (
            (Group("owners", "00gapp", "APP_GROUP"), okta_group("staff")),
            VIEWER,
            ("staff",),
        ),
    ],
)
def test_the_highest_role_of_all_groups_wins(
    groups: tuple[Group, ...], role: Role, matched: tuple[str, ...]
) -> None:
    """B-14."""
    assert MAPPING.decided(member_of(*groups)) == RoleDecision(role, matched, "management_api")


def test_a_role_between_the_three_has_its_place_in_the_order() -> None:
    mapping = RoleMapping({VIEWER: ("staff",), "help-desk": ("desk",), SUPER_ADMIN: ("owners",)})
    of = {name: okta_group(name) for name in ("staff", "desk", "owners")}
    assert mapping.decided(member_of(of["staff"], of["desk"])).role == "help-desk"
    assert mapping.decided(member_of(of["desk"], of["owners"])).role == SUPER_ADMIN


def test_a_group_that_only_looks_like_a_mapped_one_is_named() -> None:
    """So that `policy explain` can say why it gives nothing."""
    imported, named_like_an_id = Group("owners", "00gapp", "APP_GROUP"), okta_group(SOC_ID, "00gx")
    membership = member_of(imported, named_like_an_id, okta_group("staff"), okta_group("other"))
    assert MAPPING.look_alikes(membership) == (imported, named_like_an_id)


@dataclass
class ScriptedDirectory:
    """Answers what it is told to; counts questions, and waits while `gate` is closed."""

    answer: Membership | Exception = field(default_factory=lambda: member_of(okta_group("staff")))
    questions: list[tuple[str, str | None]] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.gate.set()

    async def at_sign_in(self, user_id: str, tokens: UpstreamTokens) -> Membership:
        return await self.now(user_id, None)

    async def now(self, user_id: str, upstream_id: str | None) -> Membership:
        self.questions.append((user_id, upstream_id))
        await self.gate.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@dataclass
class Setting:
    """`elsewhere` is another process with the same store."""

    roles: LiveRoles
    elsewhere: LiveRoles
    directory: ScriptedDirectory
    clock: Clock
    inactive: list[str]
    changes: list[tuple[str, Role | None, Role | None]]

    async def role(self, user_id: str = ANN, upstream_id: str | None = None) -> Role | None:
        return (await self.roles.current(user_id, upstream_id)).role

    async def is_asked(self, times: int = 1) -> None:
        """Until the directory has been asked so often."""
        for _ in range(1_000_000):
            if len(self.directory.questions) >= times:
                return
            await asyncio.sleep(0)
        raise AssertionError("the directory has not been asked")

    def will_answer(self, answer: Exception | str | None) -> None:
        if isinstance(answer, Exception):
            self.directory.answer = answer
        else:
            self.directory.answer = member_of(*([okta_group(answer)] if answer else []))


@pytest.fixture
def live() -> Setting:
    directory, clock = ScriptedDirectory(), Clock()
    inactive: list[str] = []
    changes: list[tuple[str, Role | None, Role | None]] = []

    async def on_inactive(user_id: str) -> None:
        inactive.append(user_id)

    def on_change(user_id: str, before: RoleDecision, now: RoleDecision) -> None:
        changes.append((user_id, before.role, now.role))

    records = Records(MemoryStore(clock))

    def process() -> LiveRoles:
        return LiveRoles(
            directory,
            MAPPING,
            records,
            ttl_seconds=60,
            now=clock,
            on_inactive=on_inactive,
            on_change=on_change,
        )

    return Setting(process(), process(), directory, clock, inactive, changes)


async def test_a_failure_is_an_error_and_is_not_remembered(live: Setting) -> None:
    """B-10."""
    live.will_answer(DirectoryUnavailableError("okta_unavailable"))
    for _ in range(2):
        with pytest.raises(DirectoryUnavailableError):
            await live.role()
    live.will_answer("staff")
    assert await live.role() == VIEWER
    assert len(live.directory.questions) == 3


async def test_okta_away_means_the_known_role_until_its_time_is_over(live: Setting) -> None:
    """B-10: the time is not extended."""
    assert await live.role() == VIEWER
    live.will_answer(DirectoryUnavailableError("okta_unavailable"))
    live.clock.pass_seconds(59.9)
    assert await live.role() == VIEWER
    live.clock.pass_seconds(0.1)
    with pytest.raises(DirectoryUnavailableError):
        await live.role()


async def test_a_failed_question_by_a_refresh_leaves_the_known_role_for_its_time(
    live: Setting,
) -> None:
    await live.role()
    live.will_answer(DirectoryUnavailableError("okta_unavailable"))
    with pytest.raises(DirectoryUnavailableError):
        await live.roles.asked(ANN, None)
    assert await live.role() == VIEWER


@pytest.mark.parametrize("error", [PersonInactiveError(ANN), SignInAgainError(ANN)])
async def test_an_ended_sign_in_or_account_refuses_every_time(
    live: Setting, error: Exception
) -> None:
    live.will_answer(error)
    for _ in range(2):
        with pytest.raises(type(error)):
            await live.role()


async def test_an_inactive_account_is_reported_and_its_role_forgotten(live: Setting) -> None:
    """B-09."""
    await live.role()
    live.clock.pass_seconds(30)
    live.will_answer(PersonInactiveError(ANN))
    with pytest.raises(PersonInactiveError):
        await live.roles.asked(ANN, None)
    assert live.inactive == [ANN]
    with pytest.raises(PersonInactiveError):
        await live.role()


async def test_an_account_that_is_inactive_at_sign_in_is_reported_too(live: Setting) -> None:
    """B-09: what it was given before ends."""
    live.will_answer(PersonInactiveError(ANN))
    with pytest.raises(PersonInactiveError):
        await live.roles.at_sign_in(ANN, None, TOKENS)
    assert live.inactive == [ANN]


async def test_fifty_who_meet_an_inactive_account_report_it_once(live: Setting) -> None:
    """B-09."""
    live.will_answer(PersonInactiveError(ANN))
    answers = await asyncio.gather(*(live.role() for _ in range(50)), return_exceptions=True)
    assert {type(answer) for answer in answers} == {PersonInactiveError}
    assert live.inactive == [ANN]


async def test_fifty_at_once_share_one_lookup(live: Setting) -> None:
    answers = await asyncio.gather(*(live.role() for _ in range(50)))
    assert set(answers) == {VIEWER}
    assert len(live.directory.questions) == 1


async def test_people_and_sign_ins_do_not_share_a_lookup(live: Setting) -> None:
    """B-12."""
    await asyncio.gather(live.role("00ua"), live.role("00ub"), live.role("00ua", "upstream"))
    assert sorted(live.directory.questions, key=str) == [
        ("00ua", "upstream"),
        ("00ua", None),
        ("00ub", None),
    ]


async def test_a_caller_that_goes_away_does_not_end_the_lookup_of_the_others(
    live: Setting,
) -> None:
    live.directory.gate.clear()
    first = asyncio.create_task(live.role())
    second = asyncio.create_task(live.role())
    await live.is_asked()
    first.cancel()
    live.directory.gate.set()
    assert await second == VIEWER
    assert len(live.directory.questions) == 1


async def test_within_the_interval_nobody_is_asked_again(live: Setting) -> None:
    await live.role()
    live.clock.pass_seconds(59.9)
    await live.role()
    assert len(live.directory.questions) == 1


@pytest.mark.parametrize(
    ("group", "role"), [(None, None), ("soc", SECURITY_ADMIN), ("owners", SUPER_ADMIN)]
)
async def test_a_change_of_groups_takes_effect_when_the_interval_is_over(
    live: Setting, group: str | None, role: Role | None
) -> None:
    """B-08."""
    await live.role()
    live.will_answer(group)
    live.clock.pass_seconds(60)
    assert await live.role() == role
    assert live.changes == [(ANN, VIEWER, role)]


async def test_an_unchanged_role_is_not_reported(live: Setting) -> None:
    await live.role()
    live.clock.pass_seconds(60)
    await live.role()
    assert live.changes == []


async def test_the_interval_counts_from_the_question_not_from_the_answer(live: Setting) -> None:
    """B-08: a slow answer is already old when it comes."""
    live.directory.gate.clear()
    slow = asyncio.create_task(live.role())
    await live.is_asked()
    live.clock.pass_seconds(40)
    live.directory.gate.set()
    await slow
    live.clock.pass_seconds(19.9)
    await live.role()
    assert len(live.directory.questions) == 1
    live.clock.pass_seconds(0.1)
    await live.role()
    assert len(live.directory.questions) == 2


async def test_a_refresh_asks_even_within_the_interval_and_its_answer_counts(
    live: Setting,
) -> None:
    """B-08."""
    await live.role()
    live.clock.pass_seconds(30)
    live.will_answer("owners")
    assert (await live.roles.asked(ANN, None)).role == SUPER_ADMIN
    live.clock.pass_seconds(59.9)
    assert await live.role() == SUPER_ADMIN
    assert len(live.directory.questions) == 2


async def test_the_role_of_a_sign_in_is_remembered_for_the_interval(live: Setting) -> None:
    decision = await live.roles.at_sign_in(ANN, None, TOKENS)
    assert decision.role == VIEWER
    live.clock.pass_seconds(59.9)
    await live.role()
    assert len(live.directory.questions) == 1
    live.clock.pass_seconds(0.1)
    await live.role()
    assert len(live.directory.questions) == 2


# --- several processes with one store ---


async def test_a_question_of_one_process_answers_all(live: Setting) -> None:
    await live.role()
    assert (await live.elsewhere.current(ANN, None)).role == VIEWER
    assert len(live.directory.questions) == 1


async def test_two_processes_that_need_the_role_at_once_ask_once(live: Setting) -> None:
    live.directory.gate.clear()
    both = [asyncio.create_task(each.current(ANN, None)) for each in (live.roles, live.elsewhere)]
    await live.is_asked()
    live.directory.gate.set()
    assert [(await each).role for each in both] == [VIEWER, VIEWER]
    assert len(live.directory.questions) == 1


async def test_what_another_process_learned_is_no_older_than_the_interval(live: Setting) -> None:
    """B-08."""
    await live.role()
    live.will_answer("owners")
    live.clock.pass_seconds(60)
    assert (await live.elsewhere.current(ANN, None)).role == SUPER_ADMIN
    assert live.changes == [(ANN, VIEWER, SUPER_ADMIN)]


async def test_a_change_that_one_process_learned_counts_for_all_at_once(live: Setting) -> None:
    """B-08."""
    await live.role()
    live.will_answer(None)
    await live.elsewhere.asked(ANN, None)
    assert await live.role() is None


async def test_a_refresh_asks_while_another_process_is_asking(live: Setting) -> None:
    live.directory.gate.clear()
    first = asyncio.create_task(live.role())
    await live.is_asked()
    second = asyncio.create_task(live.elsewhere.asked(ANN, None))
    await live.is_asked(2)
    live.directory.gate.set()
    await asyncio.gather(first, second)


async def test_an_older_answer_does_not_replace_a_newer_one(live: Setting) -> None:
    live.directory.gate.clear()
    slow = asyncio.create_task(live.role())
    await live.is_asked()
    live.clock.pass_seconds(1)
    gate, live.directory.gate = live.directory.gate, asyncio.Event()
    live.directory.gate.set()
    live.will_answer("owners")
    await live.elsewhere.asked(ANN, None)
    live.will_answer("staff")
    gate.set()
    assert await slow == SUPER_ADMIN
    assert await live.role() == SUPER_ADMIN


async def test_a_process_that_died_while_it_asked_keeps_nobody_waiting(
    live: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("okta_mcp.stores.leases._LOOK_SECONDS", 0.0001)
    monkeypatch.setattr("okta_mcp.rbac.roles._PATIENCE_SECONDS", 0.001)
    live.directory.gate.clear()
    dead = asyncio.create_task(live.elsewhere.current(ANN, None))
    await live.is_asked()
    waiting = asyncio.create_task(live.role())
    await live.is_asked(2)
    live.directory.gate.set()
    assert await waiting == VIEWER
    await dead


async def test_an_answer_from_the_future_is_not_believed(live: Setting) -> None:
    """B-08: another machine's clock must not make a role last longer."""
    live.clock.pass_seconds(3000)
    await live.role()
    live.clock.pass_seconds(-3000)
    live.will_answer("owners")
    assert await live.role() == SUPER_ADMIN
