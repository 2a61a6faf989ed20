"""A browser as far as these endpoints can see one: cookies, forms, redirects, fetch metadata.

It reads the page it is shown and presses buttons by their text, so a test that passes has seen the
words and the form that a person would. Redirects to a client's own address end the journey: the
address is what the client would receive.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx

_MOST_REDIRECTS = 10
# Everything is plain http; loading the trusted certificates would take longer than most tests.
PLAIN = False


@dataclass
class Button:
    """A submit button and the form it belongs to."""

    text: str
    name: str | None
    value: str
    method: str
    action: str
    fields: list[tuple[str, str]]


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.buttons: list[Button] = []
        self.links: list[tuple[str, str]] = []
        self.words: list[str] = []
        self.title = ""
        self._form: dict[str, str] = {}
        self._fields: list[tuple[str, str]] = []
        self._open: list[str] = []
        self._button: Button | None = None
        self._link: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._form, self._fields = values, []
        elif tag == "input" and values.get("type") == "hidden":
            self._fields.append((values["name"], values["value"]))
        elif tag == "button":
            self._button = Button(
                "",
                values.get("name"),
                values.get("value", ""),
                self._form.get("method", "get"),
                self._form.get("action", ""),
                self._fields,
            )
        elif tag == "a":
            self._link = values.get("href", "")
        self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag == "button" and self._button is not None:
            self._button.text = " ".join(self._button.text.split())
            self.buttons.append(self._button)
            self._button = None
        if tag == "a":
            self._link = None
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if "style" in self._open:
            return
        if "title" in self._open and "svg" not in self._open:
            self.title += data
        if self._button is not None:
            self._button.text += data
        if self._link is not None:
            self.links.append((data.strip(), self._link))
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@dataclass
class Browser:
    """One person's browser. `site` is this server; other hosts get their own cookies.

    `ends_at` is where a journey ends besides: the address of a client that is somebody's site.
    """

    client: httpx.AsyncClient = field(
        default_factory=lambda: httpx.AsyncClient(follow_redirects=False, timeout=60, verify=PLAIN)
    )
    response: httpx.Response | None = None
    landed: str | None = None
    ends_at: str | None = None

    @property
    def page(self) -> _Page:
        """The page that is open."""
        assert self.response is not None
        page = _Page()
        page.feed(self.response.text)
        return page

    @property
    def status(self) -> int:
        assert self.response is not None
        return self.response.status_code

    @property
    def answer(self) -> dict[str, str]:
        """What the client received: the query of the address where the journey ended."""
        assert self.landed is not None, f"still on a page: {self.page.text[:400]}"
        return {name: values[0] for name, values in parse_qs(urlsplit(self.landed).query).items()}

    async def open(self, url: str, *, fetch_site: str | None = "none") -> None:
        """Type an address, or follow a link from elsewhere (`fetch_site="cross-site"`)."""
        headers = {"accept": "text/html"}
        if fetch_site is not None:
            headers["sec-fetch-site"] = fetch_site
        await self._go("GET", url, headers=headers)

    async def press(self, text: str, *, also: Iterable[tuple[str, str]] = ()) -> None:
        """Press the button with that text (or beginning) on the open page."""
        await self.send(self.button(text), also=also)

    def button(self, text: str) -> Button:
        """That button of the open page and all that it would send; `action` is absolute."""
        assert self.response is not None
        matching = [button for button in self.page.buttons if button.text.startswith(text)]
        assert matching, f"no button {text!r}; there are {[b.text for b in self.page.buttons]}"
        return replace(matching[0], action=urljoin(str(self.response.url), matching[0].action))

    async def send(
        self,
        button: Button,
        *,
        also: Iterable[tuple[str, str]] = (),
        headers: Mapping[str, str | None] | None = None,
        follow: bool = True,
    ) -> None:
        """Send a button's form, which may come from another page or another browser.

        `headers` replace what a browser says of the page that sends it, None leaves one out.
        Without `follow` the answer stays open, see `location`.
        """
        fields = [*button.fields, *also]
        if button.name:
            fields.append((button.name, button.value))
        said: dict[str, str | None] = {
            "accept": "text/html",
            "sec-fetch-site": "same-origin",
            "origin": "{0.scheme}://{0.netloc}".format(urlsplit(button.action)),
            **(headers or {}),
        }
        await self._go(
            button.method.upper(),
            button.action,
            fields=fields,
            headers={name: value for name, value in said.items() if value is not None},
            follow=follow,
        )

    @property
    def location(self) -> str:
        """Where the answer that is open sends the browser."""
        assert self.response is not None
        return urljoin(str(self.response.url), self.response.headers["location"])

    async def close(self) -> None:
        await self.client.aclose()

    async def _go(
        self,
        method: str,
        url: str,
        *,
        headers: dict[str, str],
        fields: list[tuple[str, str]] | None = None,
        follow: bool = True,
    ) -> None:
        self.landed = None
        for _ in range(_MOST_REDIRECTS):
            content = httpx.QueryParams(fields or []) if fields is not None else None
            extra = {"content-type": "application/x-www-form-urlencoded"} if content else {}
            self.response = await self.client.request(
                method,
                url,
                content=str(content) if content else None,
                headers=headers | extra,
            )
            location = self.response.headers.get("location")
            if location is None or not follow:
                return
            url = urljoin(url, location)
            if not self._is_page_url(url):
                self.landed = url
                return
            method, fields = "GET", None
            headers = {"accept": "text/html", "sec-fetch-site": "cross-site"}
        raise AssertionError(f"redirected in circles: {url}")

    def _is_page_url(self, url: str) -> bool:
        """Clients of the tests listen on no port; whatever is not a server is their address."""
        parts = urlsplit(url)
        if self.ends_at is not None and url.startswith(self.ends_at):
            return False
        return parts.scheme in ("http", "https") and "/client-callback" not in parts.path
