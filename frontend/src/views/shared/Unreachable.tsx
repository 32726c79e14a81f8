import { useEffect } from "react";
import { Failure } from "./Failure.tsx";

interface Props {
  readonly title: string;
  readonly reason: string;
  readonly onRetry: () => void;
}

/** The server is away: the page goes on by itself when it is back. */
export function Unreachable({ title, reason, onRetry }: Props) {
  useRetry(true, onRetry);
  return (
    <Failure title={title} detail={`${reason} The page goes on by itself when the server answers.`}>
      <button type="button" className="button button-primary" onClick={onRetry}>
        Try again
      </button>
    </Failure>
  );
}

const RETRY_MS = 5_000;

/** Tries again every few seconds while somebody looks, and at once when the network is back. */
export function useRetry(wanted: boolean, retry: () => void): void {
  useEffect(() => {
    if (!wanted) return;
    const look = (): void => {
      if (document.visibilityState === "visible") retry();
    };
    const timer = setInterval(look, RETRY_MS);
    addEventListener("online", look);
    document.addEventListener("visibilitychange", look);
    return () => {
      clearInterval(timer);
      removeEventListener("online", look);
      document.removeEventListener("visibilitychange", look);
    };
  }, [wanted, retry]);
}
