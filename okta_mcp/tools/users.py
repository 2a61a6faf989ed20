"""The tools about people: profile, status, groups, applications and factors.

Okta: /api/v1/users. Passwords, recovery answers and factor activations are in none of the shapes.
"""

from typing import Annotated, Any, Literal

from pydantic import Field

from okta_mcp.okta.ids import InvalidArgumentError, is_okta_id, user_segment
from okta_mcp.okta.paging import target_of
from okta_mcp.tools.answers import OktaTool, okta_tool
from okta_mcp.tools.grammars import USERS_FILTER, USERS_SEARCH
from okta_mcp.tools.reader import DEFAULT_LIMIT, After, Fields, Listing, Reader, Text
from okta_mcp.tools.schemas import EVENTUAL, list_schema, object_schema
from okta_mcp.tools.shapes import APP_LINK, FACTOR, GROUP_ROW, USER, USER_ROW

_ONE_WORD = (
    "q is the start of one name or of the email: give one word, or"
    ' search=profile.firstName eq "Ann" and profile.lastName eq "Lee"'
)

UserId = Annotated[str, Field(description="id or login")]


class UserTools:
    """The five tools of `okta.users.read`."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def tools(self) -> list[OktaTool]:
        """The tools, ready to be registered."""
        scopes = ("okta.users.read",)
        return [
            okta_tool(
                self.get_okta_user,
                title="Get a person",
                description=(
                    "One person by id or login: profile, status, dates; expand=blocks: locks on"
                    " sign-in from unknown devices."
                ),
                scopes=scopes,
                output_schema=object_schema(USER.full),
            ),
            okta_tool(
                self.list_okta_users,
                title="List people",
                description=(
                    "People of the organisation. search is the most capable"
                    f" ({USERS_SEARCH.example}; sw, gt, lt, pr; co only on names, login, email;"
                    " no ne; lastLogin cannot be searched). q matches the start of name or email."
                    " Without search or filter deprovisioned people are left out."
                ),
                scopes=scopes,
                output_schema=list_schema(USER_ROW.full, EVENTUAL),
            ),
            okta_tool(
                self.list_okta_user_groups,
                title="Groups of a person",
                description="The groups that a person belongs to.",
                scopes=scopes,
                output_schema=list_schema(GROUP_ROW.full),
            ),
            okta_tool(
                self.list_okta_user_applications,
                title="Applications of a person",
                description="The applications on a person's dashboard (active assignments).",
                scopes=scopes,
                output_schema=list_schema(APP_LINK.full),
            ),
            okta_tool(
                self.list_okta_user_factors,
                title="Sign-in factors of a person",
                description=(
                    "The enrolled sign-in factors of a person, as far as the enrolment policy"
                    " shows them."
                ),
                scopes=scopes,
                output_schema=list_schema(FACTOR.full),
            ),
        ]

    async def get_okta_user(
        self,
        user_id: UserId,
        expand: Literal["blocks"] | None = None,
        fields: Fields = "default",
    ) -> dict[str, Any]:
        path = target_of(f"/api/v1/users/{user_segment(user_id)}", {"expand": expand})
        return await self._reader.one(path, USER.of(fields))

    async def list_okta_users(
        self,
        search: Text = None,
        filter: Text = None,  # noqa: A002
        q: Text = None,
        sortBy: Text = None,  # noqa: N803
        sortOrder: Literal["asc", "desc"] | None = None,  # noqa: N803
        limit: Annotated[int, Field(ge=1, le=200)] = DEFAULT_LIMIT,
        after: After = None,
        fields: Fields = "default",
    ) -> dict[str, Any]:
        require_search_to_sort(search, sortBy, sortOrder)
        refuse_q_beside(search=search, filter=filter, q=q)
        answer = await self._reader.rows(
            Listing(
                tool="list_okta_users",
                path="/api/v1/users",
                shape=USER_ROW.of(fields),
                params={
                    "search": search,
                    "filter": filter,
                    "q": q,
                    "sortBy": sortBy,
                    "sortOrder": sortOrder,
                    "limit": limit,
                },
                after=after,
                grammars={"search": USERS_SEARCH, "filter": USERS_FILTER},
                one_page="q gives one page only; use search to see everybody" if q else None,
                if_empty=_ONE_WORD if q and " " in q.strip() else None,
            )
        )
        return {**answer, "consistency": "eventual"} if search else answer

    async def list_okta_user_groups(
        self, user_id: UserId, after: After = None, fields: Fields = "default"
    ) -> dict[str, Any]:
        return await self._reader.rows(
            Listing(
                tool="list_okta_user_groups",
                path=f"/api/v1/users/{user_segment(user_id)}/groups",
                shape=GROUP_ROW.of(fields),
                params={},
                after=after,
            )
        )

    async def list_okta_user_applications(
        self, user_id: UserId, after: After = None, fields: Fields = "default"
    ) -> dict[str, Any]:
        return await self._reader.rows(
            Listing(
                tool="list_okta_user_applications",
                path=f"/api/v1/users/{user_segment(user_id)}/appLinks",
                shape=APP_LINK.of(fields),
                params={},
                after=after,
            )
        )

    async def list_okta_user_factors(
        self, user_id: UserId, after: After = None, fields: Fields = "default"
    ) -> dict[str, Any]:
        user = user_segment(user_id)
        if not is_okta_id(user):
            # Of all user paths only this one takes no login.
            user = user_segment(await self._reader.id_of_user(user))
        return await self._reader.rows(
            Listing(
                tool="list_okta_user_factors",
                path=f"/api/v1/users/{user}/factors",
                shape=FACTOR.of(fields),
                params={},
                after=after,
            )
        )


def refuse_q_beside(*, q: str | None, **expressions: str | None) -> None:
    """Okta takes `q` or an expression; of both it ignores one and does not say which."""
    for name, expression in expressions.items():
        if q and expression:
            raise InvalidArgumentError(
                "q",
                f"q and {name} do not go together",
                f'leave q out and say it in search (attribute sw "..."), or leave {name} out',
            )


def require_search_to_sort(search: str | None, sort_by: str | None, order: str | None) -> None:
    """Okta ignores an order without `search`, and the caller would take the rows for ordered."""
    if (sort_by or order) and not search:
        raise InvalidArgumentError(
            "sortBy" if sort_by else "sortOrder",
            "sortBy and sortOrder work only together with search",
            "add search, or leave the order out",
        )
