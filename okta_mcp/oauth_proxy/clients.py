"""Which client a client_id stands for: one that registered, or one that a document describes.

A document is fetched for an authorization only. When a person allows such a client, what the
document said is stored like a registration, and the token endpoint needs no fetch.
"""

import logging

from okta_mcp.oauth_proxy.client_documents import (
    ClientDocumentError,
    ClientDocuments,
    is_document_url,
)
from okta_mcp.stores.records import Client, Records

log = logging.getLogger("okta_mcp")


class Clients:
    """Finds clients. Without `documents`, a client_id that is a URL is simply unknown."""

    def __init__(self, records: Records, documents: ClientDocuments | None) -> None:
        self._records = records
        self._documents = documents

    async def find(self, client_id: str, address: str) -> Client | None:
        """The client, or None. `address` is the caller's: what it makes us fetch is counted."""
        if not is_document_url(client_id):
            return await self._records.clients.get(client_id)
        if self._documents is None:
            return None
        try:
            return await self._documents.client(client_id, address)
        except ClientDocumentError as error:
            log.info("the client document %s was not used: %s", client_id, error.reason)
            return None
