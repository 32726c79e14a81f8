/** What a failed request says to people. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : "The server could not be reached.";
}
