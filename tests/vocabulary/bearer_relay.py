"""A relay in front of a server that adds a person's access token, for programs that cannot log in.

Otherwise the bytes pass as they are, because such programs also send what no HTTP library would.
What names the relay in `Host` and `Origin` names the server behind it; a foreign name arrives as
it was sent.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

_END = b"\r\n\r\n"
_LONGEST_HEAD = 64 * 1024


@contextlib.asynccontextmanager
async def bearer_relay(server_url: str, access_token: str) -> AsyncIterator[str]:
    """Runs in this loop; gives the URL that stands for `server_url`."""
    place = urlsplit(server_url)
    exchanges: set[asyncio.Task[None]] = set()

    async def relayed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        this = asyncio.current_task()
        assert this is not None
        exchanges.add(this)
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, OSError):
                await _relay(reader, writer)
        finally:
            await _closed(writer)
            exchanges.discard(this)

    async def _relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(_END)
        behind_reader, behind = await asyncio.open_connection(place.hostname, place.port)
        behind.write(_rewritten(head, here.encode(), place.netloc.encode(), access_token.encode()))
        sending = asyncio.create_task(_pump(reader, behind))
        try:
            await _pump(behind_reader, writer)
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            await _closed(behind)

    relay = await asyncio.start_server(relayed, "localhost", 0, limit=_LONGEST_HEAD)
    here = f"localhost:{relay.sockets[0].getsockname()[1]}"
    try:
        yield f"http://{here}"
    finally:
        relay.close()
        # A program may have left an exchange open: its sockets would be blamed on a later test.
        ended = list(exchanges)
        for exchange in ended:
            exchange.cancel()
        await asyncio.gather(*ended, return_exceptions=True)


def _rewritten(head: bytes, here: bytes, there: bytes, access_token: bytes) -> bytes:
    """The head with the token and for one exchange: the next one comes on its own connection."""
    first, *lines = head.removesuffix(_END).split(b"\r\n")
    kept = []
    for line in lines:
        name = line.partition(b":")[0].lower()
        if name in (b"host", b"origin"):
            kept.append(line.replace(here, there))
        elif name not in (b"connection", b"authorization"):
            kept.append(line)
    added = [b"Connection: close", b"Authorization: Bearer " + access_token]
    return b"\r\n".join([first, *kept, *added]) + _END


async def _closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await reader.read(_LONGEST_HEAD):
            writer.write(chunk)
            await writer.drain()
