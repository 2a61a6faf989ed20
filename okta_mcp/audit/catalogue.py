"""Every event that the audit trail can hold. `docs/audit.md` says the same for people.

Names are stable: a SIEM's rules depend on them. An event that is not listed here cannot be written.
"""

SCHEMA_VERSION = 1

EVENTS: dict[str, str] = {
    "server.started": "The server answers from now on.",
    "server.stopped": "The server has stopped in order.",
    "store.unavailable": "The store went away; until it is back requests are answered 503.",
    "store.available": "The store is back.",
    "client.registered": "A client registered itself.",
    "client.registration.suspicious": "A client registered, and something about it is odd.",
    "client.registration.refused": "A registration was refused; the reason says which rule.",
    "authorization.refused": "An authorization request was refused before anybody signed in.",
    "login.started": "A person pressed the button that leads to Okta.",
    "login.succeeded": "Okta signed a person in and the ID token was verified.",
    "login.refused": "A sign-in ended without a session; the reason says why.",
    "session.ended": "A browser session was ended by its person.",
    "consent.granted": "A person allowed a client; a code was made.",
    "consent.remembered": "An earlier answer that is still valid allowed the client again.",
    "consent.denied": "A person said no, or the page could only be left with a no.",
    "consent.forgotten": "A person made this server forget answers that it remembered.",
    "consent.refused": "A consent form was refused, or the person could not be asked.",
    "token.issued": "A code, or a service's assertion, became an access token.",
    "token.refreshed": "A refresh token became a new pair.",
    "token.repeated": "A refresh answer that was lost was given again.",
    "token.refused": "The token endpoint refused a request.",
    "token.revoked": "A client gave a token back.",
    "code.reused": "A code was presented a second time; its grant was ended.",
    "refresh_token.reused": "An old refresh token was presented; its grant was ended.",
    "grant.ended": "A grant was ended before its time; everything under it stopped working.",
    "audit.suppressed": "An address causes more refusals than are recorded; the reason says which.",
    "bearer.refused": "A request to /mcp came with a token that does not open it.",
    "role.changed": "The groups of a person in Okta give another role than before.",
    "tools.listed": "A person's client listed the tools; the count is what the person sees.",
    "tool.called": "A tool was called.",
    "tool.refused": "A tool was asked for that this person does not have, or that does not exist.",
    "resource.read": "A resource was read.",
    "resource.refused": "A resource was asked for that this person does not have.",
    "prompt.given": "A prompt was given.",
    "prompt.refused": "A prompt was asked for that this person does not have.",
    "completion.given": "What could stand in an argument of a prompt or a URI was offered.",
}
