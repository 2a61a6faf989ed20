"""What goes wrong outside a call is answered as JSON, and an outage says when to come back."""

import pytest

from okta_mcp.audit.writer import AuditFileError
from okta_mcp.resource_server.error_answers import error_handlers
from okta_mcp.stores.interface import StoreUnavailableError
from tests.vocabulary.requests import request_of


@pytest.mark.parametrize("error", [StoreUnavailableError("away"), AuditFileError("no room")])
async def test_an_outage_is_a_503_with_a_time_to_come_back(error: Exception) -> None:
    answer = await error_handlers()[type(error)](request_of(), error)
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) == 5
    assert str(error) not in answer.body.decode()
