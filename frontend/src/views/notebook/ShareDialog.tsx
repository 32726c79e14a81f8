import { useCallback, useEffect, useState } from "react";
import { useStore } from "zustand";
import { atLeast } from "../../actions/role";
import { createLink, type Link, listLinks, revokeLink } from "../../api";
import { Dialog } from "../shared/Dialog";
import { Icon } from "../shared/Icon";
import { reasonOf } from "../shared/reason";
import type { NotebookBench } from "./bench";
import { EXPIRIES, type Expiry, expiryOf, expiryWords, LINK_ROLES, type LinkRole } from "./link_choice";

interface Props {
  readonly bench: NotebookBench;
  readonly title: string;
  readonly onClose: () => void;
}

/** Links that let others in: which role, until when; and those that are out. */
export function ShareDialog({ bench, title, onClose }: Props) {
  const id = bench.session.id;
  const role = useStore(bench.session.store, (state) => state.role);
  const owner = atLeast(role, "owner");
  const [links, setLinks] = useState<readonly Link[]>([]);
  const [access, setAccess] = useState<LinkRole>("editor");
  const [expiry, setExpiry] = useState<Expiry>("never");
  const [made, setMade] = useState("");
  const [problem, setProblem] = useState("");

  const load = useCallback(async () => {
    if (!owner) return;
    try {
      setLinks(await listLinks(id));
    } catch (error) {
      setProblem(reasonOf(error));
    }
  }, [id, owner]);
  useEffect(() => {
    void load();
  }, [load]);

  const copy = async (): Promise<void> => {
    setProblem("");
    try {
      const { url } = await createLink(id, { role: access, expires: expiryOf(expiry, Date.now()) });
      const whole = new URL(url, location.href).href;
      setMade(whole);
      await load();
      await navigator.clipboard.writeText(whole);
      bench.say("Link copied.");
    } catch (error) {
      // Without the right to write to the clipboard the link still stands there to be copied by hand.
      if (error instanceof DOMException) return;
      setProblem(reasonOf(error));
    }
  };

  const revoke = async (link: Link): Promise<void> => {
    try {
      await revokeLink(id, link.id);
      bench.say("The link no longer works.");
      await load();
    } catch (error) {
      setProblem(reasonOf(error));
    }
  };

  return (
    <Dialog title={`Share ${title === "" ? "Untitled" : title}`} onClose={onClose}>
      <p className="dialog-text">
        People with the link see the text, code and outputs of this notebook; not the runtime’s files, packages or
        secrets.
      </p>
      {owner ? (
        <>
          <div className="share-choice">
            <label className="field">
              <span>Link access</span>
              <select
                value={access}
                onChange={(event) => setAccess(LINK_ROLES.find((each) => each === event.target.value) ?? "viewer")}
              >
                <option value="viewer">Viewer: reads</option>
                <option value="commenter">Commenter: reads and comments</option>
                <option value="runner">Runner: runs cells</option>
                <option value="editor">Editor: writes and runs</option>
              </select>
            </label>
            <label className="field">
              <span>Link works</span>
              <select
                value={expiry}
                onChange={(event) => setExpiry(EXPIRIES.find((each) => each === event.target.value) ?? "never")}
              >
                <option value="never">until revoked</option>
                <option value="1">for 1 day</option>
                <option value="7">for 7 days</option>
                <option value="30">for 30 days</option>
              </select>
            </label>
          </div>
          {atLeast(access, "runner") && (
            <p className="notice notice-warn">
              <Icon name="warning" />
              <span>
                Whoever runs code here uses this machine’s account: its files, network and rights. Send the link only to
                people you trust.
              </span>
            </p>
          )}
          <div className="share-copy">
            <button type="button" className="button button-primary" onClick={() => void copy()}>
              <Icon name="link" />
              Copy link
            </button>
            {made !== "" && (
              <input
                readOnly
                aria-label="The link"
                className="made-link"
                value={made}
                onFocus={(event) => event.target.select()}
              />
            )}
          </div>
          <p className="field-problem" role="alert">
            {problem}
          </p>
          {links.length > 0 && (
            <>
              <h3>Links that work now</h3>
              <ul className="links" aria-label="Links">
                {links.map((link) => (
                  <li key={link.id}>
                    <Icon name="link" />
                    <span className="link-role">{link.role}</span>
                    <span className="hint">{expiryWords(link.expires, Date.now())}</span>
                    <button
                      type="button"
                      className="button button-quiet"
                      aria-label={`Revoke the ${link.role} link`}
                      onClick={() => void revoke(link)}
                    >
                      Revoke
                    </button>
                  </li>
                ))}
              </ul>
            </>
          )}
        </>
      ) : (
        <p className="notice notice-quiet">
          <Icon name="info" />
          <span>Your role here is {role}. Only the owner can make links.</span>
        </p>
      )}
      <div className="dialog-actions">
        <button type="button" className="button" onClick={onClose}>
          Done
        </button>
      </div>
    </Dialog>
  );
}
