"""Strangers: clients of this machine whose connections come from another loopback address.

127.0.0.0/8 is all loopback, so each test can have an address of its own that nobody has counted.
"""

import httpx

from tests.vocabulary.browser import PLAIN


def http_from(address: str) -> httpx.AsyncClient:
    """Sends from `address`, one of 127.0.0.0/8."""
    transport = httpx.AsyncHTTPTransport(local_address=address, verify=PLAIN)
    return httpx.AsyncClient(transport=transport, timeout=30)
