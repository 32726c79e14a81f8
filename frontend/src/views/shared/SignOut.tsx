import { useEffect, useState } from "react";
import { endSession, type Me } from "../../api.ts";
import { forgetEverything, unsavedNotebooks } from "../../offline/copies.ts";
import { tellTabs } from "../../offline/tabs.ts";
import { alarm } from "./announcements.ts";
import { Confirm } from "./Confirm.tsx";
import { reasonOf } from "./reason.ts";

interface Props {
  readonly me: Me;
  readonly onClose: () => void;
}

/** Asks, as what has not reached the server would be gone. */
export function SignOut({ me, onClose }: Props) {
  const [unsaved, setUnsaved] = useState<readonly string[] | null>(null);
  useEffect(() => setUnsaved(unsavedNotebooks(me).map(({ title }) => title)), [me]);
  if (unsaved === null) return null;

  const leave = async (): Promise<void> => {
    try {
      await endSession();
    } catch (error) {
      alarm(`You are still signed in. ${reasonOf(error)}`);
      return;
    }
    tellTabs("out");
    await forgetEverything();
    location.replace("/");
  };

  return (
    <Confirm
      title="Sign out?"
      detail={`${lossOf(unsaved)}${me.guest ? "To come back you need your link, and you come as a new guest." : "To come back you need the address that the server printed when it started."}`}
      confirm={unsaved.length === 0 ? "Sign out" : "Sign out and lose them"}
      onClose={onClose}
      onConfirm={() => void leave()}
    />
  );
}

function lossOf(unsaved: readonly string[]): string {
  if (unsaved.length === 0) return "The copies of notebooks in this browser are removed. ";
  const names = unsaved.length === 1 ? (unsaved[0] ?? "") : `${unsaved.length} notebooks`;
  return `Changes in ${names} have not reached the server: they would be lost, as the copies in this browser are removed. `;
}
