"""Messages of a server behind as they are read: nothing in them breaks who writes them again."""

import json
from typing import Any

import pytest
from starlette.responses import JSONResponse

from okta_mcp.gateway.catalogue import read_catalogue
from okta_mcp.gateway.link import read
from tests.vocabulary.servers_behind import OBJECT

HEAD = b'{"jsonrpc":"2.0","id":1,"result":'


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (b"NaN", None),
        (b"-Infinity", None),
        (b"1e999", None),
        (rb'"\ud800"', "?"),
        (rb'{"\uDFFF": 1}', {"?": 1}),
        (rb'"\ud83d\ude00"', "\U0001f600"),
        (b"1.5", 1.5),
    ],
)
def test_whatever_is_read_can_be_written_again(written: bytes, meant: Any) -> None:
    """I-08."""
    message = read(HEAD + written + b"}")
    assert message is not None
    assert message["result"] == meant
    JSONResponse(message)


@pytest.mark.parametrize(
    "line",
    [
        HEAD + b'"\xed\xa0\x80"}',
        (HEAD + b"1}").decode().encode("utf-16-le"),
        HEAD + b"[" * 100_000,
        HEAD + b"9" * 5000 + b"}",
        HEAD + b"1",
        b"[1]",
        b'{"id":1,"result":{}}',
    ],
    ids=lambda line: repr(line[:50]),
)
def test_what_is_no_message_is_none(line: bytes) -> None:
    assert read(line) is None


class Lists:
    """A session with a server that lists these tools."""

    def __init__(self, *tools: Any) -> None:
        self.capabilities = {"tools": {}}
        self._tools = list(tools)

    async def request(self, *_: object, **__: object) -> dict[str, Any]:
        return json.loads(json.dumps({"tools": self._tools}))  # type: ignore[no-any-return]


@pytest.mark.parametrize("uri", [["a"], {}, "another", 7])
async def test_a_tool_is_told_apart_by_its_name_alone(uri: Any) -> None:
    """What is not hashable would have ended the life of the server for good."""
    tool = {"name": "one", "inputSchema": OBJECT}
    listed = await read_catalogue(Lists(tool, tool | {"uri": uri}), seconds=1)  # type: ignore[arg-type]
    assert [each["name"] for each in listed.tools] == ["one"]
    assert listed.left_out == {"one: is listed twice"}
