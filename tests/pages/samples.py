"""One filled view for each page, and the pages themselves."""

from msgspec.structs import replace

from okta_mcp.pages import (
    Button,
    ClientView,
    Connection,
    Connections,
    Consent,
    Home,
    Pages,
    Problem,
    ServerView,
    SignedOut,
    SignIn,
    SignOut,
    Tools,
)
from okta_mcp.rbac.families import SUPPORTED_SCOPES

NOW = 1_795_271_400.0  # Saturday 21 November 2026, 14:30 UTC
PAGES = Pages("Northwind Health", "Questions: it-security@northwind.example")

LOOPBACK = ClientView(
    name="Visual Studio Code",
    client_id="client-of-vscode",
    redirect_uri="http://127.0.0.1:33418/return",
    redirect_host="127.0.0.1",
    kind="loopback",
)
PRIVATE_SCHEME = replace(
    LOOPBACK,
    redirect_uri="cursor://anysphere.cursor-mcp/oauth/callback",
    redirect_host="anysphere.cursor-mcp",
    kind="private-scheme",
)
WEB = replace(
    LOOPBACK,
    redirect_uri="https://assistant.example.net/return",
    redirect_host="assistant.example.net",
    kind="web",
)
CLIENTS = (LOOPBACK, PRIVATE_SCHEME, WEB)

SIGN_IN = SignIn(LOOPBACK, SUPPORTED_SCOPES, "sign-in-token")
CONSENT = Consent(
    client=LOOPBACK,
    person_name="Nora Lindqvist",
    person_login="nora@northwind.example",
    role="viewer",
    scopes=("okta.users.read", "okta.groups.read", "offline_access"),
    tools=(("People", ("get_okta_user", "list_okta_users")), ("Groups", ("list_okta_groups",))),
    access_ends_at=NOW + 86_400,
    now=NOW,
    stays_connected=True,
    remembered_seconds=3600,
    form_token="consent-token",
)
SERVERS = (
    ServerView("time", "Time", "tells the time anywhere"),
    ServerView("files", "Case files", ""),
)
CONSENT_WITH_SERVERS = replace(
    CONSENT,
    scopes=(*CONSENT.scopes, "mcp.time", "mcp.files"),
    tools=(*CONSENT.tools, ("Time", ("time_now",))),
    servers=SERVERS,
)
TOOLS = Tools(
    person_login="nora@northwind.example",
    role="viewer",
    families=CONSENT.tools,
    servers=(
        replace(SERVERS[0], state="up", tools=("time_now",)),
        replace(SERVERS[1], state="down", reason="it ended with status 1"),
    ),
)
PROBLEM = Problem(
    title="A title",
    heading="A heading.",
    explanation="An explanation.",
    advice="An advice.",
    ask="Somebody to ask.",
    reference="7F3K-21QD",
    button=Button("Finish", form_action="/oauth/consent", form_token="problem-token"),
)
SIGN_OUT = SignOut("nora@northwind.example", "sign-out-token")
CONNECTIONS = Connections(
    person_login="nora@northwind.example",
    connections=(
        Connection(
            id="grant-1",
            client_name="Visual Studio Code",
            redirect_host="127.0.0.1:33418",
            scopes=("okta.users.read", "okta.groups.read", "offline_access"),
            since=NOW - 3600,
            last_used_at=None,
            ends_at=NOW + 82_800,
        ),
        Connection(
            id="grant-2",
            client_name="",
            redirect_host="assistant.example.net",
            scopes=("okta.logs.read",),
            since=NOW - 7200,
            last_used_at=NOW - 60,
            ends_at=NOW + 600,
        ),
    ),
    remembered_answers=1,
    now=NOW,
    form_token="connections-token",
)
HOME = Home(
    mcp_url="http://localhost:3001/mcp",
    vscode_url="vscode:mcp/install?%7B%7D",
    is_public_https=False,
    is_sandbox=True,
    sandbox_url="http://127.0.0.1:3002/",
    version="0.1.0",
)

EVERY_PAGE = {
    "connections": PAGES.connections(CONNECTIONS),
    "connections_none": PAGES.connections(
        replace(CONNECTIONS, connections=(), remembered_answers=0)
    ),
    "sign_in": PAGES.sign_in(SIGN_IN),
    "sign_in_web": PAGES.sign_in(replace(SIGN_IN, client=WEB)),
    "sign_in_without_client": PAGES.sign_in(SignIn(None, (), "sign-in-token")),
    "consent": PAGES.consent(CONSENT),
    "consent_with_servers": PAGES.consent(CONSENT_WITH_SERVERS),
    "sign_in_with_servers": PAGES.sign_in(
        replace(SIGN_IN, scopes=CONSENT_WITH_SERVERS.scopes, servers=SERVERS)
    ),
    "tools": PAGES.tools(TOOLS),
    "consent_private_scheme": PAGES.consent(replace(CONSENT, client=PRIVATE_SCHEME)),
    "error": PAGES.error(PROBLEM),
    "error_without_button": PAGES.error(replace(PROBLEM, button=None)),
    "sign_out": PAGES.sign_out(SIGN_OUT),
    "signed_out": PAGES.signed_out(SignedOut("https://northwind.okta.com")),
    "home": PAGES.home(HOME),
    "home_public": PAGES.home(
        replace(HOME, is_public_https=True, mcp_url="https://mcp.northwind.example/mcp")
    ),
}
