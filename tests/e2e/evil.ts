/** Somebody else's server: it notes who asks for what, and with which cookies. Cookies ignore ports, so ours would come. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

export interface Evil {
  url: string;
  hits: { path: string; cookie: string }[];
  close(): Promise<void>;
}

export async function startEvil(): Promise<Evil> {
  const hits: Evil["hits"] = [];
  const http = createServer((request, response) => {
    hits.push({ path: request.url ?? "", cookie: request.headers.cookie ?? "" });
    response.setHeader("Access-Control-Allow-Origin", "*");
    response.end("<p>evil</p>");
  });
  await new Promise<void>((open) => http.listen(0, "127.0.0.1", open));
  return {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    hits,
    close: () => new Promise((done) => {
      http.close(() => done());
      http.closeAllConnections();
    }),
  };
}
