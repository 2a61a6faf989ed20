"""A page as a test reads it: its elements with their attributes, and the text that shows."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = frozenset({"meta", "link", "input", "br"})


@dataclass
class Element:
    """One element; `inner` is its text with white space folded, `inside` its ancestors' tags."""

    tag: str
    attributes: dict[str, str]
    inside: tuple["Element", ...]
    pieces: list[str] = field(default_factory=list)

    @property
    def inner(self) -> str:
        return " ".join("".join(self.pieces).split())

    def is_in(self, tag: str) -> bool:
        return any(ancestor.tag == tag for ancestor in self.inside)


class Document(HTMLParser):
    """Parses `html`; raises `AssertionError` where tags do not nest."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[Element] = []
        self._open: list[Element] = []
        self.feed(html)
        self.close()
        assert not self._open, f"never closed: {[element.tag for element in self._open]}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs}, tuple(self._open))
        self.elements.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(Element(tag, dict(attrs), tuple(self._open)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open, f"</{tag}> closes nothing"
        assert self._open[-1].tag == tag, f"</{tag}> closes <{self._open[-1].tag}>"
        self._open.pop()

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.pieces.append(data)

    def all(self, tag: str) -> list[Element]:
        return [element for element in self.elements if element.tag == tag]

    def one(self, tag: str) -> Element:
        (element,) = self.all(tag)
        return element

    def links(self) -> list[Element]:
        """The links of the card; those of the foot are the same on every page."""
        return [link for link in self.all("a") if link.is_in("main")]

    def buttons(self) -> dict[str, tuple[str, str]]:
        """What each submit button says, with the name and value that it sends."""
        return {
            button.inner: (button.attributes.get("name", ""), button.attributes.get("value", ""))
            for button in self.all("button")
            if button.attributes.get("type") == "submit"
        }

    def plain_sight(self) -> str:
        """The text of the card that shows before anybody opens a `<details>`."""
        text = self.one("main").inner
        for details in self.all("details"):
            text = text.replace(details.inner, "")
        return text

    def hidden_inputs(self) -> dict[str, str]:
        return {
            element.attributes["name"]: element.attributes["value"]
            for element in self.all("input")
            if element.attributes.get("type") == "hidden"
        }
