"""The pages that people see: `Pages` renders one view record into one HTML document.

Called by the endpoints in `oauth_proxy/`, which decide what is true; this package only says it.
It knows nothing of HTTP, stores or Okta, and no page holds a script or loads anything from
elsewhere.
"""

from okta_mcp.pages.renderer import Pages
from okta_mcp.pages.views import (
    Button,
    ClientView,
    Connection,
    Connections,
    Consent,
    Home,
    Problem,
    ServerView,
    SignedOut,
    SignIn,
    SignOut,
    Tools,
    server_views,
)

__all__ = [
    "Button",
    "ClientView",
    "Connection",
    "Connections",
    "Consent",
    "Home",
    "Pages",
    "Problem",
    "ServerView",
    "SignIn",
    "SignOut",
    "SignedOut",
    "Tools",
    "server_views",
]
