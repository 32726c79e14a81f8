"""Files between the runtime and the browser of the person who runs the code."""

import base64
import json
import os
import uuid

from google.colab import output
from google.colab.output import _publish

_PIECE = 512 << 10
_MAX_OPENED = 32

_UPLOAD = """
((id, piece) => {
  const root = document.getElementById(id);
  const input = root.querySelector('input'), cancel = root.querySelector('button'), list = root.querySelector('ul');
  const chosen = new Promise((resolve) => {
    input.addEventListener('change', () => resolve([...input.files]), {once: true});
    cancel.addEventListener('click', () => resolve([]), {once: true});
  });
  const read = (blob) => new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(',') + 1));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
  let files = [];
  (window.__uploads ??= {})[id] = {
    async choose() {
      files = await chosen;
      input.disabled = true;
      cancel.remove();
      for (const file of files) {
        const item = list.appendChild(document.createElement('li'));
        item.textContent = `${file.name} (${file.type || 'no type'}), ${file.size} bytes: `;
        item.append(document.createElement('progress'));
        item.lastChild.max = file.size || 1;
        item.lastChild.value = 0;
      }
      return files.map((file) => ({name: file.name, size: file.size}));
    },
    async piece(number, at) {
      const progress = list.children[number].querySelector('progress');
      const data = at < files[number].size ? await read(files[number].slice(at, at + piece)) : '';
      progress.value = Math.min(files[number].size || 1, at + piece);
      if (at + piece >= files[number].size) progress.replaceWith('done');
      return data;
    },
  };
})"""

_DOWNLOAD = """
(async (name, size, id, element) => {
  if (!google.colab.kernel.accessAllowed) return;
  const status = element.appendChild(document.createElement('div'));
  const progress = document.createElement('progress');
  progress.max = size || 1;
  status.append(`Downloading ${name}: `, progress);
  const parts = [];
  let done = 0;
  for (let number = 0; done < size; number++) {
    const answer = await google.colab.kernel.invokeFunction(id, [number], {});
    const text = atob(answer.data['application/json']);
    parts.push(Uint8Array.from(text, (letter) => letter.charCodeAt(0)));
    done += text.length;
    progress.value = done;
  }
  await google.colab.kernel.invokeFunction(id, [-1], {});
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob(parts, {type: 'application/octet-stream'}));
  link.download = name;
  element.append(link);
  link.click();
  link.remove();
  status.remove();
})"""


def upload(target_dir=""):
    """Files chosen in the browser, by the names under which they lie in `target_dir` now, with their content."""
    return dict(_uploaded(True, lambda name: _free_name(target_dir, name), target_dir))


def upload_file(filename):
    """One file, kept under this name; its content."""
    found = list(_uploaded(False, lambda name: filename, os.path.dirname(filename)))
    if not found:
        raise FileNotFoundError("No file was chosen.")
    return found[0][1]


def _uploaded(several, name_for, folder):
    id = f"files-{uuid.uuid4().hex}"
    _show_chooser(id, several)
    call = f"window.__uploads[{json.dumps(id)}]"
    chosen = output.eval_js(f"{call}.choose()") or []
    if chosen and folder:
        os.makedirs(folder, exist_ok=True)
    for number, file in enumerate(chosen):
        name = name_for(os.path.basename(file["name"].replace("\\", "/")) or "file")
        part = f"{name}.{uuid.uuid4().hex[:8]}.part"
        pieces = []
        try:
            with open(part, "wb") as target:
                for at in range(0, max(1, file["size"]), _PIECE):
                    piece = base64.b64decode(output.eval_js(f"{call}.piece({number}, {at})") or "")
                    target.write(piece)
                    pieces.append(piece)
            os.replace(part, name)
        finally:
            if os.path.exists(part):
                os.unlink(part)
        print(f"Saved {file['name']} as {name}")
        yield name, b"".join(pieces)


def _show_chooser(id, several):
    from IPython.display import HTML, display

    multiple = "multiple" if several else ""
    label = "Files to upload" if several else "File to upload"
    display(
        HTML(
            f'<div id="{id}"><input type="file" {multiple} aria-label="{label}"> '
            f"<button type=button>Cancel upload</button><ul></ul></div>"
            f'<script>{_UPLOAD}("{id}", {_PIECE})</script>'
        )
    )


def _free_name(folder, name):
    """`a.txt`, or `a (1).txt` and so on where that is taken."""
    stem, ending = os.path.splitext(name)
    candidate, number = os.path.join(folder, name), 0
    while os.path.exists(candidate):
        number += 1
        candidate = os.path.join(folder, f"{stem} ({number}){ending}")
    return candidate


_opened = {}


def download(filename):
    """The file is saved by the browser of who runs this."""
    if not os.path.exists(filename):
        raise FileNotFoundError(f"There is no file {filename}.")
    if not os.path.isfile(filename):
        raise IsADirectoryError(f"{filename} is a folder; pack it into one file first, as with shutil.make_archive().")
    id = f"download-{uuid.uuid4().hex}"
    # Opened now: what the cell does with the file afterwards does not matter.
    _opened[id] = open(filename, "rb")  # noqa: SIM115 - closed by the last call
    while len(_opened) > _MAX_OPENED:
        old = next(iter(_opened))
        output.unregister_callback(old)
        _opened.pop(old).close()
    output.register_callback(id, lambda number: _piece(id, number))
    _publish.call(_DOWNLOAD, os.path.basename(filename), os.path.getsize(filename), id)


def _piece(id, number):
    file = _opened[id]
    if number < 0:
        output.unregister_callback(id)
        _opened.pop(id).close()
        return None
    file.seek(number * _PIECE)
    return _Json(base64.b64encode(file.read(_PIECE)).decode())


class _Json:
    """Shown as application/json. IPython's own JSON takes no bare text."""

    def __init__(self, value):
        self._value = value

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {"application/json": self._value, "text/plain": "…"}


def view(filepath):
    """Offers the file to the person who runs this, in their page."""
    from IPython.display import Javascript, display

    if not os.path.isfile(filepath):
        raise FileNotFoundError(f"There is no file {filepath}.")
    display(Javascript(f"google.colab.files.view({json.dumps(os.path.abspath(filepath))})"))


__all__ = ["download", "upload", "upload_file", "view"]
