"""Where a request goes and where the next page is: paths under /api/v1/ and Okta's Link headers.

Used by `api` for every request and by the tools to keep the place of a page in a cursor. A next
link is followed as Okta gave it: path and full query are taken over as they are and never rebuilt,
but only onto the configured organisation, under /api/v1/, and to the list that was asked. A link
to anywhere else would hand the server's credentials to somebody.
"""

import re
from collections.abc import Mapping
from urllib.parse import quote, unquote, urlencode, urlsplit

API_PREFIX = "/api/v1/"

Parameter = str | int | bool | None

_LINK = re.compile(r'<([^<>]*)>((?:\s*;\s*[\w*!#$&+.^`|~-]+\s*=\s*(?:"[^"]*"|[^\s",;]+))*)')
_REL = re.compile(r';\s*rel\s*=\s*(?:"([^"]*)"|([^\s",;]+))', re.IGNORECASE)


def target_of(path: str, params: Mapping[str, Parameter] | None = None) -> str:
    """`path` and its query as one text; parameters that are None or empty are left out."""
    given = {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in (params or {}).items()
        if value is not None and value != ""
    }
    return f"{path}?{urlencode(given, quote_via=quote)}" if given else path


def path_of(target: str) -> str:
    """The path of path and query; raises `ValueError` unless it is one of the Management API."""
    path = target.partition("?")[0]
    segments = path.split("/")
    if (
        not path.startswith(API_PREFIX)
        or not path.isascii()
        or not path.isprintable()
        or any(sign in path for sign in "\\#; ")
        or any(unquote(segment) in {"", ".", ".."} for segment in segments[1:])
    ):
        raise ValueError("not a path of the Management API")
    return path


def next_target(link_headers: list[str], asked_path: str) -> str | None:
    """Path and query of `rel="next"` in the Link lines, which may be folded; None at the end.

    Raises `ValueError` for a next link that leads to something else than the list at `asked_path`:
    to leave it out would lose rows without a word.
    """
    for line in link_headers:
        for url, parameters in _LINK.findall(line):
            rel = _REL.search(parameters)
            if rel and "next" in (rel[1] or rel[2]).lower().split():
                return _onto_the_organisation(url, asked_path)
    return None


def same_list(asked_path: str, other_path: str) -> bool:
    """Whether two paths name one list. Okta may answer an id where a login was asked."""
    asked, other = asked_path.split("/"), other_path.split("/")
    return len(asked) == len(other) and all(
        unquote(left) == unquote(right) or "@" in unquote(left)
        for left, right in zip(asked, other, strict=True)
    )


def _onto_the_organisation(url: str, asked_path: str) -> str:
    # The host is set aside: an organisation has several names, and ours is the configured one.
    parts = urlsplit(url)
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    if not same_list(asked_path, path_of(target)):
        raise ValueError("the next link leads to another list")
    return target
