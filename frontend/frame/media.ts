/** Audio, video and PDF: bytes in base64. A sandbox has no viewer for PDF, so that is saved. */
import type { DrawContext } from "./draw";

const MAX_NAME = 60;

export function pdfButton(base64: string, context: DrawContext): HTMLElement {
  const bytes = bytesOf(base64);
  const button = document.createElement("button");
  button.type = "button";
  button.className = "save";
  button.textContent = bytes === null ? "This PDF is damaged" : `Save PDF (${sizeText(bytes.byteLength)})`;
  button.disabled = bytes === null;
  button.addEventListener("click", () => {
    if (bytes !== null) context.saveFile("output.pdf", bytes.slice().buffer);
  });
  return button;
}

export function mediaElement(mime: string, base64: string, plain: string): HTMLElement {
  const element = document.createElement(mime.startsWith("audio/") ? "audio" : "video");
  element.controls = true;
  element.preload = "metadata";
  element.setAttribute("aria-label", plain === "" || plain.startsWith("<") ? kindOf(mime) : plain.slice(0, MAX_NAME));
  const bytes = bytesOf(base64);
  // Not a data URL: seeking in a long one decodes it anew.
  if (bytes !== null) element.src = URL.createObjectURL(new Blob([bytes], { type: mime }));
  return element;
}

function kindOf(mime: string): string {
  return mime.startsWith("audio/") ? "Audio" : "Video";
}

function bytesOf(base64: string): Uint8Array<ArrayBuffer> | null {
  try {
    return Uint8Array.from(atob(base64.replace(/\s+/g, "")), (character) => character.charCodeAt(0));
  } catch {
    return null;
  }
}

function sizeText(bytes: number): string {
  return bytes < 1_000_000 ? `${Math.max(1, Math.round(bytes / 1_000))} KB` : `${(bytes / 1_000_000).toFixed(1)} MB`;
}
