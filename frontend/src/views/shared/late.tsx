import { type ComponentType, type ReactNode, useEffect, useState } from "react";
import { Dialog } from "./Dialog.tsx";

/** A view whose code comes when it is first shown. When that cannot be had, `Missing` stands in its place; whoever opens it
 * again asks again, for which `lazy` of React has no way. */
export function late<Props extends object>(
  load: () => Promise<ComponentType<Props>>,
  Missing: ComponentType<Props>,
  waiting: ReactNode = null,
): ComponentType<Props> {
  let loaded: ComponentType<Props> | null = null;
  return function Late(props: Props) {
    const [View, setView] = useState<ComponentType<Props> | null>(() => loaded);
    useEffect(() => {
      if (View !== null) return;
      let isShown = true;
      load()
        .then(
          (view) => {
            loaded = view;
            return view;
          },
          () => Missing,
        )
        .then((view) => {
          if (isShown) setView(() => view);
        });
      return () => {
        isShown = false;
      };
    }, [View]);
    return View === null ? waiting : <View {...props} />;
  };
}

/** In place of a dialog that could not be loaded. */
export function MissingDialog({ onClose }: { readonly onClose: () => void }) {
  return (
    <Dialog title="The server does not answer" onClose={onClose} className="dialog-small">
      <p className="dialog-text">Try again when the connection is back.</p>
    </Dialog>
  );
}
