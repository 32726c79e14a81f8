import { lazy, type ReactElement, Suspense, useEffect, useState } from "react";
import { ApiError, getMe, type Me } from "../api";
import { NotebookSkeleton } from "./notebook/NotebookSkeleton";
import { Announcer } from "./shared/Announcer";
import { Failure } from "./shared/Failure";

// One page needs not the other's code, and a Library no editor.
const loadLibrary = () => import("./library/Library");
const loadNotebook = () => import("./notebook/NotebookPage");
const Library = lazy(() => loadLibrary().then(({ Library: view }) => ({ default: view }), unreachable));
const NotebookPage = lazy(() => loadNotebook().then(({ NotebookPage: view }) => ({ default: view }), unreachable));

function unreachable(error: unknown): { default: () => ReactElement } {
  return { default: () => <Unreachable reason={error instanceof Error ? error.message : String(error)} /> };
}

type Arrival =
  | { readonly kind: "loading" }
  | { readonly kind: "known"; readonly me: Me }
  | { readonly kind: "stranger" }
  | { readonly kind: "failed"; readonly reason: string };

interface Props {
  readonly path: string;
  readonly nonce: string;
}

export function App({ path, nonce }: Props) {
  const [arrival, setArrival] = useState<Arrival>({ kind: "loading" });
  const notebook = /^\/n\/([^/]+)\/?$/.exec(path)?.[1];
  useEffect(() => {
    // While the server says who this is, not after.
    (notebook === undefined ? loadLibrary() : loadNotebook()).catch(() => undefined);
    getMe()
      .then((me) => setArrival({ kind: "known", me }))
      .catch((error: unknown) => {
        if (error instanceof ApiError && error.status === 401) setArrival({ kind: "stranger" });
        else setArrival({ kind: "failed", reason: error instanceof Error ? error.message : String(error) });
      });
  }, [notebook]);

  return (
    <>
      {arrival.kind === "stranger" && (
        <Failure title="You are not signed in" detail="">
          <p>
            Open the address with the token that the server printed when it started, or a link that somebody sent you.
          </p>
        </Failure>
      )}
      {arrival.kind === "failed" && <Unreachable reason={arrival.reason} />}
      {arrival.kind === "known" &&
        (notebook === undefined ? (
          <Suspense>
            <Library me={arrival.me} />
          </Suspense>
        ) : (
          <Suspense fallback={<NotebookSkeleton />}>
            <NotebookPage id={decodeURIComponent(notebook)} me={arrival.me} nonce={nonce} />
          </Suspense>
        ))}
      <Announcer />
    </>
  );
}

function Unreachable({ reason }: { readonly reason: string }) {
  return (
    <Failure title="The server does not answer" detail={reason}>
      <button type="button" className="button button-primary" onClick={() => location.reload()}>
        Try again
      </button>
    </Failure>
  );
}
