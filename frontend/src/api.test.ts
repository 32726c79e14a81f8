/** The HTTP half of the API: what goes out, and that every failure is a sentence for people. */
import { afterEach, describe, expect, test, vi } from "vitest";
import {
  ApiError,
  changeNotebook,
  createLink,
  createNotebook,
  deleteNotebook,
  exportUrl,
  getMe,
  listNotebooks,
  revokeLink,
} from "./api.ts";

afterEach(() => {
  vi.unstubAllGlobals();
});

/** Answers every request alike, and notes it. */
function answer(make: () => Response | Promise<Response>): { method: string; url: string; body: unknown }[] {
  const asked: { method: string; url: string; body: unknown }[] = [];
  vi.stubGlobal("fetch", async (url: string, init: RequestInit) => {
    const body: unknown = typeof init.body === "string" ? JSON.parse(init.body) : (init.body ?? null);
    asked.push({ method: init.method ?? "", url, body });
    expect(init.credentials).toBe("same-origin");
    return make();
  });
  return asked;
}

describe("requests", () => {
  test("carry what they are about, ids and words encoded", async () => {
    const asked = answer(() => Response.json({ notebooks: [], url: "u" }));
    const file = new Blob(['{"cells": [1.0]}']);
    await listNotebooks({ q: "a&b", trash: true });
    await createNotebook();
    await createNotebook({ file, title: "A b" });
    await changeNotebook("x/y", { title: "T" });
    await createLink("n", { role: "viewer", expires: null });
    await revokeLink("n", "l/1");
    expect(asked).toEqual([
      { method: "GET", url: "/api/notebooks?q=a%26b&trash=true", body: null },
      { method: "POST", url: "/api/notebooks", body: {} },
      { method: "POST", url: "/api/notebooks?title=A+b", body: file },
      { method: "PATCH", url: "/api/notebooks/x%2Fy", body: { title: "T" } },
      { method: "POST", url: "/api/notebooks/n/links", body: { role: "viewer", expires: null } },
      { method: "DELETE", url: "/api/notebooks/n/links/l%2F1", body: null },
    ]);
    expect(exportUrl("n", "ipynb", false)).toBe("/api/notebooks/n/export?format=ipynb&outputs=false");
  });

  test("without content in the answer", async () => {
    answer(() => new Response(null, { status: 204 }));
    expect(await deleteNotebook("n")).toBeNull();
  });
});

describe("failures", () => {
  const failure = () => getMe().catch((error: unknown) => error);

  test.each([
    {
      what: "the server's own sentence",
      make: () => Response.json({ error: "Sign in first." }, { status: 401 }),
      status: 401,
      message: "Sign in first.",
    },
    {
      what: "a proxy's page",
      make: () => new Response("<h1>Bad gateway</h1>", { status: 502 }),
      status: 502,
      message: "The server answered 502.",
    },
    {
      what: "JSON of another shape",
      make: () => Response.json({ error: 3 }, { status: 500 }),
      status: 500,
      message: "The server answered 500.",
    },
    {
      what: "no answer",
      make: () => Promise.reject(new TypeError("Failed to fetch")),
      status: 0,
      message: "The server could not be reached.",
    },
  ])("$what", async ({ make, status, message }) => {
    answer(make);
    const error = await failure();
    expect(error).toBeInstanceOf(ApiError);
    expect(error).toMatchObject({ status, message });
  });
});
