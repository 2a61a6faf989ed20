"""How FastMCP reaches the servers behind: their tools, resources and prompts as its own components.

Names begin with the server's, as FastMCP's `Namespace` does it: `<server>_<tool>`, and
`scheme://<server>/rest` for a URI. Components are made once for each list that a server gives; a
call goes straight to the upstream's session. FastMCP's own proxy is not used: it makes a client
and a TLS context for each call and forwards the caller's headers and `_meta`.
"""

import base64
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import mcp_types as mt
from fastmcp.exceptions import PromptError, ResourceError
from fastmcp.prompts import Message, Prompt, PromptArgument, PromptResult
from fastmcp.resources import Resource, ResourceContent, ResourceResult, ResourceTemplate
from fastmcp.server.providers import Provider
from fastmcp.tools import Tool, ToolResult
from fastmcp.utilities.components import FastMCPComponent
from fastmcp.utilities.versions import VersionSpec
from mcp.shared.inbound import x_mcp_header_map
from pydantic import PrivateAttr, ValidationError

from okta_mcp.gateway.catalogue import Catalogue
from okta_mcp.gateway.errors import ServerError, ServerRefusedError, ServerUnavailableError
from okta_mcp.gateway.gateway import Gateway
from okta_mcp.gateway.servers import Override, Server
from okta_mcp.okta.errors import OktaError
from okta_mcp.okta.text import clean_text
from okta_mcp.rbac.behind import Component, own_name, shown_name
from okta_mcp.rbac.principal import current_principal
from okta_mcp.tools.answers import failed
from okta_mcp.tools.call import current_call

_Component = TypeVar("_Component", bound=FastMCPComponent)

_MOST_COMPLETIONS = 100
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Shown:
    """The components of one list of one server. Listed URIs may differ from the server's."""

    server: Server
    catalogue: Catalogue
    tools: "dict[str, _Tool]" = field(default_factory=dict)
    resources: dict[str, Resource] = field(default_factory=dict)
    templates: list[ResourceTemplate] = field(default_factory=list)
    prompts: dict[str, Prompt] = field(default_factory=dict)


class GatewayProvider(Provider):
    """The components of every server of `gateway`, as they are at the moment."""

    def __init__(self, gateway: Gateway) -> None:
        super().__init__()
        self._gateway = gateway
        self._shown: dict[str, _Shown] = {}

    async def call(self, name: str, arguments: dict[str, Any]) -> dict[str, Any] | None:
        """The result of the tool shown as `name`, also of one that fails; None if there is none."""
        tool = await self._get_tool(name)
        return await tool.answer(arguments) if tool is not None else None

    def is_mirrored(self, name: str) -> bool:
        """Whether clients repeat arguments of the tool shown as `name` in headers."""
        shown = self._of((own_name("tools", name) or ("", ""))[0])
        tool = shown.tools.get(name) if shown is not None else None
        return tool is not None and bool(x_mcp_header_map(tool.parameters))

    async def complete(
        self, ref: Any, argument: mt.CompletionArgument, context: mt.CompletionContext | None
    ) -> list[str] | None:
        """Values for an argument by the server whose prompt or template `ref` is, else None."""
        if isinstance(ref, mt.PromptReference):
            server, name = own_name("prompts", ref.name) or ("", "")
            own: dict[str, Any] = {"type": "ref/prompt", "name": name}
        else:
            server, uri = own_name("resources", str(ref.uri)) or ("", "")
            own = {"type": "ref/resource", "uri": uri}
        if server not in self._gateway.upstreams:
            return None
        params: dict[str, Any] = {
            "ref": own,
            "argument": {"name": argument.name, "value": argument.value},
        }
        if context is not None and context.arguments:
            params["context"] = {"arguments": context.arguments}
        try:
            result = await self._request(server, "completion/complete", params)
        except ServerError:
            # Most servers have none, and nobody waits for what would only be convenient.
            return []
        values = _object(result.get("completion")).get("values")
        listed = values if isinstance(values, list) else []
        return [each for each in listed if isinstance(each, str)][:_MOST_COMPLETIONS]

    async def _list_tools(self) -> Sequence[Tool]:
        return [tool for shown in self._all() for tool in shown.tools.values()]

    async def _get_tool(self, name: str, version: VersionSpec | None = None) -> "_Tool | None":  # noqa: ARG002
        server, own = own_name("tools", name) or ("", "")
        shown = self._of(server)
        if shown is None:
            return None
        if not self._gateway.upstreams[server].has_listed:
            # Nobody knows yet whether it has such a tool: a caller hears that it is not there.
            return _tool(self, shown, {"name": own, "inputSchema": {"type": "object"}})
        return shown.tools.get(name)

    async def _list_resources(self) -> Sequence[Resource]:
        return [resource for shown in self._all() for resource in shown.resources.values()]

    async def _get_resource(
        self,
        uri: str,
        version: VersionSpec | None = None,  # noqa: ARG002
    ) -> Resource | None:
        """Also one that is not listed: the policy has allowed the URI (and lets no segment of dots
        pass), and the server decides."""
        server, own = own_name("resources", uri) or ("", "")
        shown = self._of(server)
        if shown is None:
            return None
        if uri in shown.resources:
            return shown.resources[uri]
        return _resource(self, shown, {"uri": own})

    async def _list_resource_templates(self) -> Sequence[ResourceTemplate]:
        return [template for shown in self._all() for template in shown.templates]

    async def _get_resource_template(
        self,
        uri: str,  # noqa: ARG002 - `_get_resource` has answered already
        version: VersionSpec | None = None,  # noqa: ARG002
    ) -> ResourceTemplate | None:
        return None

    async def _list_prompts(self) -> Sequence[Prompt]:
        return [prompt for shown in self._all() for prompt in shown.prompts.values()]

    async def _get_prompt(self, name: str, version: VersionSpec | None = None) -> Prompt | None:  # noqa: ARG002
        shown = self._of(name.partition("_")[0])
        return shown.prompts.get(name) if shown else None

    async def _request(self, server: str, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """The answer of a server for who asks, counted and with its progress noted."""
        call = current_call.get()
        upstream = self._gateway.upstreams.get(server)
        if upstream is not None and not upstream.has_listed:
            # Not counted: what nobody has listed, a caller may have made up.
            raise ServerUnavailableError(server, upstream.state.reason or "is starting")
        await call.counted()
        progress = call.progress
        progress.doing = f"waiting for {server}"

        def on_progress(done: float, total: float | None, doing: str | None) -> None:
            progress.done, progress.total = done, total
            progress.doing = doing or progress.doing

        listens = on_progress if method == "tools/call" else None
        principal = current_principal.get()
        try:
            return await self._gateway.request(server, principal, method, params, listens)
        except KeyError:
            raise ServerRefusedError(server, "there is no such server any more") from None

    def _all(self) -> Iterator[_Shown]:
        for name in self._gateway.upstreams:
            shown = self._of(name)
            if shown is not None:
                yield shown

    def _of(self, name: str) -> _Shown | None:
        upstream = self._gateway.upstreams.get(name)
        if upstream is None:
            self._shown.pop(name, None)
            return None
        shown = self._shown.get(name)
        if (
            shown is None
            or shown.catalogue is not upstream.catalogue
            or shown.server is not upstream.server
        ):
            shown = self._shown[name] = _made(self, upstream.server, upstream.catalogue)
        return shown


class _Tool(Tool):
    """A tool of a server behind; its answer travels on as it is."""

    _ask: Any = PrivateAttr()
    _server: Server = PrivateAttr()
    _own_name: str = PrivateAttr()

    async def run(self, arguments: dict[str, Any]) -> ToolResult:
        result = mt.CallToolResult.model_validate(await self.answer(arguments))
        return ToolResult.from_mcp_result(result)

    async def answer(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """The result as JSON; a failure is one too, with its code."""
        params = {"name": self._own_name, "arguments": arguments}
        try:
            result = await self._ask(self._server.name, "tools/call", params)
            return _checked_result(self._server.name, result)
        # Whatever left this method, FastMCP would log with its text and its traceback.
        except Exception as error:  # noqa: BLE001
            return failed(error, self.name)

    def to_mcp_tool(self, **overrides: Any) -> mt.Tool:
        # FastMCP's `_meta` would only say that there are no tags, and a title made of the name.
        return super().to_mcp_tool(**{"_meta": None, "title": self.title, **overrides})


class _Resource(Resource):
    _ask: Any = PrivateAttr()
    _server: Server = PrivateAttr()
    _own_uri: str = PrivateAttr()

    async def read(self) -> ResourceResult:
        try:
            result = await self._ask(self._server.name, "resources/read", {"uri": self._own_uri})
            return _resource_result(self._server.name, result)
        except (ServerError, OktaError) as error:
            current_call.get().error_code = error.code
            raise ResourceError(error.message, log_level=logging.DEBUG) from None


class _Prompt(Prompt):
    _ask: Any = PrivateAttr()
    _server: Server = PrivateAttr()
    _own_name: str = PrivateAttr()

    async def render(self, arguments: dict[str, Any] | None = None) -> PromptResult:
        params: dict[str, Any] = {"name": self._own_name}
        if arguments:
            params["arguments"] = arguments
        try:
            result = await self._ask(self._server.name, "prompts/get", params)
            return _prompt_result(self._server.name, result)
        except (ServerError, OktaError) as error:
            current_call.get().error_code = error.code
            raise PromptError(error.message, log_level=logging.DEBUG) from None


def _made(provider: GatewayProvider, server: Server, catalogue: Catalogue) -> _Shown:
    """The components of a list; what FastMCP cannot show is left out and said in the log."""
    shown = _Shown(server, catalogue)

    def each(
        things: Sequence[Mapping[str, Any]],
        make: Callable[[GatewayProvider, _Shown, Mapping[str, Any]], _Component],
    ) -> Iterator[_Component]:
        for thing in things:
            try:
                yield make(provider, shown, thing)
            except ValidationError:
                name = clean_text(str(thing.get("name") or thing.get("uri")), 60)
                _log.warning("server %s: left out %s: no usable form", server.name, name)

    shown.tools = {tool.name: tool for tool in each(catalogue.tools, _tool)}
    shown.resources = {str(one.uri): one for one in each(catalogue.resources, _resource)}
    shown.templates = list(each(catalogue.templates, _template))
    shown.prompts = {prompt.name: prompt for prompt in each(catalogue.prompts, _prompt)}
    return shown


def _tool(provider: GatewayProvider, shown: _Shown, raw: Mapping[str, Any]) -> _Tool:
    override = shown.server.overrides.get(raw["name"], Override())
    annotations = {**_object(raw.get("annotations")), **override.annotations}
    title = override.title or raw.get("title") or annotations.get("title")
    tool = _Tool(
        name=_named(shown, "tools", raw["name"]),
        title=title,
        description=override.description or raw.get("description"),
        parameters=raw["inputSchema"],
        output_schema=raw.get("outputSchema"),
        annotations=mt.ToolAnnotations.model_validate(annotations) if annotations else None,
    )
    tool._ask, tool._server, tool._own_name = provider._request, shown.server, raw["name"]  # noqa: SLF001
    return tool


def _resource(provider: GatewayProvider, shown: _Shown, raw: Mapping[str, Any]) -> Resource:
    resource = _Resource(
        uri=_named(shown, "resources", raw["uri"]),  # type: ignore[arg-type]
        name=str(raw.get("name") or raw["uri"]),
        title=raw.get("title"),
        description=raw.get("description"),
        mime_type=raw.get("mimeType") or "text/plain",
    )
    resource._ask, resource._server = provider._request, shown.server  # noqa: SLF001
    resource._own_uri = raw["uri"]  # noqa: SLF001
    return resource


def _template(_: GatewayProvider, shown: _Shown, raw: Mapping[str, Any]) -> ResourceTemplate:
    return ResourceTemplate(
        uri_template=_named(shown, "resources", raw["uriTemplate"]),
        name=str(raw.get("name") or raw["uriTemplate"]),
        title=raw.get("title"),
        description=raw.get("description"),
        mime_type=raw.get("mimeType") or "text/plain",
        parameters={},
    )


def _prompt(provider: GatewayProvider, shown: _Shown, raw: Mapping[str, Any]) -> Prompt:
    prompt = _Prompt(
        name=_named(shown, "prompts", raw["name"]),
        title=raw.get("title"),
        description=raw.get("description"),
        arguments=[PromptArgument.model_validate(each) for each in raw.get("arguments") or ()],
    )
    prompt._ask, prompt._server, prompt._own_name = provider._request, shown.server, raw["name"]  # noqa: SLF001
    return prompt


def _checked_result(server: str, result: Mapping[str, Any]) -> dict[str, Any]:
    shown = {key: value for key, value in result.items() if key != "_meta"}
    content = shown.get("content")
    for part in content if isinstance(content, list) else ():
        _show_uri(server, part)
    try:
        answer = mt.CallToolResult.model_validate(shown)
    except ValidationError:
        raise ServerRefusedError(server, "it answered something that is no result") from None
    if answer.is_error:
        current_call.get().error_code = "server_refused"
    return shown


def _show_uri(server: str, part: Any) -> None:
    """A link in an answer leads to the resource as it is called here."""
    target = part.get("resource") if _object(part).get("type") == "resource" else part
    if isinstance(target, dict) and isinstance(target.get("uri"), str):
        target["uri"] = shown_name(server, "resources", target["uri"]) or target["uri"]


def _resource_result(server: str, result: Mapping[str, Any]) -> ResourceResult:
    contents: list[ResourceContent] = []
    try:
        for part in result["contents"]:
            body = part["text"] if "text" in part else base64.b64decode(part["blob"])
            if not isinstance(body, str | bytes):
                raise TypeError
            contents.append(ResourceContent(body, mime_type=part.get("mimeType")))
    except (KeyError, TypeError, AttributeError, ValueError):
        raise ServerRefusedError(server, "it answered something that is no resource") from None
    return ResourceResult(contents)


def _prompt_result(server: str, result: Mapping[str, Any]) -> PromptResult:
    try:
        answer = mt.GetPromptResult.model_validate(result)
        messages = [Message(each.content, role=each.role) for each in answer.messages]
    except ValidationError:
        raise ServerRefusedError(server, "it answered something that is no prompt") from None
    return PromptResult(messages, description=answer.description)


def _named(shown: _Shown, component: Component, name: str) -> str:
    return shown_name(shown.server.name, component, name) or name


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
