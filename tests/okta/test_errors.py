"""Okta's refusals as our codes."""

import json

import httpx
import pytest

from okta_mcp.okta.errors import OKTA_CODES, OktaRefusedError, OktaUnavailableError, error_of

SCOPE = {"WWW-Authenticate": 'Bearer authorization_uri="x", error="insufficient_scope"'}
TOKEN = {"WWW-Authenticate": 'DPoP algs="x"\t, error="invalid_token"'}


@pytest.mark.parametrize(
    ("status", "okta_code", "headers", "code"),
    [
        (400, "E0000001", {}, "bad_request"),
        (400, "E0000028", {}, "bad_request"),
        (400, "E0000031", {}, "bad_filter"),
        (400, "E0000053", {}, "bad_filter"),
        (400, None, {}, "bad_request"),
        (401, "E0000004", {}, "okta_unauthorized"),
        (401, "E0000011", {}, "okta_unauthorized"),
        (401, "E0000015", {}, "feature_unavailable"),
        (403, "E0000015", {}, "feature_unavailable"),
        (401, None, {}, "okta_unauthorized"),
        (401, None, TOKEN, "okta_unauthorized"),
        (403, "E0000005", {}, "okta_unauthorized"),
        (403, "E0000006", {}, "okta_forbidden"),
        (403, "E0000006", SCOPE, "okta_forbidden"),
        (403, "E0000038", {}, "okta_forbidden"),
        (403, None, SCOPE, "okta_forbidden"),
        (404, "E0000007", {}, "not_found"),
        (404, None, {}, "not_found"),
        (405, "E0000022", {}, "feature_unavailable"),
        (410, None, {}, "not_found"),
        (418, "E9999999", {}, "bad_request"),
    ],
)
def test_code_of_a_refusal(
    status: int, okta_code: str | None, headers: dict[str, str], code: str
) -> None:
    body = b"" if okta_code is None else f'{{"errorCode":"{okta_code}"}}'.encode()
    error = error_of(status, httpx.Headers(headers), body)
    assert isinstance(error, OktaRefusedError)
    assert (error.code, error.status) == (code, status)
    assert error.code in OKTA_CODES
    assert error.details["fix"]


def test_a_missing_scope_is_told_apart_from_a_missing_role() -> None:
    body = b'{"errorCode":"E0000006"}'
    scope = error_of(403, httpx.Headers(SCOPE), body)
    role = error_of(403, httpx.Headers(), body)
    assert "scope" in scope.message
    assert "scope" not in role.message


def test_read_only_mode_is_unavailable() -> None:
    error = error_of(503, httpx.Headers(), b'{"errorCode":"E0000010"}')
    assert isinstance(error, OktaUnavailableError)
    assert error.code == "okta_unavailable"


@pytest.mark.parametrize(
    "causes",
    [
        '[{"errorSummary": "at\\u202e pos\\u001b[31mition 16"}]',
        '{"errorSummary": "at\\u202e pos\\u001b[31mition 16"}',
    ],
)
def test_causes_of_a_bad_filter_are_shown_cleaned(causes: str) -> None:
    """I-05, I-06"""
    body = f'{{"errorCode":"E0000053","errorCauses":{causes}}}'.encode()
    assert error_of(400, httpx.Headers(), body).details["okta_causes"] == ["at position 16"]


def test_the_summary_of_a_bad_filter_stands_in_for_missing_causes() -> None:
    """I-05"""
    summary = "Invalid filter 'a eqq 1': Unrecognized attribute operator 'eqq' at position 3."

    def causes(code: str) -> object:
        body = json.dumps({"errorCode": code, "errorSummary": summary, "errorCauses": []})
        return error_of(400, httpx.Headers(), body.encode()).details.get("okta_causes")

    assert causes("E0000053") == causes("E0000031") == [summary]
    assert causes("E0000001") is None


def test_causes_are_few_and_short() -> None:
    cause = '{"errorSummary": "' + "x" * 2000 + '"}'
    body = f'{{"errorCode":"E0000001","errorCauses":[{",".join([cause] * 50)}]}}'.encode()
    causes = error_of(400, httpx.Headers(), body).details["okta_causes"]
    assert len(causes) == 5
    assert all(len(text) < 350 for text in causes)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"null",
        b'{"errorCode": 7}',
        b'{"errorCode": "<b>"}',
        b'{"errorCode":"E0000053","errorCauses":["x", 1, {"errorSummary": 2}]}',
        b"[" * 200_000,
    ],
)
def test_an_error_body_of_any_form_is_an_error_of_ours(body: bytes) -> None:
    error = error_of(400, httpx.Headers(), body)
    assert error.code in {"bad_request", "bad_filter"}
    assert "okta_causes" not in error.details
