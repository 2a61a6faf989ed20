"""A person with a browser and an MCP client, as fast as raw HTTP allows: the whole way of a login.

Only what any authorization server of MCP has: registration, the authorization URL, pages with
forms, redirects, the token endpoint. `press` names the button of each page on the way.
"""

import base64
import hashlib
import html
import json
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from typing import Any
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

import click

CALLBACK = "http://127.0.0.1:33418/client-callback"
_CLIENT = {
    "client_name": "The benchmark",
    "redirect_uris": [CALLBACK],
    "grant_types": ["authorization_code", "refresh_token"],
    "response_types": ["code"],
    "token_endpoint_auth_method": "none",
}
_MOST_STEPS = 20
_FORM = re.compile(r"<form\b([^>]*)>(.*?)</form>", re.DOTALL)
_INPUT = re.compile(r"<input\b([^>]*)>")
_BUTTON = re.compile(r"<button\b([^>]*)>(.*?)</button>", re.DOTALL)
_ATTRIBUTE = re.compile(r"([\w-]+)=(?:\"([^\"]*)\"|'([^']*)')")
_FORM_TYPE = {"content-type": "application/x-www-form-urlencoded"}


class RefusedError(click.ClickException):
    """Another status than that of what was asked for; `error` is OAuth's code, if there is one."""

    def __init__(self, status: int, url: str, text: str) -> None:
        super().__init__(f"{status} at {url}: {text[:300]}")
        try:
            self.error = str(json.loads(text)["error"])
        except (ValueError, KeyError, TypeError):
            self.error = ""


@dataclass(frozen=True, slots=True)
class Authorization:
    """What a client holds between the browser's return and the token endpoint."""

    client_id: str
    code: str
    verifier: str


class Visitor:
    """One person's browser and client, with the connections that it keeps open."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connections: dict[str, HTTPConnection] = {}
        self._cookies: dict[str, dict[str, str]] = {}
        self._metadata: dict[str, Any] = {}

    def close(self) -> None:
        for connection in self._connections.values():
            connection.close()

    def discover(self) -> None:
        """Once, as a client keeps it (RFC 8414)."""
        self._metadata = self._json("GET", f"{self._url}/.well-known/oauth-authorization-server")

    def log_in(self, press: Sequence[str], scope: str | None = None) -> dict[str, Any]:
        """Register, authorize by pressing those buttons, and redeem; the token answer."""
        return self.redeem(self.authorize(press, scope))

    def authorize(self, press: Sequence[str], scope: str | None = None) -> Authorization:
        """Register a client in a fresh browser, and bring its person to a code for it."""
        if not self._metadata:
            self.discover()
        self._cookies.clear()
        client = self._json(
            "POST",
            self._metadata["registration_endpoint"],
            json.dumps(_CLIENT),
            {"content-type": "application/json"},
        )
        verifier = secrets.token_urlsafe(48)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest())
        state = secrets.token_urlsafe(8)
        asked = {
            "client_id": client["client_id"],
            "redirect_uri": CALLBACK,
            "response_type": "code",
            "code_challenge": challenge.rstrip(b"=").decode(),
            "code_challenge_method": "S256",
            "state": state,
            "resource": f"{self._url}/mcp",
            **({"scope": scope} if scope else {}),
        }
        endpoint = self._metadata["authorization_endpoint"]
        answer = self._journey(f"{endpoint}?{urlencode(asked)}", list(press))
        if answer.get("state") != state or "code" not in answer:
            raise click.ClickException(f"the login ended with {answer}")
        return Authorization(client["client_id"], answer["code"], verifier)

    def redeem(self, authorization: Authorization) -> dict[str, Any]:
        """The first tokens, and the id of the client that has them."""
        return self._tokens(
            authorization.client_id,
            grant_type="authorization_code",
            code=authorization.code,
            code_verifier=authorization.verifier,
            redirect_uri=CALLBACK,
        )

    def refresh(self, tokens: Mapping[str, Any]) -> dict[str, Any]:
        """The next pair of tokens."""
        return self._tokens(
            tokens["client_id"],
            grant_type="refresh_token",
            refresh_token=tokens["refresh_token"],
        )

    def _tokens(self, client_id: str, **grant: str) -> dict[str, Any]:
        form = urlencode({**grant, "client_id": client_id, "resource": f"{self._url}/mcp"})
        tokens = self._json("POST", self._metadata["token_endpoint"], form, _FORM_TYPE)
        return {**tokens, "client_id": client_id}

    def exchanged(
        self,
        method: str,
        url: str,
        body: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[HTTPResponse, str]:
        """One request of the browser, with its cookies; redirects are the caller's."""
        place = urlsplit(url)
        connection = self._connections.get(place.netloc)
        if connection is None:
            connection = HTTPConnection(place.hostname or "", place.port)
            self._connections[place.netloc] = connection
        kept = self._cookies.setdefault(place.netloc, {})
        sent = dict(headers or {})
        if kept:
            sent["cookie"] = "; ".join(f"{name}={value}" for name, value in kept.items())
        target = f"{place.path or '/'}?{place.query}" if place.query else place.path or "/"
        connection.request(method, target, body, sent)
        response = connection.getresponse()
        text = response.read().decode()
        for cookie in response.headers.get_all("set-cookie") or ():
            name, _, rest = cookie.partition("=")
            value, _, attributes = rest.partition(";")
            if not value.strip('"') or "max-age=0" in attributes.lower():
                kept.pop(name, None)
            else:
                kept[name] = value
        return response, text

    def _journey(self, url: str, press: list[str]) -> dict[str, str]:
        """From a URL to the client's own address; the parameters that arrive there."""
        method, body = "GET", None
        headers = {"accept": "text/html", "sec-fetch-site": "none"}
        for _ in range(_MOST_STEPS):
            response, text = self.exchanged(method, url, body, headers)
            location = response.getheader("location")
            if location is not None:
                url = urljoin(url, location)
                if url.startswith(CALLBACK):
                    query = parse_qs(urlsplit(url).query)
                    return {name: values[0] for name, values in query.items()}
                method, body = "GET", None
                headers = {"accept": "text/html", "sec-fetch-site": "cross-site"}
                continue
            if not press or response.status != 200:
                raise click.ClickException(f"{response.status} at {url}: {text[:300]}")
            method, action, fields = _pressed(text, press.pop(0))
            url = urljoin(url, action)
            place = urlsplit(url)
            body = urlencode(fields)
            headers = {
                "accept": "text/html",
                "sec-fetch-site": "same-origin",
                "origin": f"{place.scheme}://{place.netloc}",
                **_FORM_TYPE,
            }
            if method == "GET":
                url, body = f"{url}?{body}", None
        raise click.ClickException(f"redirected in circles: {url}")

    def _json(
        self,
        method: str,
        url: str,
        body: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        response, text = self.exchanged(method, url, body, headers)
        if response.status not in (200, 201):
            raise RefusedError(response.status, url, text)
        return dict(json.loads(text))


def _pressed(page: str, button: str) -> tuple[str, str, list[tuple[str, str]]]:
    """Method, action and fields of the form whose button's text has those words."""
    for form in _FORM.finditer(page):
        for each in _BUTTON.finditer(form[2]):
            if button not in _words(each[2]):
                continue
            around = _attributes(form[1])
            inputs = [_attributes(found[1]) for found in _INPUT.finditer(form[2])]
            fields = [(one["name"], one.get("value", "")) for one in inputs if "name" in one]
            own = _attributes(each[1])
            if "name" in own:
                fields.append((own["name"], own.get("value", "")))
            return around.get("method", "get").upper(), around.get("action", ""), fields
    shown = [_words(found[2]) for found in _BUTTON.finditer(page)]
    raise click.ClickException(f"no button {button!r}; there are {shown}")


def _words(text: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())


def _attributes(text: str) -> dict[str, str]:
    return {
        name: html.unescape(quoted or single) for name, quoted, single in _ATTRIBUTE.findall(text)
    }
