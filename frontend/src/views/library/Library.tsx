import { type DragEvent, useCallback, useEffect, useRef, useState } from "react";
import { createNotebook, listNotebooks, type Me } from "../../api.ts";
import { isUnreachable } from "../../offline/arrive.ts";
import { keptNotebooks } from "../../offline/kept.ts";
import { alarm, say } from "../shared/announcements.ts";
import { Icon } from "../shared/Icon.tsx";
import { reasonOf } from "../shared/reason.ts";
import { useRetry } from "../shared/Unreachable.tsx";
import { LibraryBanner } from "./LibraryBanner.tsx";
import { LibraryList, type Listing } from "./LibraryList.tsx";
import { uploadFiles } from "./upload.ts";

const SEARCH_AFTER_MS = 250;

/** Everything a person can see: notebooks, recent first, the trash, and one search over titles and content. */
export function Library({ me }: { readonly me: Me }) {
  const [listing, setListing] = useState<Listing>({ kind: "loading" });
  const [trash, setTrash] = useState(false);
  const [query, setQuery] = useState("");
  const [searched, setSearched] = useState("");
  const [dropping, setDropping] = useState(false);
  const [uploading, setUploading] = useState("");
  const [failures, setFailures] = useState<readonly string[]>([]);
  const picker = useRef<HTMLInputElement>(null);

  useEffect(() => {
    document.title = "Library";
  }, []);

  useEffect(() => {
    const timer = setTimeout(() => setSearched(query.trim()), SEARCH_AFTER_MS);
    return () => clearTimeout(timer);
  }, [query]);

  // What is wanted now, whoever asks: an answer that comes late must not show another view's list.
  const wanted = useRef({ q: searched, trash, turn: 0 });
  const load = useCallback(async () => {
    wanted.current.turn += 1;
    const { q, trash: thrown, turn } = wanted.current;
    const next = await listNotebooks({ q, trash: thrown })
      .then((notebooks): Listing => {
        if (q === "" && !thrown) forgetOthers(me, notebooks);
        return { kind: "loaded", notebooks };
      })
      .catch((error: unknown): Listing => {
        if (isUnreachable(error) && !thrown) return { kind: "offline", notebooks: keptUnder(me, q) };
        return { kind: "failed", reason: reasonOf(error) };
      });
    if (turn === wanted.current.turn) setListing(next);
  }, [me]);

  useEffect(() => {
    wanted.current.q = searched;
    wanted.current.trash = trash;
    void load();
  }, [searched, trash, load]);

  const retry = useCallback(() => void load(), [load]);
  useRetry(listing.kind === "offline" || listing.kind === "failed", retry);

  const show = (thrown: boolean): void => {
    if (thrown === trash) return;
    setListing({ kind: "loading" });
    setTrash(thrown);
  };

  const create = async (): Promise<void> => {
    try {
      location.assign(`/n/${(await createNotebook()).id}`);
    } catch (error) {
      alarm(`The notebook was not made: ${reasonOf(error)}`);
    }
  };

  const upload = async (files: readonly File[]): Promise<void> => {
    if (!me.owner) {
      alarm("Uploading notebooks needs the owner of this server.");
      return;
    }
    const { made, failures: wrong } = await uploadFiles(files, (done) =>
      setUploading(
        `Uploading ${files[done]?.name ?? ""}${files.length > 1 ? ` (${done + 1} of ${files.length})` : ""}…`,
      ),
    );
    setUploading("");
    setFailures(wrong);
    if (made.length > 0) say(made.length === 1 ? "1 notebook uploaded." : `${made.length} notebooks uploaded.`);
    const first = made[0];
    if (files.length === 1 && first !== undefined) location.assign(`/n/${first}`);
    else {
      if (trash) show(false);
      else await load();
    }
  };

  const over = (event: DragEvent): void => {
    if (!event.dataTransfer.types.includes("Files")) return;
    event.preventDefault();
    setDropping(true);
  };

  // Also fires between two parts of the page.
  const leave = (event: DragEvent): void => {
    const to = event.relatedTarget;
    if (!(to instanceof Node) || !event.currentTarget.contains(to)) setDropping(false);
  };

  const drop = (event: DragEvent): void => {
    if (!event.dataTransfer.types.includes("Files")) return;
    event.preventDefault();
    setDropping(false);
    void upload([...event.dataTransfer.files]);
  };

  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: dropping is a shortcut; the Upload button does the same.
    <div className="library" onDragOver={over} onDragLeave={leave} onDrop={drop}>
      <LibraryBanner me={me} />
      <main aria-label="Library" className="library-main">
        <div className="library-head">
          <h1>{trash ? "Trash" : "Notebooks"}</h1>
          {!trash && me.owner && listing.kind !== "offline" && (
            <div className="library-buttons">
              <button type="button" className="button" onClick={() => picker.current?.click()}>
                <Icon name="upload" />
                Upload
              </button>
              <button type="button" className="button button-primary" onClick={() => void create()}>
                <Icon name="plus" />
                New notebook
              </button>
            </div>
          )}
          <input
            ref={picker}
            type="file"
            accept=".ipynb,application/json"
            multiple
            hidden
            onChange={(event) => {
              const files = [...(event.target.files ?? [])];
              event.target.value = "";
              void upload(files);
            }}
          />
        </div>
        <div className="library-tools">
          <div className="search">
            <Icon name="search" />
            <input
              type="search"
              aria-label="Search notebooks"
              placeholder={listing.kind === "offline" ? "Search titles" : "Search titles, text and code"}
              value={query}
              onChange={(event) => setQuery(event.target.value)}
            />
          </div>
          <div className="segments">
            <button type="button" aria-pressed={!trash} onClick={() => show(false)}>
              Notebooks
            </button>
            <button type="button" aria-pressed={trash} onClick={() => show(true)}>
              Trash
            </button>
          </div>
        </div>
        {uploading !== "" && (
          <div className="notice notice-info" role="status">
            <Icon name="upload" />
            <p>{uploading}</p>
          </div>
        )}
        {failures.length > 0 && (
          <div className="notice notice-bad">
            <Icon name="warning" />
            <ul>
              {failures.map((failure) => (
                <li key={failure}>{failure}</li>
              ))}
            </ul>
            <button type="button" className="icon-button" aria-label="Dismiss" onClick={() => setFailures([])}>
              <Icon name="close" />
            </button>
          </div>
        )}
        <LibraryList
          listing={listing}
          trash={trash}
          query={searched}
          mayCreate={me.owner}
          onChanged={load}
          onRetry={retry}
          onCreate={() => void create()}
        />
      </main>
      {dropping && <div className="drop-hint">Drop .ipynb files to upload them</div>}
    </div>
  );
}

/** What its person may not see any more leaves the browser too. */
function forgetOthers(me: Me, listed: readonly { readonly id: string }[]): void {
  const ids = new Set(listed.map(({ id }) => id));
  const gone = keptNotebooks(me).filter(({ id }) => !ids.has(id));
  if (gone.length === 0) return;
  import("../../offline/copies.ts").then(
    ({ dropNotebook, LOST_ACCESS }) => {
      for (const { id } of gone) void dropNotebook(me, id, LOST_ACCESS);
    },
    () => {}, // the next visit does it
  );
}

/** Of those that this browser has copies of: by title only, as the rest of them is not at hand. */
function keptUnder(me: Me, words: string) {
  const wanted = words.toLowerCase();
  return keptNotebooks(me).filter(({ title }) => title.toLowerCase().includes(wanted));
}
