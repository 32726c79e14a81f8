import { useEffect, useState } from "react";
import { getVersion } from "../../api";
import { Dialog } from "../shared/Dialog";

export function About({ onClose }: { readonly onClose: () => void }) {
  const [version, setVersion] = useState("");
  useEffect(() => {
    getVersion()
      .then(setVersion)
      .catch(() => setVersion("unknown"));
  }, []);
  return (
    <Dialog title="About" onClose={onClose} className="dialog-small">
      <p className="dialog-text">
        collab {version}: notebooks that several people write and run together, on a machine of yours.
      </p>
    </Dialog>
  );
}
