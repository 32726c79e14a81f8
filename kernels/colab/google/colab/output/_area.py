"""Where the outputs of a cell go: an element of its frame, the areas above and below, and how high the frame is."""

import contextlib
import json

from google.colab.output import _publish
from google.colab.output._tags import no_tags


@contextlib.contextmanager
def redirect_to_element(dom_element):
    """What is put out inside goes into this element: a selector, or a `Js` expression."""
    from google.colab.output._js_builder import Js

    if isinstance(dom_element, Js):
        element = dom_element._expression
    else:
        element = f"document.querySelector({json.dumps(dom_element)})"
    # The scripts stay among the outputs: who opens the notebook later sees them act again, and the second one acts
    # even if what stands between them is cleared before it was seen.
    with no_tags():
        _publish.javascript(
            "(window.__areas ??= []).push(google.colab.output.getActiveOutputArea());"
            f"google.colab.output.setActiveOutputArea({element});"
        )
    try:
        yield
    finally:
        with no_tags():
            _publish.javascript("google.colab.output.setActiveOutputArea((window.__areas ?? []).pop());")


def to_header_area():
    """Above the outputs."""
    return redirect_to_element("#output-header")


def to_footer_area():
    """Below the outputs."""
    return redirect_to_element("#output-footer")


def to_default_area():
    """Among the outputs."""
    return redirect_to_element("#output-body")


def no_vertical_scroll():
    """The frame of this cell is as high as what is in it."""
    _publish.javascript("google.colab.output.setIframeHeight(0, true, {maxHeight: 10000});")
