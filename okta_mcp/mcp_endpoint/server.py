"""The MCP server behind the endpoint: FastMCP with the tools, resources, prompts and completions.

Enforcement is the endpoint's; here lists are cut to what the same policy allows, and what goes
wrong inside a call becomes an answer that tells nothing of our insides.
"""

import functools
import logging
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import mcp_types as mt
from fastmcp import FastMCP
from fastmcp.exceptions import NotFoundError, ResourceError
from fastmcp.prompts import Prompt, PromptResult
from fastmcp.resources import Resource, ResourceResult, ResourceTemplate
from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext
from fastmcp.server.providers import Provider
from fastmcp.tools import Tool
from fastmcp.utilities.components import FastMCPComponent
from fastmcp.utilities.versions import VersionSpec
from mcp import MCPError
from starlette.applications import Starlette

from okta_mcp import __version__
from okta_mcp.guides.completions import Completions
from okta_mcp.guides.resources import NoSuchResourceError, Readable
from okta_mcp.inventory import Inventory
from okta_mcp.mcp_endpoint.messages import INVALID_PARAMS
from okta_mcp.rbac.policy import Component, Policy
from okta_mcp.rbac.principal import current_principal
from okta_mcp.stores.interface import StoreUnavailableError
from okta_mcp.tools import INSTRUCTIONS, ArgumentErrors, OktaTool
from okta_mcp.tools.call import current_call

# An operator of RFC 6570, a variable, and how much of it is taken.
_EXPRESSION = re.compile(r"\{([+#./;?&]?)([^{}*:,]+)(?:\*|:[0-9]+)?\}")

# Values for an argument of a server behind the gateway, None where `ref` is none of theirs.
CompleteBehind = Callable[
    [Any, mt.CompletionArgument, mt.CompletionContext | None], Awaitable[list[str] | None]
]


class RoleView(Middleware):
    """Lists show what the policy lets the principal of this request use."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy

    async def on_list_tools(
        self,
        context: MiddlewareContext[mt.ListToolsRequest],
        call_next: CallNext[mt.ListToolsRequest, Sequence[Tool]],
    ) -> Sequence[Tool]:
        return [tool for tool in await call_next(context) if self._may("tools", tool.name)]

    async def on_list_resources(
        self,
        context: MiddlewareContext[mt.ListResourcesRequest],
        call_next: CallNext[mt.ListResourcesRequest, Sequence[Resource]],
    ) -> Sequence[Resource]:
        listed = await call_next(context)
        return [resource for resource in listed if self._may("resources", str(resource.uri))]

    async def on_list_resource_templates(
        self,
        context: MiddlewareContext[mt.ListResourceTemplatesRequest],
        call_next: CallNext[mt.ListResourceTemplatesRequest, Sequence[ResourceTemplate]],
    ) -> Sequence[ResourceTemplate]:
        listed = await call_next(context)
        return [each for each in listed if self._may("resources", each.uri_template)]

    async def on_list_prompts(
        self,
        context: MiddlewareContext[mt.ListPromptsRequest],
        call_next: CallNext[mt.ListPromptsRequest, Sequence[Prompt]],
    ) -> Sequence[Prompt]:
        return [prompt for prompt in await call_next(context) if self._may("prompts", prompt.name)]

    def _may(self, component: Component, name: str) -> bool:
        return _may(self._policy, component, name)


class OwnTools(Provider):
    """The tools of this server, each made when it is first listed or called."""

    def __init__(self, tools: Sequence[OktaTool]) -> None:
        super().__init__()
        self._tools = {tool.name: tool for tool in tools}

    async def _list_tools(self) -> Sequence[Tool]:
        return [each.tool for each in self._tools.values()]

    async def _get_tool(self, name: str, version: VersionSpec | None = None) -> Tool | None:  # noqa: ARG002
        own = self._tools.get(name)
        return own.tool if own is not None else None

    async def get_tasks(self) -> Sequence[FastMCPComponent]:
        """None. FastMCP asks at the start, and would make every tool to look for some."""
        return ()


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


def mcp_server(
    offered: Inventory,
    policy: Policy,
    provider: Provider | None = None,
    complete_behind: CompleteBehind | None = None,
) -> Starlette:
    """The ASGI application that answers /mcp; its lifespan must run inside ours.

    `provider` brings the tools, resources and prompts of the servers behind the gateway,
    `complete_behind` the completions of those that are theirs.
    """
    prompts = [guide.prompt() for guide in offered.prompts]
    server = FastMCP(
        "okta_mcp",
        instructions=INSTRUCTIONS,
        version=__version__,
        middleware=[ArgumentErrors(), NothingToRead(), FilledIn(prompts), RoleView(policy)],
        mask_error_details=True,
    )
    server.add_provider(OwnTools(offered.tools))
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
    if provider is not None:
        server.add_provider(provider)
    server.add_completion_handler(_complete(offered.completions, complete_behind, policy))
    # Nothing changes behind a client's back that a client could be told: there is no stream.
    changes = server._mcp_server.notification_options  # noqa: SLF001 - pinned by a test
    changes.tools_changed = changes.resources_changed = changes.prompts_changed = False
    return server.http_app(path="/mcp", stateless_http=True, json_response=True)


def _may(policy: Policy, component: Component, name: str) -> bool:
    """By the decision that a use would meet."""
    principal = current_principal.get()
    return policy.decision(
        component, name, principal.role, principal.scopes, principal.server_groups
    ).allowed


def _filled(template: str, values: Mapping[str, str]) -> str:
    """The URI of a template (RFC 6570) as far as there are values for its variables."""

    def filled(expression: re.Match[str]) -> str:
        operator, variable = expression[1], expression[2]
        if variable not in values:
            return expression[0]
        value = values[variable]
        if operator in ("+", "#"):
            return f"{operator.strip('+')}{value}"
        named = f"{variable}=" if operator in (";", "?", "&") else ""
        return f"{operator}{named}{quote(value, safe='')}"

    return _EXPRESSION.sub(filled, template)


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


def _complete(completions: Completions, behind: CompleteBehind | None, policy: Policy) -> Any:
    async def complete(
        ref: Any,
        argument: mt.CompletionArgument,
        context: mt.CompletionContext | None,
    ) -> list[str]:
        if behind is not None and (values := await behind(ref, argument, context)) is not None:
            if not isinstance(ref, mt.ResourceTemplateReference):
                return values
            # What may not be read is not named either.
            given = (context.arguments if context is not None else None) or {}
            return [
                value
                for value in values
                if _may(policy, "resources", _filled(ref.uri, {**given, argument.name: value}))
            ]
        # Every argument of our own has one meaning, wherever it stands.
        return list(await completions.values(argument.name, argument.value))

    return complete
