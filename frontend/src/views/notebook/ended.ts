/** Why a session ended for good, and what to do: one sentence or two for each close code of the socket. */

export function endedWords(code: number, reason: string): string {
  switch (code) {
    case 4401:
      return "Somebody else is signed in now. What you wrote waits in this browser until you sign in again.";
    case 4403:
      return "You no longer have access to this notebook. Ask its owner to share it with you again.";
    case 4404:
      return "This notebook is not there any more: its owner moved it to the trash or deleted it.";
    case 4409:
      return "This notebook was rebuilt to free it of its past. Reload to go on: what you wrote meanwhile is merged.";
    case 4413:
      return "This notebook has become too large to be sent. Clear large outputs or split it in two.";
    case 4422:
      return `The server did not accept your last change${reason === "" ? "" : ` (${reason.replace(/\.$/, "")})`}. Reload to go on from what is saved.`;
    default:
      return `The connection was closed by the server${reason === "" ? "" : `: ${reason.replace(/\.$/, "")}`}.`;
  }
}
