/**
 * Outputs name files that lie beside the kernel (`IFrame("g.html")`, `Image(url="a.png")`, `Video("a.mp4")`): nothing is
 * behind such a URL on the output origin, so what would stay blank says which file it means and how to show it.
 */

const ELEMENTS = "iframe[src], img[src], video[src], audio[src], source[src], embed[src], object[data]";

export function explainFiles(content: DocumentFragment): void {
  for (const element of content.querySelectorAll(ELEMENTS)) {
    const url = element.getAttribute(element.localName === "object" ? "data" : "src") ?? "";
    if (!isRelative(url)) continue;
    const whole = element.localName === "source" ? (element.closest("video, audio") ?? element) : element;
    whole.replaceWith(fileNote(url, whole.localName));
  }
}

/** Whether a URL of an output means a file in the folder where its code ran. */
export function isRelative(url: string): boolean {
  const text = url.trim();
  return text !== "" && !text.startsWith("#") && !text.startsWith("//") && !/^[a-z][a-z0-9+.-]*:/i.test(text);
}

export function fileNote(url: string, kind: string): HTMLElement {
  const file = nameOf(url);
  const note = document.createElement("p");
  note.className = "output-note";
  const code = document.createElement("code");
  code.textContent = howToShow(file, kind);
  note.append(`${file} is a file where the code ran, which outputs cannot load by its name. To show it: `, code);
  return note;
}

function nameOf(url: string): string {
  const path = url.replace(/[?#].*$/s, "");
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

function howToShow(file: string, kind: string): string {
  const name = JSON.stringify(file);
  switch (kind) {
    case "img":
      return `Image(filename=${name})`;
    case "video":
      return `Video(${name}, embed=True)`;
    case "audio":
      return `Audio(filename=${name})`;
    case "a":
      return `google.colab.files.download(${name})`;
    default:
      return `HTML(open(${name}).read())`;
  }
}
