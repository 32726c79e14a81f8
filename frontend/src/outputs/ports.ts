/** Where a server that the kernel runs can be reached. */
import { request } from "../api";

/** The address of a port of the runtime, for this person alone. Rejects with a sentence when there is none. */
export async function openPort(notebookId: string, port: number): Promise<string> {
  const { url } = await request<{ url: string }>("POST", `/api/notebooks/${encodeURIComponent(notebookId)}/ports`, {
    port,
  });
  return url;
}
