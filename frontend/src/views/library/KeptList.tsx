import type { KeptNotebook } from "../../offline/kept.ts";
import { Icon } from "../shared/Icon.tsx";
import { ago, exactly } from "../shared/time.ts";

interface Props {
  readonly notebooks: readonly KeptNotebook[];
  readonly query: string;
}

/** The Library without the server: what can be opened, and nothing that only the server can do. */
export function KeptList({ notebooks, query }: Props) {
  return (
    <>
      <div className="notice notice-warn" role="status">
        <Icon name="cloud" />
        <p>
          You are offline. {query === "" ? "These are the notebooks" : "Titles are searched of the notebooks"} that this
          browser has a copy of; what you write in them is merged when the connection is back.
        </p>
      </div>
      {notebooks.length === 0 ? (
        <div className="empty">
          <Icon name={query === "" ? "cloud" : "search"} />
          <h2>{query === "" ? "No notebook is kept in this browser" : "Nothing found"}</h2>
          <p>
            {query === ""
              ? "A notebook is kept here once you have opened it with a connection."
              : `No notebook that is kept in this browser has “${query}” in its title.`}
          </p>
        </div>
      ) : (
        <ul className="library-rows" aria-label="Notebooks">
          {notebooks.map(({ id, title, role, opened }) => (
            <li key={id} className="library-row">
              <span className="row-icon">
                <Icon name="notebook" />
              </span>
              <div className="row-words">
                <a href={`/n/${id}`} className="row-title">
                  {title}
                </a>
              </div>
              <time
                className="row-when"
                dateTime={new Date(opened).toISOString()}
                data-tip={`Opened here ${exactly(opened)}`}
              >
                {ago(opened, Date.now())}
              </time>
              <span className="row-role">{role}</span>
            </li>
          ))}
        </ul>
      )}
    </>
  );
}
