"""Secrets of the person who runs the code, as far as they let this notebook read them."""

from google.colab import _message

_PATIENCE_S = 120


class SecretNotFoundError(Exception):
    """The person has no secret of this name."""

    def __init__(self, key):
        super().__init__(f"Secret {key} does not exist; add it in the Secrets pane.")


class NotebookAccessError(Exception):
    """The person has not let this notebook read the secret."""

    def __init__(self, key):
        super().__init__(f"This notebook may not read the secret {key}; allow it in the Secrets pane.")


class TimeoutException(Exception):
    """No answer came."""

    def __init__(self, key):
        super().__init__(f"The secret {key} was asked for, and no answer came; is the notebook open in your browser?")


def get(key):
    """The value of the secret. While it is not granted, the person who runs this is asked in their page."""
    try:
        found = _message.blocking_request(
            "GetSecret", {"key": key, "patience": _PATIENCE_S}, timeout_sec=_PATIENCE_S + 30
        )
    except TimeoutError:
        raise TimeoutException(key) from None
    if not isinstance(found, dict):
        raise TimeoutException(key)
    if not found.get("exists"):
        raise SecretNotFoundError(key)
    if not found.get("access"):
        raise NotebookAccessError(key)
    return found.get("payload", "")
