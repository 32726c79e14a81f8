/** Completions from the shared kernel: what it knows about live variables no parser can tell. */
import { autocompletion, type CompletionContext, type CompletionResult } from "@codemirror/autocomplete";
import type { Extension } from "@codemirror/state";
import type { Session } from "../session/session.ts";
import { mayAsk } from "./inspection.ts";
import { toCodePoints, toUnits } from "./offsets.ts";

const PATIENCE_MS = 3000;
// A busy kernel may still answer before patience ends.
const WHEN = ["idle", "busy"] as const;

export function completion(session: Session): Extension {
  return autocompletion({
    override: [(context) => completions(session, context)],
    activateOnTyping: true,
    activateOnTypingDelay: 150,
    defaultKeymap: true,
    closeOnBlur: true,
    icons: false,
  });
}

async function completions(session: Session, context: CompletionContext): Promise<CompletionResult | null> {
  // While typing, only after a dot or inside a word that goes on; else only when asked.
  if (!context.explicit && context.matchBefore(/[\p{L}_][\p{L}\p{N}_]*\.[\p{L}\p{N}_]*$/u) === null) return null;
  if (!mayAsk(session, WHEN)) return null;
  const code = context.state.doc.toString();
  const asked = session.complete(code, toCodePoints(code, context.pos)).catch(() => null);
  const answer = await Promise.race([asked, new Promise<null>((done) => setTimeout(() => done(null), PATIENCE_MS))]);
  if (answer === null || answer.matches.length === 0 || context.aborted) return null;
  return {
    from: toUnits(code, answer.start),
    to: toUnits(code, answer.end),
    options: answer.matches.map((label, at) => {
      const detail = answer.types[at];
      return detail === undefined || detail === "<unknown>" ? { label } : { label, detail };
    }),
    validFor: /^[\p{L}\p{N}_.]*$/u,
  };
}
