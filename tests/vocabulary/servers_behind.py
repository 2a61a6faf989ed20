"""MCP servers to put behind the gateway, each with a fault or a habit of its own.

`python -m tests.vocabulary.servers_behind KIND` (or this file by its path) speaks over stdio with
the standard library alone, so that it starts at once; `running_recorder` is one over HTTP that
keeps the headers of every request. None of them knows anything of logins.
"""

import contextlib
import itertools
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

OBJECT = {"type": "object"}
MEGABYTE = 1024 * 1024
# What stands at a start before the first answer, or in the place of it.
STARTS = {
    "silent": lambda: time.sleep(3600),
    "crashing": lambda: os._exit(3),
    "speaking": lambda: (os.write(2, b"starting\nthe password is 12345\n"), os._exit(4)),
    "flooding": lambda: _write_for_ever(sys.stdout.fileno(), b"not JSON at all\n" * 1000),
    "endless-line": lambda: _write_for_ever(sys.stdout.fileno(), b"x" * 65536),
    "grumbling": lambda: _write_for_ever(sys.stderr.fileno(), b"a warning\n" * 1000),
    "closing": lambda: (os.close(1), time.sleep(3600)),
}
TOOLS = (
    *("echo", "environment", "process", "remember", "recall", "progress", "wait", "huge", "grow"),
    *(
        "crash",
        "hang",
        "garbage",
        "ask",
        "cancelled",
        "fail",
        "nonsense",
        "daemon",
        "flood",
        "pings",
        "progress-flood",
        "waiting",
    ),
)
BAD_TOOLS: dict[str, Any] = {
    "no schema": {"name": "no_schema"},
    "a list": {"name": "a_list", "inputSchema": ["object"]},
    "no object": {"name": "no_object", "inputSchema": {"type": "string"}},
    "properties": {"name": "properties", "inputSchema": {"type": "object", "properties": [1]}},
    "output": {"name": "output", "inputSchema": OBJECT, "outputSchema": {"type": "array"}},
    "large": {"name": "large", "inputSchema": {**OBJECT, "title": "x" * 70_000}},
    "name": {"name": "a name\n", "inputSchema": OBJECT},
    "long name": {"name": "n" * 97, "inputSchema": OBJECT},
    "number": {"name": 7, "inputSchema": OBJECT},
    "no tool": "just a text",
    "description": {"name": "description", "description": 5, "inputSchema": OBJECT},
    "twice": {"name": "fine", "inputSchema": OBJECT},
}

ODD_COMPLETIONS: dict[str, dict[str, Any]] = {
    "null": {"completion": None},
    "a list": {"completion": ["a"]},
    "no values": {"completion": {"values": 5}},
    "numbers": {"completion": {"values": [1, None]}},
}


class ServerBehind:
    """One server over a stream of lines; `kind` is a key of `STARTS` or a habit of a list."""

    def __init__(self, kind: str, write: Any) -> None:
        self.kind = kind
        self._write = write
        self.memory = ""
        self.cancelled: list[Any] = []
        self.more_tools = 0
        self.waiting = 0
        self._asking: Any = None

    def take(self, message: dict[str, Any]) -> None:
        """One message of the client."""
        method, request_id = message.get("method"), message.get("id")
        if method is None:
            self._client_answered(message)
        elif method == "notifications/cancelled":
            self.cancelled.append(message["params"]["requestId"])
        elif method == "tools/call":
            self._call(request_id, message["params"])
        elif request_id is not None:
            result = self._listed(method, message.get("params") or {})
            if result is None:
                error = {"code": -32601, "message": "Method not found"}
                self.send({"id": request_id, "error": error})
            else:
                self.send({"id": request_id, "result": result})

    def send(self, message: dict[str, Any]) -> None:
        self._write(json.dumps({"jsonrpc": "2.0", **message}))

    def _listed(self, method: str, params: dict[str, Any]) -> dict[str, Any] | None:
        match method:
            case "initialize":
                capabilities = {"tools": {}, "resources": {}, "prompts": {}, "completions": {}}
                version = "1999-01-01" if self.kind == "ancient" else "2025-06-18"
                named = {"name": self.kind, "version": "1"}
                return {
                    "protocolVersion": version,
                    "capabilities": capabilities,
                    "serverInfo": named,
                }
            case "ping":
                return {}
            case "tools/list":
                return self._tools(params)
            case "resources/list":
                return {"resources": [{"uri": "note://first", "name": "first"}, {"uri": "urn:x"}]}
            case "resources/templates/list":
                return {"resourceTemplates": [{"uriTemplate": "note://{name}", "name": "notes"}]}
            case "resources/read":
                content = {"uri": params["uri"], "text": f"at {params['uri']}"}
                no_base64 = {"uri": params["uri"], "blob": "\u00e9"}
                return {"contents": [no_base64 if params["uri"] == "note://odd" else content]}
            case "prompts/list":
                return {"prompts": [{"name": "greet", "arguments": [{"name": "who"}]}]}
            case "prompts/get":
                text = f"Greet {params.get('arguments', {}).get('who')}."
                message = {"role": "user", "content": {"type": "text", "text": text}}
                return {"messages": [message]}
            case "completion/complete":
                value = params["argument"]["value"]
                odd = ODD_COMPLETIONS.get(value)
                return odd or {"completion": {"values": [f"{value}-completed"]}}
        return None

    def _tools(self, params: dict[str, Any]) -> dict[str, Any]:
        if self.kind == "bad-schemas":
            fine = {"name": "fine", "inputSchema": OBJECT}
            return {"tools": [fine, *BAD_TOOLS.values()]}
        if self.kind == "endless-list":
            page = int(params.get("cursor", 0))
            tools = [{"name": f"tool{page}", "inputSchema": OBJECT}]
            return {"tools": tools, "nextCursor": str(page + 1)}
        if self.kind == "crowded":
            return {"tools": [{"name": f"tool{n}", "inputSchema": OBJECT} for n in range(900)]}
        if self.kind == "heavy":
            heavy = {"description": "x" * 4000, "inputSchema": {**OBJECT, "title": "x" * 30_000}}
            return {"tools": [{"name": f"tool{n}", **heavy} for n in range(100)]}
        if self.kind == "mirroring":
            text = {"type": "string", "x-mcp-header": "Text"}
            schema = {**OBJECT, "properties": {"text": text}}
            return {"tools": [{"name": "echo", "inputSchema": schema}]}
        if self.kind == "restless":
            self.more_tools += 1
            self.send({"method": "notifications/tools/list_changed"})
        more = (f"grown{number}" for number in range(self.more_tools))
        names = itertools.chain(TOOLS, more)
        return {"tools": [{"name": name, "inputSchema": OBJECT} for name in names]}

    def _call(self, request_id: Any, params: dict[str, Any]) -> None:  # noqa: C901 - a table
        arguments = params.get("arguments") or {}
        match params["name"]:
            case "echo":
                self._say(request_id, json.dumps(params, sort_keys=True))
            case "environment":
                self._say(request_id, json.dumps(dict(os.environ)))
            case "process":
                self._say(request_id, json.dumps({"pid": os.getpid(), "group": os.getpgid(0)}))
            case "remember":
                self.memory += arguments["text"]
                self._say(request_id, self.memory)
            case "recall":
                self._say(request_id, self.memory)
            case "progress":
                token = params["_meta"]["progressToken"]
                told = {"progressToken": token, "progress": 3, "total": 7, "message": "reading"}
                self.send({"method": "notifications/progress", "params": told})
                self._say(request_id, "read")
            case "wait":
                self.waiting += 1
            case "waiting":
                self._say(request_id, str(self.waiting))
            case "huge":
                self._say(request_id, "x" * int(arguments["bytes"]))
            case "grow":
                self.more_tools += 1
                self.send({"method": "notifications/tools/list_changed"})
                self._say(request_id, "grown")
            case "crash":
                os._exit(7)
            case "hang":
                time.sleep(3600)
            case "garbage":
                self._write("this is no JSON")
                self._write('{"jsonrpc": "2.0", "id": 99999, "result": {}}')
                self._write("[1, 2")
                self._say(request_id, "after the garbage")
            case "flood":
                _write_for_ever(1, b'{"jsonrpc":"2.0","method":"notifications/nothing"}\n' * 500)
            case "pings":
                _write_for_ever(1, b'{"jsonrpc":"2.0","id":1,"method":"ping"}\n' * 500)
            case "progress-flood":
                told = {"progressToken": params["_meta"]["progressToken"], "progress": 1}
                message = {"jsonrpc": "2.0", "method": "notifications/progress", "params": told}
                _write_for_ever(1, f"{json.dumps(message)}\n".encode() * 500)
            case "ask":
                self._asking = (request_id, arguments["method"])
                self.send({"id": "ask-1", "method": arguments["method"], "params": {}})
            case "cancelled":
                self._say(request_id, json.dumps(self.cancelled))
            case "fail":
                error = {"code": -32602, "message": "the server's own words"}
                self.send({"id": request_id, "error": error})
            case "nonsense":
                self.send({"id": request_id, "result": {"content": "no list"}})
            case "daemon":
                self._say(request_id, str(_daemon()))
            case name:
                self._say(request_id, f"called {name}")

    def _client_answered(self, message: dict[str, Any]) -> None:
        request_id, _ = self._asking
        self._say(request_id, json.dumps(message, sort_keys=True))

    def _say(self, request_id: Any, text: str) -> None:
        result = {"content": [{"type": "text", "text": text}]}
        self.send({"id": request_id, "result": result})


def _daemon() -> int:
    """A grandchild that has left the process group and does not look at its parents."""
    return subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", "import time; time.sleep(3600)"],
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ).pid


def _write_for_ever(stream: int, part: bytes) -> None:
    while True:
        os.write(stream, part)


def serve_stdio(kind: str) -> None:
    """Until standard input closes; some kinds never read it."""
    STARTS.get(kind, lambda: None)()

    def write(line: str) -> None:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    server = ServerBehind(kind, write)
    for line in sys.stdin:
        server.take(json.loads(line))
    if kind == "stubborn":
        time.sleep(3600)


@dataclass
class Recorder:
    """A server over HTTP at `url`, and every request that it got: method and headers.

    `redirect_to` makes it answer every POST with a redirect; `status` with that and no body;
    `flood` a call with that as an event, its id in the place of ID, again and again.
    """

    url: str = ""
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    redirect_to: str = ""
    status: int = 0
    as_events: bool = False
    session_id: str = ""
    encoding: str = ""
    protocol_version: str = ""
    flood: bytes = b""

    @property
    def headers(self) -> list[dict[str, str]]:
        """Of every POST, the names in lower case."""
        return [headers for method, headers in self.requests if method == "POST"]


@contextlib.contextmanager
def running_recorder(port: int = 0) -> Iterator[Recorder]:  # noqa: C901 - of small verbs
    """The recorder in threads of this process, on a free port."""
    recorder = Recorder()
    connections: list[socket.socket] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Two writes an answer would each wait for the other's acknowledgement.
        wbufsize = -1
        disable_nagle_algorithm = True

        def setup(self) -> None:
            super().setup()
            connections.append(self.connection)

        def do_POST(self) -> None:
            self._note("POST")
            message = json.loads(self.rfile.read(int(self.headers["content-length"])))
            recorder.bodies.append(message)
            if recorder.redirect_to:
                self._answer(307, b"", {"location": recorder.redirect_to})
                return
            if recorder.status:
                self._answer(recorder.status, b"", {})
                return
            if recorder.flood and message["method"] == "tools/call":
                self._flood(recorder.flood.replace(b"ID", str(message["id"]).encode()))
                return
            lines: list[str] = []
            ServerBehind("recorder", lines.append).take(message)
            if recorder.protocol_version:
                told = json.dumps(recorder.protocol_version)
                lines = [line.replace('"2025-06-18"', told) for line in lines]
            if not lines:
                self._answer(202, b"", {})
                return
            kind = "text/event-stream" if recorder.as_events else "application/json"
            # A comment within an event does not end it.
            events = "".join(
                f"event: message\r\ndata: {line[0]}\r\n: here\r\ndata: {line[1:]}\r\n\r\n"
                for line in lines
            )
            body = events if recorder.as_events else lines[-1]
            headers = {"content-type": kind, "set-cookie": "person=of-the-first-call"}
            if recorder.session_id:
                headers["mcp-session-id"] = recorder.session_id
            if recorder.encoding:
                headers["content-encoding"] = recorder.encoding
            self._answer(200, body.encode(), headers)

        def do_GET(self) -> None:
            self._note("GET")
            self._answer(405, b"", {})

        def do_DELETE(self) -> None:
            self._note("DELETE")
            self._answer(200, b"", {})

        def _note(self, method: str) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            recorder.requests.append((method, headers))

        def _flood(self, event: bytes) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.end_headers()
            self.close_connection = True
            with contextlib.suppress(OSError):
                while True:
                    self.wfile.write(b"data: %s\n\n" % event * 500)

        def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in {**headers, "content-length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

    with Server(("127.0.0.1", port), Handler) as server:
        recorder.url = f"http://127.0.0.1:{server.server_address[1]}/mcp"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield recorder
        finally:
            server.shutdown()
            thread.join()
            for connection in connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)


if __name__ == "__main__":
    serve_stdio(sys.argv[1])
