"""The tool about network zones. Okta: /api/v1/zones."""

from typing import Annotated, Any, Literal

from pydantic import Field

from okta_mcp.tools.answers import OktaTool, okta_tool
from okta_mcp.tools.grammars import ZONES_FILTER
from okta_mcp.tools.reader import DEFAULT_LIMIT, After, Fields, Listing, Reader, Text
from okta_mcp.tools.schemas import list_schema
from okta_mcp.tools.shapes import NETWORK_ZONE

# Okta cannot choose by type and status: the largest pages are read and chosen from here.
_MOST = 200


class NetworkZoneTools:
    """The one tool of `okta.networkZones.read`."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def tools(self) -> list[OktaTool]:
        """The tool, ready to be registered."""
        return [
            okta_tool(
                self.list_okta_network_zones,
                title="List network zones",
                description=(
                    "Network zones with their addresses, locations and services. filter takes id,"
                    f" usage or system only ({ZONES_FILTER.example})."
                ),
                scopes=("okta.networkZones.read",),
                output_schema=list_schema(NETWORK_ZONE.full),
            )
        ]

    async def list_okta_network_zones(
        self,
        filter: Text = None,  # noqa: A002
        type: Literal["IP", "DYNAMIC", "DYNAMIC_V2"] | None = None,  # noqa: A002
        status: Literal["ACTIVE", "INACTIVE"] | None = None,
        limit: Annotated[int, Field(ge=1, le=200)] = DEFAULT_LIMIT,
        after: After = None,
        fields: Fields = "default",
    ) -> dict[str, Any]:
        return await self._reader.rows(
            Listing(
                tool="list_okta_network_zones",
                path="/api/v1/zones",
                shape=NETWORK_ZONE.of(fields),
                params={"filter": filter, "limit": _MOST if type or status else limit},
                after=after,
                grammars={"filter": ZONES_FILTER},
                at_most=limit,
                where={"type": type, "status": status},
            )
        )
