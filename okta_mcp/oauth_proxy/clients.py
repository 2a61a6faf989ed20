"""Which client a client_id stands for: one that registered, or one that a document describes."""

from okta_mcp.oauth_proxy.client_documents import (
    ClientDocumentError,
    ClientDocuments,
    is_document_url,
)
from okta_mcp.stores.records import Client, Records


class Clients:
    """Finds clients. Without `documents`, a client_id that is a URL is simply unknown."""

    def __init__(self, records: Records, documents: ClientDocuments | None) -> None:
        self._records = records
        self._documents = documents

    async def find(self, client_id: str, address: str) -> Client | None:
        """The client, or None. `address` is the caller's: what it makes us fetch is counted."""
        if self._documents is None or not is_document_url(client_id):
            return await self._records.clients.get(client_id)
        try:
            return await self._documents.client(client_id, address)
        except ClientDocumentError:
            return None
