"""A page of HTML as tests look at it."""

from html.parser import HTMLParser

VOID = {"meta", "img", "br", "link", "input", "hr"}
"""Elements that have no end."""


class Page(HTMLParser):
    """Elements, addresses and text of a page; refuses elements that are not closed."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.addresses, self.handlers, self.open, self.text = [], [], [], [], ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [
            value for name, value in attrs if name in ("src", "href", "xlink:href", "action", "data")
        ]
        self.handlers += [name for name, _ in attrs if name.startswith("on")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.text += f" {data}"
