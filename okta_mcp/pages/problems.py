"""Every error that a person can meet in the browser, in words, keyed by a stable reason.

Called by the renderer for `Pages.problem`. The same reason stands in the audit log. The words say
what happened, what to do now and whom to ask; they never repeat what Okta or a caller wrote, and
values enter them only through the named fields.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from okta_mcp.pages.text import quoted_claim
from okta_mcp.pages.views import Button, Problem

_ADMINISTRATOR = "Show this page to the administrator of this server."
_OKTA_ADMINISTRATOR = "Show this page to your Okta administrator."
_START_AGAIN = "Go back to your assistant and connect again; that starts a fresh sign-in."

# What a sentence says when the endpoint does not know the value.
_UNKNOWN = MappingProxyType(
    {
        "person": "somebody",
        "client": "the application that asked",
        "wait": "a minute",
        "organisation": "this server",
        "scopes": "that this server asks for",
    }
)


@dataclass(frozen=True, slots=True)
class ProblemWords:
    """One error page.

    Fields in braces: person, client (quoted when shown), wait, organisation, scopes.
    """

    title: str
    heading: str
    explanation: str
    advice: str
    ask: str = ""
    nothing_lost: bool = True


PROBLEMS: Mapping[str, ProblemWords] = MappingProxyType(
    {
        "unknown_client": ProblemWords(
            title="Unknown application",
            heading="This server does not know that application.",
            explanation="The link names an application that never registered here, or whose"
            " registration has ended.",
            advice="Remove this server from your assistant, add it again and connect; that"
            " registers it anew.",
            ask="If it happens again, ask the administrator of this server.",
        ),
        "redirect_uri_mismatch": ProblemWords(
            title="Unexpected return address",
            heading="The answer would go to the wrong place.",
            explanation="The link asks to send your answer to an address that {client} did not"
            " register. We stopped, because that is how answers are stolen.",
            advice="If you started this yourself, remove this server from your assistant, add it"
            " again and connect. If somebody sent you the link, close this page.",
            ask="If you did not start this, tell your security team.",
        ),
        "invalid_request": ProblemWords(
            title="Request not understood",
            heading="This link is not complete.",
            explanation="Something that this page needs is missing from the link or is wrong"
            " in it. Links that were shortened or copied in part look like this.",
            advice=_START_AGAIN,
            ask="If it happens again, ask the administrator of this server.",
        ),
        "form_expired": ProblemWords(
            title="Page too old",
            heading="This page was open for too long.",
            explanation="For your safety a page like this can be answered only for a few minutes,"
            " and only once.",
            advice=_START_AGAIN,
        ),
        "form_foreign": ProblemWords(
            title="Answer not accepted",
            heading="We cannot tell that this answer came from you.",
            explanation="Your browser did not send the cookie that belongs to this page. Either it"
            " blocks cookies, or the answer came from another page.",
            advice="Allow cookies for this site, then go back to your assistant and connect again."
            " If it opened a small window of its own, copy the address into your usual browser.",
            ask="If you did not press a button on our page, tell your security team.",
        ),
        "wrong_browser": ProblemWords(
            title="Another browser",
            heading="This sign-in began in another browser.",
            explanation="It has to end in the browser where it began. If you opened a link that"
            " somebody sent you, they may have wanted you to sign in for them.",
            advice="If it was you, go back to your assistant, connect again, and stay in one"
            " browser.",
            ask="If it was not you, tell your security team.",
        ),
        "sign_in_expired": ProblemWords(
            title="Sign-in expired",
            heading="The sign-in took too long.",
            explanation="A sign-in has to be finished within ten minutes, and this one was not.",
            advice=_START_AGAIN,
        ),
        "sign_in_used": ProblemWords(
            title="Sign-in already finished",
            heading="This sign-in is already finished.",
            explanation="This page was opened a second time, by Back, Reload or another tab."
            " The first time counted.",
            advice="Look at your assistant: it is probably connected. If it is not, connect again.",
        ),
        "okta_unreachable": ProblemWords(
            title="Okta does not answer",
            heading="We cannot reach Okta right now.",
            explanation="Signing in needs Okta, and it did not answer in time.",
            advice="Wait a minute and try again.",
            ask="If it lasts, ask the administrator of this server.",
        ),
        "okta_refused": ProblemWords(
            title="Not signed in",
            heading="You were not signed in.",
            explanation="The sign-in at Okta was cancelled or refused, so {client} got nothing.",
            advice="If you want to connect after all, go back to your assistant and connect again.",
            ask="If Okta refuses you again and again, ask your Okta administrator.",
        ),
        "not_assigned": ProblemWords(
            title="Not assigned in Okta",
            heading="Okta does not let you use this application yet.",
            explanation="You have an account, but you are not assigned to this server’s"
            " application in Okta.",
            advice="Ask your Okta administrator to assign you, or one of your groups, to the"
            " application of this server. Then connect again.",
        ),
        "wrong_client_secret": ProblemWords(
            title="Server not set up",
            heading="Okta does not accept this server.",
            explanation="Your sign-in was fine. It is this server’s own credentials that Okta"
            " refuses.",
            advice=_ADMINISTRATOR,
            ask="For the administrator: OKTA_CLIENT_ID and OKTA_CLIENT_SECRET have to be those"
            " of the application in Okta (or the key of OKTA_API_PRIVATE_KEY_FILE, if the server"
            " signs in with a key). Copy them again, then restart the server.",
        ),
        "too_many_groups": ProblemWords(
            title="Too many groups",
            heading="Okta could not list your groups.",
            explanation="You are in more groups than Okta puts into one sign-in, so your role here"
            " cannot be found.",
            advice=_OKTA_ADMINISTRATOR,
            ask="For the administrator: in the Okta application, under Sign On, let the groups"
            " claim filter match only the groups of this server, or set OKTA_API_AUTH to service"
            " or ssws.",
        ),
        "scopes_not_granted": ProblemWords(
            title="Server not set up",
            heading="The application in Okta may not ask for what this server needs.",
            explanation="Okta refused the sign-in because this server’s application has not been"
            " granted the permissions that it asks for.",
            advice=_OKTA_ADMINISTRATOR,
            ask="For the administrator: in the Okta application, under Okta API Scopes, grant the"
            " permissions {scopes}, or set another OKTA_API_AUTH.",
        ),
        "sign_in_too_weak": ProblemWords(
            title="Sign-in not strong enough",
            heading="Your sign-in was not strong enough.",
            explanation="This server lets in only people who proved to Okta in a stronger way who"
            " they are, for example by a passkey. This sign-in did not.",
            advice="Connect again, and choose a stronger way to sign in if Okta offers one.",
            ask="If Okta offers none, ask your Okta administrator for one. This server asks for it"
            " by OKTA_ACR_VALUES.",
        ),
        "id_token_refused": ProblemWords(
            title="Sign-in not verified",
            heading="We could not verify the answer from Okta.",
            explanation="What came back from the sign-in did not pass our checks, so we did not"
            " accept it.",
            advice="Go back to your assistant and connect again.",
            ask="If it happens again, ask the administrator of this server: its clock and"
            " OKTA_ISSUER are the usual reasons.",
        ),
        "no_role": ProblemWords(
            title="No access yet",
            heading="You have no access here yet.",
            explanation="You are signed in as {person}, but none of your groups gives access here.",
            advice="Ask your Okta administrator to add you to one of the groups of this server.",
        ),
        "account_inactive": ProblemWords(
            title="Account not active",
            heading="Your Okta account is not active.",
            explanation="Okta says that the account of {person} is suspended, locked or"
            " deactivated. Everything that was connected with it has been disconnected.",
            advice="Ask your Okta administrator to look at your account.",
            ask="Once it is active again, connect your assistant again.",
            nothing_lost=False,
        ),
        "roles_unavailable": ProblemWords(
            title="Groups not available",
            heading="We could not find out what you may see.",
            explanation="You are signed in as {person}, but Okta did not tell us your groups, and"
            " without them we share nothing.",
            advice="Wait a minute and try again.",
            ask="If it lasts, ask the administrator of this server.",
        ),
        "refresh_grant_missing": ProblemWords(
            title="Server not set up",
            heading="The application in Okta lacks a permission.",
            explanation="This server has to ask Okta for your groups now and then, and the"
            " application in Okta does not allow that.",
            advice=_OKTA_ADMINISTRATOR,
            ask="For the administrator: in the Okta application, under General Settings, tick"
            " the grant type Refresh Token, or set OKTA_API_AUTH to service or ssws.",
        ),
        "other_person": ProblemWords(
            title="Another person is signed in",
            heading="Somebody else is signed in now.",
            explanation="When you opened that page, another person was signed in. Now this browser"
            " is signed in as {person}, so the old page no longer counts.",
            advice="If that is you, go back to your assistant and connect again. If not, sign out"
            " first.",
        ),
        "too_many_requests": ProblemWords(
            title="Too many attempts",
            heading="That was too often in a short time.",
            explanation="To protect everybody, this server answers only so many requests a minute.",
            advice="Wait {wait}, then try again.",
            ask="If you did nothing unusual, ask the administrator of this server.",
        ),
        "not_found": ProblemWords(
            title="Page not found",
            heading="There is no page here.",
            explanation="The address may be mistyped or old.",
            advice="The start page shows the address to give to your assistant.",
        ),
        "method_not_allowed": ProblemWords(
            title="Not possible here",
            heading="This address cannot be opened like that.",
            explanation="It is meant for programs, or for the button on one of our pages.",
            advice="The start page shows the address to give to your assistant.",
        ),
        "server_busy": ProblemWords(
            title="Server busy",
            heading="This server is busy right now.",
            explanation="It has as many sign-ins open as it can hold.",
            advice="Wait {wait}, then try again.",
            ask="If it lasts, ask the administrator of this server.",
        ),
        "store_unavailable": ProblemWords(
            title="Not available",
            heading="This server cannot reach its store right now.",
            explanation="It keeps sign-ins and permissions there, and lets nobody in or out"
            " without it. What you just asked for was not done, or cannot be confirmed.",
            advice="Wait {wait}, then try again. If you were connecting an assistant, go back to it"
            " and connect again.",
            ask="If it lasts, ask the administrator of this server.",
            nothing_lost=False,
        ),
        "audit_unavailable": ProblemWords(
            title="Not available",
            heading="This server cannot write its record right now.",
            explanation="What people and assistants do here is written down, and without that it"
            " does nothing. What you just asked for was not done, or cannot be confirmed.",
            advice="Wait {wait}, then try again. If you were connecting an assistant, go back to it"
            " and connect again.",
            ask="Tell the administrator of this server: it may be out of disk space.",
            nothing_lost=False,
        ),
        "internal_error": ProblemWords(
            title="Something went wrong",
            heading="Something went wrong on our side.",
            explanation="It is a fault of this server, not of anything that you did.",
            advice="Try again. If it happens a second time, it needs somebody to look.",
            ask="Then ask the administrator of this server.",
        ),
    }
)

# Of `okta-mcp doctor`: what an administrator lets look at the cause. The reasons beside it are
# the person's own to mend, or nothing of the set-up.
CHECKS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "okta_unreachable": ("okta.discovery",),
        "wrong_client_secret": ("okta.client",),
        "too_many_groups": ("okta.groups_claim",),
        "scopes_not_granted": ("okta.scopes",),
        "id_token_refused": ("clock", "okta.issuer", "okta.keys"),
        "no_role": ("roles.mapping",),
        "roles_unavailable": ("okta.api_token", "okta.api_rights"),
        "refresh_grant_missing": ("okta.client",),
        "store_unavailable": ("store",),
        "audit_unavailable": ("audit",),
    }
)
WITHOUT_CHECK: frozenset[str] = frozenset(
    {
        *("unknown_client", "redirect_uri_mismatch", "invalid_request", "not_found"),
        *("form_expired", "form_foreign", "wrong_browser", "sign_in_expired", "sign_in_used"),
        *("okta_refused", "not_assigned", "sign_in_too_weak", "account_inactive", "other_person"),
        *("too_many_requests", "method_not_allowed", "server_busy", "internal_error"),
    }
)


def problem_of(
    reason: str, *, reference: str, button: Button | None, values: Mapping[str, str]
) -> Problem:
    """The words of `reason` with `values` filled in. Raises `KeyError` for an unknown reason."""
    words = PROBLEMS[reason]
    fields = {**_UNKNOWN, **{name: value for name, value in values.items() if value}}
    if values.get("client"):
        fields["client"] = quoted_claim(values["client"])
    return Problem(
        title=words.title,
        heading=words.heading.format_map(fields),
        explanation=words.explanation.format_map(fields),
        advice=words.advice.format_map(fields),
        nothing_lost=words.nothing_lost,
        ask=words.ask.format_map(fields),
        reference=reference,
        checks=CHECKS.get(reason, ()),
        button=button,
    )
