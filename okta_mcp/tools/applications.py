"""The tools about applications and who is assigned to them.

Okta: /api/v1/apps. Credentials, signing keys and client secrets are in none of the shapes; profiles
of assignments may carry secrets of the application and are shown by the names of a person only.
"""

from typing import Annotated, Any, Literal

from pydantic import Field

from okta_mcp.okta.ids import id_segment
from okta_mcp.tools.answers import OktaTool, okta_tool
from okta_mcp.tools.grammars import APPS_FILTER
from okta_mcp.tools.reader import DEFAULT_LIMIT, After, Fields, Listing, Reader, Text
from okta_mcp.tools.schemas import list_schema, object_schema
from okta_mcp.tools.shapes import (
    APPLICATION,
    APPLICATION_GROUP,
    APPLICATION_ROW,
    APPLICATION_USER,
)

# Okta cannot choose by scope: the largest pages are read and chosen from here.
_MOST_USERS = 500


class ApplicationTools:
    """The four tools of `okta.apps.read`."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def tools(self) -> list[OktaTool]:
        """The tools, ready to be registered."""
        scopes = ("okta.apps.read",)
        return [
            okta_tool(
                self.get_okta_application,
                title="Get an application",
                description="One application by id, with the id of its access policy.",
                scopes=scopes,
                output_schema=object_schema(APPLICATION.full),
            ),
            okta_tool(
                self.list_okta_applications,
                title="List applications",
                description=(
                    "Applications. q matches the start of name or label; filter takes status,"
                    f' name, id or user.id ({APPS_FILTER.example}; user.id eq "00u…").'
                ),
                scopes=scopes,
                output_schema=list_schema(APPLICATION_ROW.full),
            ),
            okta_tool(
                self.list_okta_application_users,
                title="People of an application",
                description=(
                    "The people assigned to an application; scope says whether directly (USER)"
                    " or by a group (GROUP). q matches the start of name or email."
                ),
                scopes=scopes,
                output_schema=list_schema(APPLICATION_USER.full),
            ),
            okta_tool(
                self.list_okta_application_groups,
                title="Groups of an application",
                description="The groups assigned to an application, with their priority.",
                scopes=scopes,
                output_schema=list_schema(APPLICATION_GROUP.full),
            ),
        ]

    async def get_okta_application(self, app_id: str, fields: Fields = "default") -> dict[str, Any]:
        path = f"/api/v1/apps/{id_segment(app_id, 'app_id')}"
        return await self._reader.one(path, APPLICATION.of(fields))

    async def list_okta_applications(
        self,
        q: Text = None,
        filter: Text = None,  # noqa: A002
        includeNonDeleted: bool = False,  # noqa: N803
        limit: Annotated[int, Field(ge=1, le=200)] = DEFAULT_LIMIT,
        after: After = None,
        fields: Fields = "default",
    ) -> dict[str, Any]:
        return await self._reader.rows(
            Listing(
                tool="list_okta_applications",
                path="/api/v1/apps",
                shape=APPLICATION_ROW.of(fields),
                params={
                    "q": q,
                    "filter": filter,
                    "includeNonDeleted": includeNonDeleted or None,
                    "limit": limit,
                },
                after=after,
                grammars={"filter": APPS_FILTER},
            )
        )

    async def list_okta_application_users(
        self,
        app_id: str,
        q: Text = None,
        scope: Literal["USER", "GROUP"] | None = None,
        limit: Annotated[int, Field(ge=1, le=500)] = DEFAULT_LIMIT,
        after: After = None,
        fields: Fields = "default",
    ) -> dict[str, Any]:
        return await self._reader.rows(
            Listing(
                tool="list_okta_application_users",
                path=f"/api/v1/apps/{id_segment(app_id, 'app_id')}/users",
                shape=APPLICATION_USER.of(fields),
                # Without the person an assignment is an id that says nothing.
                params={"q": q, "limit": _MOST_USERS if scope else limit, "expand": "user"},
                after=after,
                at_most=limit,
                where={"scope": scope},
            )
        )

    async def list_okta_application_groups(
        self,
        app_id: str,
        q: Text = None,
        limit: Annotated[int, Field(ge=20, le=200)] = DEFAULT_LIMIT,
        after: After = None,
        fields: Fields = "default",
    ) -> dict[str, Any]:
        return await self._reader.rows(
            Listing(
                tool="list_okta_application_groups",
                path=f"/api/v1/apps/{id_segment(app_id, 'app_id')}/groups",
                shape=APPLICATION_GROUP.of(fields),
                params={"q": q, "limit": limit, "expand": "group"},
                after=after,
            )
        )
