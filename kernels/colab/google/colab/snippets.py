"""Notebooks whose cells are offered as snippets."""

from google.colab import _message


def register(url):
    """Takes the address and does nothing with it: this server offers no snippets from elsewhere."""
    return _message.blocking_request("register_snippets", {"url": url})
