/** Taking outputs away: to the clipboard, and as files. */

import { outputsOf } from "../../notebook/schema.ts";
import type { Session } from "../../session/session.ts";
import { blobUrl } from "../frames.ts";
import { asHtml, asText, type Content, filesOf, type OutputFile, onlyImage } from "./forms_of.ts";

const MOST_FILES = 20;

/** Copies what the cell shows; gives the word for what it was. Throws an Error with a sentence. */
export async function copyOutputs(session: Session, cellId: string): Promise<string> {
  const outputs = outputsOf(session.notebook, cellId);
  const image = onlyImage(outputs);
  if (image !== null && canCopyImages()) {
    await navigator.clipboard.write([new ClipboardItem({ "image/png": pngOf(session.id, image) })]);
    return "Image";
  }
  const text = asText(outputs);
  const html = asHtml(outputs);
  if (html !== null && canCopyImages()) {
    const forms = {
      "text/plain": new Blob([text], { type: "text/plain" }),
      "text/html": new Blob([html], { type: "text/html" }),
    };
    await navigator.clipboard.write([new ClipboardItem(forms)]);
  } else await copyText(text);
  return "Output";
}

function canCopyImages(): boolean {
  return typeof ClipboardItem !== "undefined" && navigator.clipboard !== undefined;
}

/** Without TLS, beside localhost, browsers have no clipboard but this. */
async function copyText(text: string): Promise<void> {
  if (navigator.clipboard !== undefined) return navigator.clipboard.writeText(text);
  const put = (event: ClipboardEvent): void => {
    event.preventDefault();
    event.clipboardData?.setData("text/plain", text);
  };
  document.addEventListener("copy", put, { once: true });
  const done = document.execCommand("copy");
  document.removeEventListener("copy", put);
  if (!done) throw new Error("This browser did not let the page copy. Select the output and copy it.");
}

async function pngOf(notebookId: string, file: OutputFile): Promise<Blob> {
  const blob = new Blob([await bytesOf(notebookId, file.content)], { type: file.mime });
  if (file.mime === "image/png") return blob;
  // Clipboards take no other kind.
  const bitmap = await createImageBitmap(blob);
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  canvas.getContext("2d")?.drawImage(bitmap, 0, 0);
  return canvas.convertToBlob({ type: "image/png" });
}

async function bytesOf(notebookId: string, content: Content): Promise<BlobPart> {
  switch (content.kind) {
    case "text":
      return content.text;
    case "base64":
      return Uint8Array.from(atob(content.data.replace(/\s+/g, "")), (sign) => sign.charCodeAt(0));
    case "blob": {
      const response = await fetch(blobUrl(notebookId, content));
      if (!response.ok) throw new Error("The output could not be fetched from the server. Try again.");
      return response.arrayBuffer();
    }
  }
}

/** Saves pictures and documents, or the text where there are none; gives how many files. `name` is without its ending. */
export async function downloadOutputs(session: Session, cellId: string, name: string): Promise<number> {
  const files = filesOf(outputsOf(session.notebook, cellId)).slice(0, MOST_FILES);
  for (const [at, { content, ending, mime }] of files.entries()) {
    const blob = new Blob([await bytesOf(session.id, content)], { type: mime });
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = `${name}${files.length > 1 ? `-${at + 1}` : ""}.${ending}`;
    link.click();
    // The browser has taken the bytes by the end of this turn.
    setTimeout(() => URL.revokeObjectURL(link.href));
  }
  return files.length;
}
