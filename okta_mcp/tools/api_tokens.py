"""The tool about API tokens: whose they are, whether they are used, and from where they work.

Okta: /api/v1/api-tokens, which has no pages, and the owner of each token that is shown. The token's
own text is never part of it; Okta shows it once, when it is made.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import Field

from okta_mcp.okta.errors import OktaRefusedError
from okta_mcp.okta.ids import is_okta_id
from okta_mcp.tools.answers import OktaTool, okta_tool
from okta_mcp.tools.phrases import okta_time
from okta_mcp.tools.projection import values
from okta_mcp.tools.reader import DEFAULT_LIMIT, After, Fields, Listing, Reader
from okta_mcp.tools.schemas import list_schema
from okta_mcp.tools.shapes import API_TOKEN

_UNUSED = timedelta(days=30)
_WINDOW = re.compile(r"P(\d{1,4})D", re.ASCII)
_OWNER = {**values("status"), "profile": values("login")}
# The token of any other account is one that nobody answers for.
_ACTING = frozenset({"ACTIVE", "PASSWORD_EXPIRED", "LOCKED_OUT", "RECOVERY"})


class ApiTokenTools:
    """One tool; it shows owners, so it reads two data families. `now` is epoch seconds."""

    def __init__(self, reader: Reader, now: Callable[[], float]) -> None:
        self._reader = reader
        self._now = now

    def tools(self) -> list[OktaTool]:
        """The tool, ready to be registered."""
        return [
            okta_tool(
                self.list_okta_api_tokens,
                title="List API tokens",
                description=(
                    "API tokens of the organisation with owner, last use and network limits."
                    " flags: owner_inactive, owner_gone, unused_30_days, no_network_restriction."
                ),
                scopes=("okta.apiTokens.read", "okta.users.read"),
                output_schema=list_schema(
                    {**API_TOKEN.full, "owner": {}, "lastUse": {}, "flags": {}}
                ),
            )
        ]

    async def list_okta_api_tokens(
        self,
        limit: Annotated[int, Field(ge=1, le=100)] = DEFAULT_LIMIT,
        after: After = None,
        fields: Fields = "default",
    ) -> dict[str, Any]:
        answer = await self._reader.rows(
            Listing(
                tool="list_okta_api_tokens",
                path="/api/v1/api-tokens",
                shape=API_TOKEN.full,
                params={},
                after=after,
                at_most=limit,
            )
        )
        owners: dict[str, dict[str, Any] | None] = {}
        for token in answer["items"]:
            owner = token.get("userId")
            if isinstance(owner, str) and is_okta_id(owner) and owner not in owners:
                owners[owner] = await self._owner(owner)
        shown = API_TOKEN.of(fields)
        answer["items"] = [
            {name: value for name, value in token.items() if name in shown}
            | self._judged(token, owners.get(str(token.get("userId"))))
            for token in answer["items"]
        ]
        return answer

    async def _owner(self, user_id: str) -> dict[str, Any] | None:
        try:
            user = await self._reader.one(f"/api/v1/users/{user_id}", _OWNER)
        except OktaRefusedError as error:
            if error.code != "not_found":
                raise
            return None
        profile = user.get("profile")
        login = profile.get("login") if isinstance(profile, dict) else None
        return {"login": login, "status": user.get("status")}

    def _judged(self, token: dict[str, Any], owner: dict[str, Any] | None) -> dict[str, Any]:
        last_use = _last_use(token)
        flags = []
        if owner is None:
            flags.append("owner_gone")
        elif owner["status"] not in _ACTING:
            flags.append("owner_inactive")
        if last_use and datetime.fromtimestamp(self._now(), UTC) - last_use > _UNUSED:
            flags.append("unused_30_days")
        network = token.get("network")
        if not isinstance(network, dict) or network.get("connection") in (None, "ANYWHERE"):
            flags.append("no_network_restriction")
        return {"owner": owner, "lastUse": last_use and okta_time(last_use), "flags": flags}


def _last_use(token: dict[str, Any]) -> datetime | None:
    """A token ends a fixed time after its last use; Okta shows the use in no other way."""
    window = _WINDOW.fullmatch(str(token.get("tokenWindow")))
    ends = _moment(token.get("expiresAt"))
    if window and ends:
        return ends - timedelta(days=int(window[1]))
    return _moment(token.get("lastUpdated"))


def _moment(text: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
