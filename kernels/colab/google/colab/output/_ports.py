"""A server that the kernel runs, shown in the page."""

from google.colab.output import _publish

_FRAME = """
(async (port, path, width, height, cache, element) => {
  if (!google.colab.kernel.accessAllowed && !cache) return;
  const url = await google.colab.kernel.proxyPort(port, {cache});
  const iframe = document.createElement('iframe');
  iframe.src = new URL(path, url).toString();
  iframe.height = height;
  iframe.width = width;
  iframe.style.border = '0';
  element.appendChild(iframe);
})"""

_WINDOW = """
(async (port, path, text, element) => {
  if (!google.colab.kernel.accessAllowed) return;
  const url = await google.colab.kernel.proxyPort(port);
  const link = document.createElement('a');
  link.href = new URL(path, url).toString();
  link.target = '_blank';
  link.textContent = text;
  element.appendChild(link);
})"""


def serve_kernel_port_as_iframe(port, path="/", width="100%", height="400", cache_in_notebook=False):
    """Shows what the server on this port of the runtime serves."""
    _publish.call(_FRAME, int(port), path, str(width), str(height), bool(cache_in_notebook))


def serve_kernel_port_as_window(port, path="/", anchor_text=None):
    """A link that opens it in a tab of its own."""
    _publish.call(_WINDOW, int(port), path, anchor_text or f"https://localhost:{int(port)}{path}")
