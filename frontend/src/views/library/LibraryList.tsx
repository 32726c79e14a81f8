import type { NotebookSummary } from "../../api.ts";
import type { KeptNotebook } from "../../offline/kept.ts";
import { Icon } from "../shared/Icon.tsx";
import { KeptList } from "./KeptList.tsx";
import { LibraryRow } from "./LibraryRow.tsx";

export type Listing =
  | { readonly kind: "loading" }
  | { readonly kind: "failed"; readonly reason: string }
  /** What this browser keeps, as the server cannot be reached. */
  | { readonly kind: "offline"; readonly notebooks: readonly KeptNotebook[] }
  | { readonly kind: "loaded"; readonly notebooks: readonly NotebookSummary[] };

interface Props {
  readonly listing: Listing;
  readonly trash: boolean;
  readonly query: string;
  readonly mayCreate: boolean;
  readonly onChanged: () => Promise<void>;
  readonly onRetry: () => void;
  readonly onCreate: () => void;
}

export function LibraryList({ listing, trash, query, mayCreate, onChanged, onRetry, onCreate }: Props) {
  if (listing.kind === "loading") {
    return (
      <div className="library-rows" role="status" aria-busy="true" aria-label="Loading">
        {[0, 1, 2, 3].map((at) => (
          <div key={at} className="library-row skeleton-row">
            <span className="skeleton skeleton-wide" />
            <span className="skeleton skeleton-short" />
          </div>
        ))}
      </div>
    );
  }
  if (listing.kind === "failed") {
    return (
      <div className="empty">
        <Icon name="warning" />
        <h2>The notebooks could not be listed</h2>
        <p>{listing.reason}</p>
        <button type="button" className="button" onClick={onRetry}>
          Try again
        </button>
      </div>
    );
  }
  if (listing.kind === "offline") return <KeptList notebooks={listing.notebooks} query={query} />;
  if (listing.notebooks.length === 0)
    return <Empty trash={trash} query={query} mayCreate={mayCreate} onCreate={onCreate} />;
  return (
    <ul className="library-rows" aria-label="Notebooks">
      {listing.notebooks.map((notebook) => (
        <LibraryRow key={notebook.id} notebook={notebook} trash={trash} query={query} onChanged={onChanged} />
      ))}
    </ul>
  );
}

interface EmptyProps {
  readonly trash: boolean;
  readonly query: string;
  readonly mayCreate: boolean;
  readonly onCreate: () => void;
}

function Empty({ trash, query, mayCreate, onCreate }: EmptyProps) {
  if (query !== "") {
    return (
      <div className="empty">
        <Icon name="search" />
        <h2>Nothing found</h2>
        <p>
          No {trash ? "notebook in the trash" : "notebook"} has “{query}” in its title, text or code.
        </p>
      </div>
    );
  }
  if (trash) {
    return (
      <div className="empty">
        <Icon name="trash" />
        <h2>The trash is empty</h2>
        <p>Notebooks that you move to the trash wait here until you restore them or delete them for good.</p>
      </div>
    );
  }
  if (!mayCreate) {
    return (
      <div className="empty">
        <Icon name="notebook" />
        <h2>Nothing is shared with you yet</h2>
        <p>Notebooks appear here once you have opened their links.</p>
      </div>
    );
  }
  return (
    <div className="empty">
      <Icon name="notebook" />
      <h2>No notebooks yet</h2>
      <p>Make one, or drop .ipynb files anywhere on this page.</p>
      <button type="button" className="button button-primary" onClick={onCreate}>
        <Icon name="plus" />
        Make the first notebook
      </button>
    </div>
  );
}
