import { useEffect, useState } from "react";
import { ApiError, getMe, type Me } from "../api";
import { Library } from "./library/Library";
import { NotebookPage } from "./notebook/NotebookPage";
import { Announcer } from "./shared/Announcer";
import { Failure } from "./shared/Failure";

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
  useEffect(() => {
    getMe()
      .then((me) => setArrival({ kind: "known", me }))
      .catch((error: unknown) => {
        if (error instanceof ApiError && error.status === 401) setArrival({ kind: "stranger" });
        else setArrival({ kind: "failed", reason: error instanceof Error ? error.message : String(error) });
      });
  }, []);
  const notebook = /^\/n\/([^/]+)\/?$/.exec(path)?.[1];

  return (
    <>
      {arrival.kind === "stranger" && (
        <Failure title="You are not signed in" detail="">
          <p>
            Open the address with the token that the server printed when it started, or a link that somebody sent you.
          </p>
        </Failure>
      )}
      {arrival.kind === "failed" && (
        <Failure title="The server does not answer" detail={arrival.reason}>
          <button type="button" className="button button-primary" onClick={() => location.reload()}>
            Try again
          </button>
        </Failure>
      )}
      {arrival.kind === "known" &&
        (notebook === undefined ? (
          <Library me={arrival.me} />
        ) : (
          <NotebookPage id={decodeURIComponent(notebook)} me={arrival.me} nonce={nonce} />
        ))}
      <Announcer />
    </>
  );
}
