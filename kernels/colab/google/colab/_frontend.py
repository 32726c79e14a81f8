"""What the page is asked for besides scripts."""

from google.colab import _message


def create_scratch_cell(content, bottom_pane=False):
    """Offers a cell with this source to the person who runs the code."""
    return _message.blocking_request(
        "add_scratch_cell", {"content": content, "openInBottomPane": bottom_pane}, timeout_sec=None
    )
