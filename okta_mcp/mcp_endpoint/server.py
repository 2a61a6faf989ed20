"""The MCP server behind the endpoint: FastMCP with the tools, resources, prompts and completions.

Enforcement is the endpoint's; here lists are cut to what the same policy allows, and what goes
wrong inside a call becomes an answer that tells nothing of our insides.
"""

import functools
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import mcp_types as mt
from fastmcp import FastMCP
from fastmcp.exceptions import NotFoundError, ResourceError
from fastmcp.prompts import Prompt, PromptResult
from fastmcp.resources import Resource, ResourceResult, ResourceTemplate
from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext
from fastmcp.tools import Tool
from mcp import MCPError
from starlette.applications import Starlette

from okta_mcp import __version__
from okta_mcp.guides.completions import Completions
from okta_mcp.guides.resources import NoSuchResourceError, Readable
from okta_mcp.inventory import Inventory
from okta_mcp.mcp_endpoint.messages import INVALID_PARAMS
from okta_mcp.rbac.policy import Component, Policy
from okta_mcp.rbac.principal import Principal, current_principal
from okta_mcp.stores.interface import StoreUnavailableError
from okta_mcp.tools import INSTRUCTIONS, ArgumentErrors
from okta_mcp.tools.call import current_call


class RoleView(Middleware):
    """Lists show what the policy lets the principal of this request use."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy

    async def on_list_tools(
        self,
        context: MiddlewareContext[mt.ListToolsRequest],
        call_next: CallNext[mt.ListToolsRequest, Sequence[Tool]],
    ) -> Sequence[Tool]:
        allowed = self._allowed("tools")
        return [tool for tool in await call_next(context) if tool.name in allowed]

    async def on_list_resources(
        self,
        context: MiddlewareContext[mt.ListResourcesRequest],
        call_next: CallNext[mt.ListResourcesRequest, Sequence[Resource]],
    ) -> Sequence[Resource]:
        allowed = self._allowed("resources")
        return [resource for resource in await call_next(context) if str(resource.uri) in allowed]

    async def on_list_resource_templates(
        self,
        context: MiddlewareContext[mt.ListResourceTemplatesRequest],
        call_next: CallNext[mt.ListResourceTemplatesRequest, Sequence[ResourceTemplate]],
    ) -> Sequence[ResourceTemplate]:
        allowed = self._allowed("resources")
        return [each for each in await call_next(context) if each.uri_template in allowed]

    async def on_list_prompts(
        self,
        context: MiddlewareContext[mt.ListPromptsRequest],
        call_next: CallNext[mt.ListPromptsRequest, Sequence[Prompt]],
    ) -> Sequence[Prompt]:
        allowed = self._allowed("prompts")
        return [prompt for prompt in await call_next(context) if prompt.name in allowed]

    def _allowed(self, component: Component) -> frozenset[str]:
        return frozenset(allowed_names(self._policy, component, current_principal.get()))


class NothingToRead(Middleware):
    """A variable under which nothing lies makes a resource that does not exist."""

    async def on_read_resource(
        self,
        context: MiddlewareContext[mt.ReadResourceRequestParams],
        call_next: CallNext[mt.ReadResourceRequestParams, ResourceResult],
    ) -> ResourceResult:
        try:
            return await call_next(context)
        except _NothingThereError as error:
            current_call.get().error_code = "not_found"
            raise NotFoundError(str(error)) from None


class FilledIn(Middleware):
    """A prompt with a blank that must be filled in is refused by the blank's name.

    FastMCP would write a traceback into the log, and name nothing to the caller.
    """

    def __init__(self, prompts: Sequence[Prompt]) -> None:
        self._required = {
            prompt.name: [each.name for each in prompt.arguments or () if each.required]
            for prompt in prompts
        }

    async def on_get_prompt(
        self,
        context: MiddlewareContext[mt.GetPromptRequestParams],
        call_next: CallNext[mt.GetPromptRequestParams, PromptResult],
    ) -> PromptResult:
        given = context.message.arguments or {}
        required = self._required.get(context.message.name, ())
        missing = [name for name in required if name not in given]
        if missing:
            current_call.get().error_code = "invalid_argument"
            raise MCPError(INVALID_PARAMS, f"the prompt needs {', '.join(missing)}")
        return await call_next(context)


class _NothingThereError(ResourceError):
    """FastMCP logs what a resource raises with its traceback: a caller must not fill the log."""

    def __init__(self) -> None:
        super().__init__("nothing to read", log_level=logging.DEBUG)


def allowed_names(policy: Policy, component: Component, principal: Principal) -> tuple[str, ...]:
    """What `principal` may use, by the decision that a call would meet."""
    role = principal.decision.role if principal.decision else None
    return policy.allowed(component, role, principal.scopes)


def mcp_server(offered: Inventory, policy: Policy) -> Starlette:
    """The ASGI application that answers /mcp; its lifespan must run inside ours."""
    prompts = [guide.prompt() for guide in offered.prompts]
    server = FastMCP(
        "okta_mcp",
        instructions=INSTRUCTIONS,
        version=__version__,
        middleware=[ArgumentErrors(), NothingToRead(), FilledIn(prompts), RoleView(policy)],
        mask_error_details=True,
    )
    for tool in offered.tools:
        server.add_tool(tool.tool)
    for readable in offered.resources:
        server.resource(
            readable.uri,
            name=readable.name,
            title=readable.title,
            description=readable.description,
            mime_type=readable.mime_type,
        )(_read(readable))
    for prompt in prompts:
        server.add_prompt(prompt)
    server.add_completion_handler(_complete(offered.completions))
    # Nothing changes behind a client's back that a client could be told: there is no stream.
    changes = server._mcp_server.notification_options  # noqa: SLF001 - pinned by a test
    changes.tools_changed = changes.resources_changed = changes.prompts_changed = False
    return server.http_app(path="/mcp", stateless_http=True, json_response=True)


def _read(readable: Readable) -> Callable[..., Awaitable[str]]:
    @functools.wraps(readable.read)
    async def read(**variables: str) -> str:
        try:
            return await readable.read(**variables)
        except NoSuchResourceError:
            raise _NothingThereError from None
        except StoreUnavailableError:
            current_call.get().error_code = "store_unavailable"
            text = "this server's store does not answer; ask again in a moment"
            raise ResourceError(text, log_level=logging.DEBUG) from None

    return read


def _complete(completions: Completions) -> Any:
    async def complete(
        ref: Any,  # noqa: ARG001 - every argument has one meaning, wherever it stands
        argument: mt.CompletionArgument,
        context: mt.CompletionContext | None,  # noqa: ARG001
    ) -> list[str]:
        return list(await completions.values(argument.name, argument.value))

    return complete
