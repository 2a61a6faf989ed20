"""The tools about groups, their members and the applications that membership gives.

Okta: /api/v1/groups. A group is found by id only; names are searched.
"""

from typing import Annotated, Any, Literal

from pydantic import Field

from okta_mcp.okta.ids import id_segment
from okta_mcp.tools.answers import OktaTool, okta_tool
from okta_mcp.tools.grammars import GROUPS_FILTER, GROUPS_SEARCH
from okta_mcp.tools.reader import DEFAULT_LIMIT, After, Fields, Listing, Reader, Text
from okta_mcp.tools.schemas import EVENTUAL, list_schema, object_schema
from okta_mcp.tools.shapes import APPLICATION_ROW, GROUP, GROUP_ROW, USER_ROW
from okta_mcp.tools.users import refuse_q_beside, require_search_to_sort


class GroupTools:
    """The four tools of `okta.groups.read`; applications are a data family of their own."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def tools(self) -> list[OktaTool]:
        """The tools, ready to be registered."""
        scopes = ("okta.groups.read",)
        return [
            okta_tool(
                self.get_okta_group,
                title="Get a group",
                description="One group by id: name, type, dates.",
                scopes=scopes,
                output_schema=object_schema(GROUP.full),
            ),
            okta_tool(
                self.list_okta_groups,
                title="List groups",
                description=(
                    f"Groups. search is the most capable ({GROUPS_SEARCH.example}; sw, eq, co);"
                    " q matches the start of the name. expand=stats counts people and"
                    " applications (slower)."
                ),
                scopes=scopes,
                output_schema=list_schema(GROUP_ROW.full, EVENTUAL),
            ),
            okta_tool(
                self.list_okta_group_users,
                title="Members of a group",
                description="The people in a group.",
                scopes=scopes,
                output_schema=list_schema(USER_ROW.full),
            ),
            okta_tool(
                self.list_okta_group_applications,
                title="Applications of a group",
                description="The applications that members of a group get by it.",
                scopes=(*scopes, "okta.apps.read"),
                output_schema=list_schema(APPLICATION_ROW.full),
            ),
        ]

    async def get_okta_group(self, group_id: str, fields: Fields = "default") -> dict[str, Any]:
        path = f"/api/v1/groups/{id_segment(group_id, 'group_id')}"
        return await self._reader.one(path, GROUP.of(fields))

    async def list_okta_groups(
        self,
        search: Text = None,
        filter: Text = None,  # noqa: A002
        q: Text = None,
        sortBy: Text = None,  # noqa: N803
        sortOrder: Literal["asc", "desc"] | None = None,  # noqa: N803
        expand: Literal["stats"] | None = None,
        limit: Annotated[int, Field(ge=1, le=200)] = DEFAULT_LIMIT,
        after: After = None,
        fields: Fields = "default",
    ) -> dict[str, Any]:
        require_search_to_sort(search, sortBy, sortOrder)
        refuse_q_beside(search=search, filter=filter, q=q)
        answer = await self._reader.rows(
            Listing(
                tool="list_okta_groups",
                path="/api/v1/groups",
                shape=GROUP_ROW.of(fields),
                params={
                    "search": search,
                    "filter": filter,
                    "q": q,
                    "sortBy": sortBy,
                    "sortOrder": sortOrder,
                    "expand": expand,
                    "limit": limit,
                },
                after=after,
                grammars={"search": GROUPS_SEARCH, "filter": GROUPS_FILTER},
                one_page="q gives one page only; use search to see every group" if q else None,
            )
        )
        return {**answer, "consistency": "eventual"} if search else answer

    async def list_okta_group_users(
        self,
        group_id: str,
        limit: Annotated[int, Field(ge=1, le=200)] = DEFAULT_LIMIT,
        after: After = None,
        fields: Fields = "default",
    ) -> dict[str, Any]:
        return await self._reader.rows(
            Listing(
                tool="list_okta_group_users",
                path=f"/api/v1/groups/{id_segment(group_id, 'group_id')}/users",
                shape=USER_ROW.of(fields),
                params={"limit": limit},
                after=after,
            )
        )

    async def list_okta_group_applications(
        self,
        group_id: str,
        limit: Annotated[int, Field(ge=1, le=200)] = DEFAULT_LIMIT,
        after: After = None,
        fields: Fields = "default",
    ) -> dict[str, Any]:
        return await self._reader.rows(
            Listing(
                tool="list_okta_group_applications",
                path=f"/api/v1/groups/{id_segment(group_id, 'group_id')}/apps",
                shape=APPLICATION_ROW.of(fields),
                params={"limit": limit},
                after=after,
            )
        )
