"""There is no Google account on this server; each function says what to use in its place."""

from google.colab.errors import AuthorizationError

_INSTEAD = (
    "This server has no Google account to sign in with: use a service account's key file"
    " (google.oauth2.service_account), or keep a token in the Secrets pane and read it with userdata.get()."
)


def authenticate_user(clear_output=True, project_id=None):
    raise AuthorizationError(_INSTEAD)


def authenticate_service_account():
    raise AuthorizationError(_INSTEAD)
