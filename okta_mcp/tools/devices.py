"""The tool about devices and who uses them.

Okta: /api/v1/devices and /api/v1/users/{userId}/devices (Identity Engine only).
"""

from typing import Annotated, Any

from pydantic import Field

from okta_mcp.okta.ids import InvalidArgumentError, is_okta_id, user_segment
from okta_mcp.okta.paging import Parameter
from okta_mcp.tools.answers import OktaTool, okta_tool
from okta_mcp.tools.grammars import DEVICES_SEARCH
from okta_mcp.tools.reader import DEFAULT_LIMIT, After, Fields, Listing, Reader, Text
from okta_mcp.tools.schemas import EVENTUAL, list_schema
from okta_mcp.tools.shapes import DEVICE


class DeviceTools:
    """One tool; a device shows its people, so it reads two data families."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def tools(self) -> list[OktaTool]:
        """The tool, ready to be registered."""
        return [
            okta_tool(
                self.list_okta_devices,
                title="List devices",
                description=(
                    "Devices that are registered with Okta, and who uses them. user_id: those of"
                    f" one person. search: {DEVICES_SEARCH.example}; sw, co, gt, lt, pr."
                ),
                scopes=("okta.devices.read", "okta.users.read"),
                output_schema=list_schema(DEVICE.full, EVENTUAL),
            )
        ]

    async def list_okta_devices(
        self,
        search: Text = None,
        user_id: Annotated[str | None, Field(description="id or login")] = None,
        limit: Annotated[int, Field(ge=1, le=200)] = DEFAULT_LIMIT,
        after: After = None,
        fields: Fields = "default",
    ) -> dict[str, Any]:
        if user_id is not None and search:
            raise InvalidArgumentError(
                "search",
                "search cannot choose among the devices of one person",
                "give either user_id or search",
            )
        path, params = "/api/v1/devices", _of_everybody(search, limit)
        if user_id is not None:
            path, params = f"/api/v1/users/{await self._id_of(user_id)}/devices", {}
        answer = await self._reader.rows(
            Listing(
                tool="list_okta_devices",
                path=path,
                shape=DEVICE.of(fields),
                params=params,
                after=after,
                grammars={"search": DEVICES_SEARCH},
                at_most=limit,
                # One person's devices stand in objects of their own, with when they were added.
                prepare=_device_of_person if user_id is not None else None,
            )
        )
        return {**answer, "consistency": "eventual"} if user_id is None else answer

    async def _id_of(self, user_id: str) -> str:
        user = user_segment(user_id)
        # This path takes no login.
        return user if is_okta_id(user) else user_segment(await self._reader.id_of_user(user))


def _of_everybody(search: str | None, limit: int) -> dict[str, Parameter]:
    return {"search": search, "limit": limit, "expand": "userSummary"}


def _device_of_person(row: dict[str, Any]) -> dict[str, Any]:
    device = row.get("device")
    return device if isinstance(device, dict) else {}
