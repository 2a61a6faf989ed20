"""Every code that a failing tool answers with: what happened, and what to do.

`docs/errors.md` shows the same sentences to people, a resource shows them to assistants.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ErrorCode:
    """What a code says, in two sentences without a full stop.

    `check` is the check of `okta-mcp doctor` by which an administrator looks at the cause.
    """

    happened: str
    to_do: str
    check: str = ""


ERROR_CODES: dict[str, ErrorCode] = {
    "invalid_argument": ErrorCode(
        "an argument is missing, unknown, out of range, no id, no time, or no cursor of this"
        " list; nothing was sent to Okta",
        "follow `fix`",
    ),
    "forbidden_parameter": ErrorCode(
        "the policy of this server does not let your role use the parameter in this way; nothing"
        " was sent to Okta",
        "follow `fix`, which says what is allowed",
    ),
    "not_found": ErrorCode("Okta knows no such object", "look the id up with a list tool"),
    "bad_filter": ErrorCode(
        "`search` or `filter` cannot be read, or Okta did not accept it",
        "read the position and the example in `fix`, and `okta_causes` where it is given",
    ),
    "bad_request": ErrorCode(
        "Okta did not accept the request for another reason",
        "read `okta_causes`, check the arguments",
    ),
    "rate_limited": ErrorCode(
        "the person's share of Okta's rate limit, the limit itself, or the number of calls that"
        " this server allows a person is used up, and waiting would take longer than 10 seconds",
        "ask again after `retry_after_seconds`; a call made then goes through",
    ),
    "okta_forbidden": ErrorCode(
        "the credentials may not read that: a role or a scope is missing in Okta",
        "an administrator gives it to the API token's owner, the service application or, where"
        " the person's own token is used, the person",
        check="okta.api_rights",
    ),
    "okta_unauthorized": ErrorCode(
        "Okta does not accept the credentials",
        "an administrator renews them: an API token ends after 30 days without use, and with its"
        " owner",
        check="okta.api_token",
    ),
    "feature_unavailable": ErrorCode(
        "the organisation does not have the feature",
        "nothing; it needs a licence or Okta Identity Engine",
        check="okta.api_rights",
    ),
    "okta_unavailable": ErrorCode(
        "Okta cannot be reached or failed (a 503 or 504 was tried twice)",
        "ask again later",
        check="okta.discovery",
    ),
    "upstream_timeout": ErrorCode(
        "Okta did not answer in time",
        "ask for less: a shorter window, a narrower filter",
        check="okta.api_rights",
    ),
    "upstream_malformed": ErrorCode(
        "the answer was no JSON, broke off, was larger than 8 MiB, was a redirect, or led to"
        " another list",
        "ask again with a smaller `limit`; an administrator checks `OKTA_ORG_URL` and any proxy",
        check="okta.discovery",
    ),
    "not_configured": ErrorCode(
        "the server has no credentials for the Okta API",
        "an administrator sets `OKTA_API_TOKEN` or a service application",
        check="okta.api_token",
    ),
    "answer_too_large": ErrorCode(
        "one object alone is larger than an answer may be, or a server behind the gateway answered"
        " more than it may",
        "ask with `fields=default`; of another server ask for less",
    ),
    "server_unavailable": ErrorCode(
        "the server behind the gateway is not there, not yet or not any more; the message says why",
        "ask again in a minute: it is started again by itself",
    ),
    "server_timeout": ErrorCode(
        "the server behind the gateway did not answer in the time that it has",
        "ask for less; an administrator may set `call_seconds`",
    ),
    "server_busy": ErrorCode(
        "as many people as may use the server behind the gateway at once are using it",
        "ask again in a minute; an administrator may set `most_processes`",
    ),
    "server_refused": ErrorCode(
        "the server behind the gateway answered with an error of its own",
        "read its text, check the arguments",
    ),
    "store_unavailable": ErrorCode(
        "this server's store does not answer, or became too slow, in the middle of the call",
        "ask again in a moment",
        "store",
    ),
    "internal_error": ErrorCode(
        "a fault of this server; its log names the kind", "report it to whoever runs the server"
    ),
}
