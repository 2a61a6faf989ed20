"""The log for people, on standard error. Standard output belongs to the audit trail.

Nothing here ever holds a query string, a header or a body: Okta's codes and clients' states stand
in URLs, so the web server's own access log is off and requests are known by their references.
"""

import logging

_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
# These log URLs, arguments or tracebacks of requests at levels below the one given here.
_QUIET = {"httpx": "WARNING", "httpcore": "WARNING", "mcp": "WARNING", "uvicorn": "WARNING"}


def set_up_logging(level: str) -> None:
    """Send everything of `level` and above to standard error, libraries kept quiet."""
    logging.basicConfig(level=level, format=_FORMAT, datefmt="%Y-%m-%dT%H:%M:%S%z", force=True)
    for name, least in _QUIET.items():
        logging.getLogger(name).setLevel(least)
    # FastMCP brings a handler of its own, which would print everything a second time.
    fastmcp = logging.getLogger("fastmcp")
    fastmcp.handlers.clear()
    fastmcp.propagate = True
    fastmcp.setLevel("ERROR")
