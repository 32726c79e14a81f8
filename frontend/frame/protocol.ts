/**
 * What the page and an output frame say to each other: two closed unions over one MessagePort, and the guards that
 * read them. Both sides import this file, so their versions are equal by construction. Nothing here touches the DOM.
 * Output code shares the frame's realm: the page believes nothing that did not pass `parseFrameMessage`.
 */

import { type ColabToFrame, type ColabToPage, parseColabToFrame, parseColabToPage } from "./colab/protocol";
import { type CommToFrame, type CommToPage, parseCommToFrame, parseCommToPage } from "./widgets/protocol";

export const PROTOCOL = 1;
export const MAX_HEIGHT_PX = 10_000;
export const MAX_URL_LENGTH = 2_048;
export const MAX_FILE_BYTES = 64 * 1024 * 1024;
export const MAX_NAME_LENGTH = 200;
export const MAX_HOST_LENGTH = 261; // a name and its port
export const MAX_LOG_LENGTH = 2_048;

export type FrameClass = "live" | "stored";
export type Theme = "light" | "dark";
export type FrameKey = "Escape" | "save" | "moveUp" | "moveDown";
export type LogLevel = "log" | "info" | "warn" | "error";

/** One nbformat output as a frame gets it. `metadata` is JSON text. */
export type FrameOutput =
  | { kind: "stream"; name: string; text: string }
  | { kind: "error"; ename: string; evalue: string; traceback: string[] }
  | { kind: "data"; mime: string; value: string; plain: string; metadata: string };

export interface Hello {
  v: 1;
  t: "hello";
  protocol: number;
  nonce: string;
}

export type PageMessage =
  | {
      v: 1;
      t: "init";
      protocol: number;
      class: FrameClass;
      accessAllowed: boolean;
      theme: Theme;
      title: string;
      maxHeight: number;
    }
  | { v: 1; t: "output"; op: "add"; key: number; output: FrameOutput }
  | { v: 1; t: "output"; op: "replace"; key: number; output: FrameOutput }
  /** Runs the scripts of an output of another cell, and shows nothing of it. */
  | { v: 1; t: "output"; op: "bring"; output: FrameOutput }
  | { v: 1; t: "output"; op: "append"; key: number; text: string }
  | { v: 1; t: "output"; op: "clear"; key: number | null }
  | { v: 1; t: "theme"; theme: Theme }
  | { v: 1; t: "title"; title: string }
  | { v: 1; t: "access"; isAllowed: boolean }
  | { v: 1; t: "ping" }
  | CommToFrame
  | ColabToFrame;

export type FrameMessage =
  | { v: 1; t: "height"; px: number }
  | { v: 1; t: "ready" }
  | { v: 1; t: "pong" }
  /** The reader pressed a button or a key in the frame. */
  | { v: 1; t: "acted" }
  /** The policy of a stored output kept it from loading something of `host`. */
  | { v: 1; t: "blocked"; host: string }
  | { v: 1; t: "openLink"; url: string }
  | { v: 1; t: "saveFile"; name: string; bytes: ArrayBuffer }
  | { v: 1; t: "key"; key: FrameKey }
  | { v: 1; t: "log"; level: LogLevel; text: string }
  | CommToPage
  | ColabToPage;

type Fields = Record<string, unknown>;

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isText(value: unknown, longest: number): value is string {
  return typeof value === "string" && value.length <= longest;
}

function isFrameKey(value: unknown): value is FrameKey {
  return value === "Escape" || value === "save" || value === "moveUp" || value === "moveDown";
}

function isLogLevel(value: unknown): value is LogLevel {
  return value === "log" || value === "info" || value === "warn" || value === "error";
}

function isTheme(value: unknown): value is Theme {
  return value === "light" || value === "dark";
}

function isKey(value: unknown): value is number {
  return Number.isSafeInteger(value);
}

/** Reads a hello from a window message; null for everything else. */
export function parseHello(value: unknown): Hello | null {
  if (!isFields(value) || value.v !== 1 || value.t !== "hello") return null;
  if (!Number.isSafeInteger(value.protocol) || typeof value.protocol !== "number") return null;
  if (!isText(value.nonce, 64)) return null;
  return { v: 1, t: "hello", protocol: value.protocol, nonce: value.nonce };
}

/** Reads a message of a frame in the page. Unknown, malformed and oversized ones are null; the caller counts those. */
export function parseFrameMessage(value: unknown): FrameMessage | null {
  if (!isFields(value) || value.v !== 1) return null;
  switch (value.t) {
    case "height": {
      const { px } = value;
      if (typeof px !== "number" || !Number.isInteger(px) || px < 0 || px > MAX_HEIGHT_PX) return null;
      return { v: 1, t: "height", px };
    }
    case "ready":
      return { v: 1, t: "ready" };
    case "pong":
      return { v: 1, t: "pong" };
    case "acted":
      return { v: 1, t: "acted" };
    case "blocked":
      return isText(value.host, MAX_HOST_LENGTH) ? { v: 1, t: "blocked", host: value.host } : null;
    case "openLink":
      return isText(value.url, MAX_URL_LENGTH) ? { v: 1, t: "openLink", url: value.url } : null;
    case "saveFile": {
      const { name, bytes } = value;
      if (!isText(name, 4 * MAX_NAME_LENGTH)) return null;
      if (!(bytes instanceof ArrayBuffer) || bytes.byteLength > MAX_FILE_BYTES) return null;
      return { v: 1, t: "saveFile", name, bytes };
    }
    case "key":
      return isFrameKey(value.key) ? { v: 1, t: "key", key: value.key } : null;
    case "log":
      if (!isLogLevel(value.level) || !isText(value.text, MAX_LOG_LENGTH)) return null;
      return { v: 1, t: "log", level: value.level, text: value.text };
    default:
      return parseCommToPage(value) ?? parseColabToPage(value);
  }
}

function parseOutput(value: unknown): FrameOutput | null {
  if (!isFields(value)) return null;
  const { kind, name, text, ename, evalue, traceback, mime, plain, metadata } = value;
  if (kind === "stream" && typeof name === "string" && typeof text === "string") return { kind, name, text };
  if (kind === "error" && typeof ename === "string" && typeof evalue === "string" && Array.isArray(traceback)) {
    return { kind, ename, evalue, traceback: traceback.filter((line) => typeof line === "string") };
  }
  if (kind !== "data" || typeof mime !== "string" || typeof value.value !== "string") return null;
  if (typeof plain !== "string" || typeof metadata !== "string") return null;
  return { kind, mime, value: value.value, plain, metadata };
}

/** Reads a message of the page in a frame. */
export function parsePageMessage(value: unknown): PageMessage | null {
  if (!isFields(value) || value.v !== 1) return null;
  switch (value.t) {
    case "init": {
      const { protocol, accessAllowed, theme, title, maxHeight } = value;
      if (typeof protocol !== "number" || typeof accessAllowed !== "boolean" || !isTheme(theme)) return null;
      if (typeof title !== "string" || typeof maxHeight !== "number") return null;
      if (value.class !== "live" && value.class !== "stored") return null;
      return { v: 1, t: "init", protocol, class: value.class, accessAllowed, theme, title, maxHeight };
    }
    case "output":
      return parseOutputMessage(value);
    case "theme":
      return isTheme(value.theme) ? { v: 1, t: "theme", theme: value.theme } : null;
    case "title":
      return typeof value.title === "string" ? { v: 1, t: "title", title: value.title } : null;
    case "access":
      return typeof value.isAllowed === "boolean" ? { v: 1, t: "access", isAllowed: value.isAllowed } : null;
    case "ping":
      return { v: 1, t: "ping" };
    default:
      return parseCommToFrame(value) ?? parseColabToFrame(value);
  }
}

function parseOutputMessage(value: Fields): PageMessage | null {
  const { op, key, text } = value;
  if (op === "clear") return key === null || isKey(key) ? { v: 1, t: "output", op, key } : null;
  if (op === "bring") {
    const brought = parseOutput(value.output);
    return brought === null ? null : { v: 1, t: "output", op, output: brought };
  }
  if (!isKey(key)) return null;
  if (op === "append") return typeof text === "string" ? { v: 1, t: "output", op, key, text } : null;
  if (op !== "add" && op !== "replace") return null;
  const output = parseOutput(value.output);
  return output === null ? null : { v: 1, t: "output", op, key, output };
}

/** The URL that may be opened for an output's link, or null: http, https and mailto only. */
export function safeLink(url: string): URL | null {
  if (url.length > MAX_URL_LENGTH || !URL.canParse(url)) return null;
  const parsed = new URL(url);
  return ["http:", "https:", "mailto:"].includes(parsed.protocol) ? parsed : null;
}

/** A file name without folders, control and direction-changing characters; at most 200 characters. */
export function safeFileName(name: string): string {
  const base = name.split(/[/\\]/).pop() ?? "";
  const clean = base
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "")
    .replace(/[<>:"|?*]/g, "_")
    .replace(/^[.\s]+|[.\s]+$/g, "");
  if (clean.length <= MAX_NAME_LENGTH) return clean === "" ? "output" : clean;
  const dot = clean.lastIndexOf(".");
  const ending = dot > 0 && clean.length - dot <= 16 ? clean.slice(dot) : "";
  return clean.slice(0, MAX_NAME_LENGTH - ending.length) + ending;
}
