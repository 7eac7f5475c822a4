"""Reads a page as a strict browser would, and says what is wrong with it."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = {"meta", "link", "br", "img", "input", "hr"}


class PageReader(HTMLParser):
    """Collects ids, references, texts and numbers; fails on tags that do not nest."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.ids: list[str] = []
        self.references: list[str] = []  # to ids on the page
        self.addresses: list[str] = []  # everything that a browser could load or follow
        self.tags: list[str] = []
        self.numbers: list[float] = []
        self.texts: list[str] = []
        self.problems: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        self.close()
        self.problems += [f"<{tag}> is never closed" for tag in self._open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in VOID:
            self._open.append(tag)
        self._attributes(tag, attrs)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._attributes(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self.problems.append(f"</{tag}> at {self.getpos()} closes something else")

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def _attributes(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        if len(set(names)) < len(names):
            self.problems.append(f"<{tag}> at {self.getpos()} repeats an attribute")
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            elif name in ("href", "src", "srcset", "action", "data", "poster", "xlink:href"):
                if (value or "").startswith("#"):
                    self.references.append((value or "")[1:])
                else:
                    self.addresses.append(value or "")
            elif name in ("aria-labelledby", "aria-describedby"):
                self.references += (value or "").split()
            elif name == "value" and tag == "data":
                self.numbers.append(float(value or "nan"))
            elif name.startswith("on"):
                self.problems.append(f"<{tag}> at {self.getpos()} runs {name}")
            if value and "url(" in value:
                self.references += [part.split(")")[0].lstrip("#") for part in value.split("url(")[1:]]
