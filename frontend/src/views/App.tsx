import { lazy, type ReactElement, Suspense, useCallback, useEffect, useState } from "react";
import { type Person, whoIsThis } from "../offline/arrive";
import { NotebookSkeleton } from "./notebook/NotebookSkeleton";
import { Announcer } from "./shared/Announcer";
import { Failure } from "./shared/Failure";
import { Unreachable } from "./shared/Unreachable";

// One page needs not the other's code, and a Library no editor.
const loadLibrary = () => import("./library/Library");
const loadNotebook = () => import("./notebook/NotebookPage");
const Library = lazy(() => loadLibrary().then(({ Library: view }) => ({ default: view }), unreachable));
const NotebookPage = lazy(() => loadNotebook().then(({ NotebookPage: view }) => ({ default: view }), unreachable));

const SignInForm = lazy(() =>
  import("./shared/SignInForm").then(
    ({ SignInForm: view }) => ({ default: view }),
    () => ({ default: () => <></> }), // the sentence above it tells the other way
  ),
);

function unreachable(error: unknown): { default: () => ReactElement } {
  const reason = error instanceof Error ? error.message : String(error);
  return { default: () => <Unreachable title={AWAY} reason={reason} onRetry={() => location.reload()} /> };
}

const AWAY = "The server does not answer";

interface Props {
  readonly path: string;
  readonly nonce: string;
}

export function App({ path, nonce }: Props) {
  const [arrival, setArrival] = useState<Person | { readonly kind: "loading" }>({ kind: "loading" });
  const [turn, setTurn] = useState(0);
  const again = useCallback(() => setTurn((last) => last + 1), []);
  const notebook = /^\/n\/([^/]+)\/?$/.exec(path)?.[1];
  // biome-ignore lint/correctness/useExhaustiveDependencies: each turn asks anew.
  useEffect(() => {
    // While the server says who this is, not after.
    (notebook === undefined ? loadLibrary() : loadNotebook()).catch(() => undefined);
    void whoIsThis().then((person) => {
      setArrival(person);
      if (person.kind === "known") void import("../offline/register").then(({ keepPage }) => keepPage(), unreachable);
    });
  }, [notebook, turn]);

  return (
    <>
      {arrival.kind === "stranger" && (
        <Failure title="You are not signed in" detail="">
          <p>
            Open the address with the token that the server printed when it started, or a link that somebody sent you.
            You can paste either here.
          </p>
          <Suspense>
            <SignInForm onSignedIn={again} />
          </Suspense>
        </Failure>
      )}
      {arrival.kind === "unreachable" && <Unreachable title={AWAY} reason={arrival.reason} onRetry={again} />}
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
