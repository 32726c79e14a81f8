/** The forms in which the outputs of a cell can be taken away: as one text, and as files. Pure. */

import type { BlobRef, Output } from "../../notebook/schema.ts";
import { readAnsi } from "../ansi.ts";
import { chooseMime, isBase64, isRaster } from "../mimes.ts";

/** What a file holds: text, base64, or bytes that the server keeps. */
export type Content =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "base64"; readonly data: string }
  | { readonly kind: "blob"; readonly sha256: string; readonly mime: string };

export interface OutputFile {
  readonly ending: string;
  readonly mime: string;
  readonly content: Content;
}

const ENDINGS: Readonly<Record<string, string>> = {
  "image/png": "png",
  "image/jpeg": "jpg",
  "image/gif": "gif",
  "image/webp": "webp",
  "image/svg+xml": "svg",
  "application/pdf": "pdf",
  "text/html": "html",
  "text/markdown": "md",
  "text/latex": "tex",
  "application/json": "json",
  "application/geo+json": "geojson",
};

type DataOutput = Extract<Output, { kind: "data" }>;

const blobOf = (output: Output, mime: string): BlobRef | undefined =>
  output.kind === "error" ? undefined : output.blobs.get(mime);

/** Everything that the outputs say, for people who read or hear text. */
export function asText(outputs: readonly Output[]): string {
  return outputs
    .map((output) => textOf(output))
    .filter((text) => text !== "")
    .map((text) => (text.endsWith("\n") ? text : `${text}\n`))
    .join("");
}

function textOf(output: Output): string {
  switch (output.kind) {
    case "stream":
      return withoutStyle(output.text);
    case "error": {
      const lines = withoutStyle(output.traceback.join("\n"));
      return lines === "" ? `${output.ename}: ${output.evalue}` : lines;
    }
    case "data":
      return dataText(output);
  }
}

function dataText({ data, blobs }: DataOutput): string {
  const plain = data.get("text/plain") ?? data.get("text/markdown") ?? data.get("text/latex");
  if (plain !== undefined) return withoutStyle(plain);
  const html = data.get("text/html");
  if (html !== undefined) return htmlText(html);
  const mime = chooseMime([...data.keys(), ...blobs.keys()]);
  if (mime === null) return "";
  const value = data.get(mime);
  return value !== undefined && mime.endsWith("json") ? value : `[${mime}]`;
}

function withoutStyle(text: string): string {
  return readAnsi(text.endsWith("\r") ? text.slice(0, -1) : text)
    .segments.map((segment) => segment.text)
    .join("");
}

const ENTITIES: Readonly<Record<string, string>> = {
  amp: "&",
  lt: "<",
  gt: ">",
  quot: '"',
  nbsp: "\u00a0",
  "#39": "'",
};

/** Rough, and safe: what comes out is only ever text. */
function htmlText(html: string): string {
  return html
    .replace(/<(script|style)\b[\s\S]*?<\/\1\s*>/gi, "")
    .replace(/<br\s*\/?>|<\/(?:p|div|tr|li|h\d|pre)>/gi, "\n")
    .replace(/<\/t[dh]>/gi, "\t")
    .replace(/<[^>]*>/g, "")
    .replace(/&(amp|lt|gt|quot|nbsp|#39);/g, (_whole, name: string) => ENTITIES[name] ?? "")
    .replace(/[ \t]*\n\s*\n/g, "\n")
    .trim();
}

/** The HTML of a cell whose only data is one output that has it: a table lands in a spreadsheet as one. */
export function asHtml(outputs: readonly Output[]): string | null {
  const data = outputs.filter((output) => output.kind === "data");
  const [only] = data;
  return data.length === 1 && only !== undefined ? (only.data.get("text/html") ?? null) : null;
}

/** The raster image of a cell that shows one and nothing else but text, or null. */
export function onlyImage(outputs: readonly Output[]): OutputFile | null {
  const files = outputs.flatMap((output) => (output.kind === "data" ? (fileOf(output) ?? []) : []));
  const [only] = files;
  return files.length === 1 && only !== undefined && isRaster(only.mime) ? only : null;
}

/** What downloading gives: pictures and documents, or, where there are none, all the text. */
export function filesOf(outputs: readonly Output[]): OutputFile[] {
  const files = outputs.flatMap((output) => (output.kind === "data" ? (fileOf(output) ?? []) : []));
  if (files.length > 0) return files;
  const whole = outputs.length === 1 && outputs[0] !== undefined ? blobOf(outputs[0], "text/plain") : undefined;
  if (whole !== undefined) return [textFile({ kind: "blob", sha256: whole.sha256, mime: "text/plain" })];
  return outputs.length === 0 ? [] : [textFile({ kind: "text", text: asText(outputs) })];
}

function textFile(content: Content): OutputFile {
  return { ending: "txt", mime: "text/plain", content };
}

function fileOf({ data, blobs }: DataOutput): OutputFile | null {
  const mimes = [...data.keys(), ...blobs.keys()];
  // A picture beside its page, as some libraries give both, is what people want of it.
  const mime = mimes.find(isRaster) ?? chooseMime(mimes.filter((one) => one !== "application/javascript"));
  if (mime === null || mime === "text/plain") return null;
  const ending = ENDINGS[mime] ?? (mime.endsWith("+json") ? "json" : null);
  if (ending === null) return null;
  const blob = blobs.get(mime);
  if (blob !== undefined) return { ending, mime, content: { kind: "blob", sha256: blob.sha256, mime } };
  const value = data.get(mime) ?? "";
  return { ending, mime, content: isBase64(mime) ? { kind: "base64", data: value } : { kind: "text", text: value } };
}
