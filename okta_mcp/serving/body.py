"""The body of a request, bounded while it arrives."""

from starlette.requests import Request


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
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > largest:
            raise BodyTooLargeError(largest)
    return bytes(body)
