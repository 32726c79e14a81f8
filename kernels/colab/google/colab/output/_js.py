"""Scripts evaluated in the frame of the cell, and functions of Python that scripts may call by name."""

import json

from google.colab import _message

TARGET = "google.colab.invoke"

_functions = {}


def eval_js(script, ignore_result=False, timeout_sec=None):
    """The value of the script, awaited if it is a promise, as JSON can carry it. Raises MessageError with the script's
    own error."""
    if ignore_result:
        _message.send_request("cell_javascript_eval", {"script": script})
        return None
    return _message.blocking_request("cell_javascript_eval", {"script": script}, timeout_sec)


def register_callback(function_name, callback):
    """From now on `google.colab.kernel.invokeFunction(function_name, args, kwargs)` calls it."""
    if not callable(callback):
        raise ValueError(f"What is registered as {function_name!r} cannot be called.")
    _functions[function_name] = callback


def unregister_callback(function_name):
    _functions.pop(function_name, None)


def _invoke_function(function_name, json_args, json_kwargs):
    callback = _functions.get(function_name)
    if callback is None:
        raise ValueError(f"Function not found: {function_name}")
    return callback(*json.loads(json_args), **json.loads(json_kwargs))


def take_call(comm, message):
    """A call as the server sends it: a comm that opens with name and arguments and closes with the outcome."""
    from IPython import get_ipython

    shell = get_ipython()
    data = message["content"]["data"]
    try:
        value = _invoke_function(str(data["name"]), str(data["args"]), str(data["kwargs"]))
        bundle, metadata = shell.display_formatter.format(value)
        outcome = {"status": "ok", "data": bundle, "metadata": metadata}
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - whatever it is, the caller is told
        outcome = {"status": "error", "ename": type(error).__name__, "evalue": str(error)}
    comm.close(data=outcome)
