"""The body of a request, bounded while it arrives."""

from starlette.requests import ClientDisconnect, Request


class BodyTooLargeError(Exception):
    """The body is larger than it may be; answered with 413."""

    def __init__(self, largest: int) -> None:
        self.reason = f"the body is larger than {largest} bytes"
        super().__init__(self.reason)


async def bounded_body(request: Request, largest: int) -> bytes:
    """The body, counted whatever `Content-Length` says; raises `BodyTooLargeError`."""
    declared = request.headers.get("content-length", "0")
    if declared.isdigit() and int(declared) > largest:
        raise BodyTooLargeError(largest)
    body: bytes = b""
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        if len(body) > largest:
            raise BodyTooLargeError(largest)
        if not message.get("more_body", False):
            return body
