"""Scripts, styles and markup shown as outputs of the running cell."""

import json


def javascript(content=None, url=None, script_id=None):
    """A script of this text, or of this address; with `script_id` an address is loaded once."""
    from IPython.display import HTML, Javascript, display

    if url is None:
        display(Javascript(content or ""))
        return
    if script_id is None:
        display(HTML(f"<script src={json.dumps(url)}></script>"))
        return
    display(HTML(f"<script id={json.dumps(script_id)} src={json.dumps(url)}></script>"))


def css(content=None, url=None):
    from IPython.display import HTML, display

    markup = f"<style>{content}</style>" if url is None else f"<link rel=stylesheet href={json.dumps(url)}>"
    display(HTML(markup))


def html(content):
    from IPython.display import HTML, display

    display(HTML(content))


def call(function, *args):
    """Calls an async function of JavaScript with these and the output's element, which says so when it fails."""
    arguments = "".join(f"{json.dumps(arg)}, " for arg in args)
    failed = "(error) => void element.appendChild(document.createTextNode(String(error.message ?? error)))"
    javascript(f"((element) => {function}({arguments}element).catch({failed}))(window.element);")
