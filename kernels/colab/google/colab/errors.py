"""Errors that code for Colab may want to catch."""

from google.colab._message import MessageError


class Error(Exception):
    """Of this package."""


class RuntimeManagementError(Error):
    """The runtime could not be changed."""


class WidgetException(Error):
    """A widget was used in a way that it cannot be."""


class AuthorizationError(Error):
    """There is no account to act for."""


__all__ = ["AuthorizationError", "Error", "MessageError", "RuntimeManagementError", "WidgetException"]
