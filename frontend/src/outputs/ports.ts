/** Where a server that the kernel runs can be reached. */

/** The address of a port of the runtime. Rejects with a sentence when there is none. */
export async function openPort(_notebookId: string, port: number): Promise<string> {
  throw new Error(`Port ${port} of the runtime cannot be reached through this server.`);
}
