/** Entry: which page this is, by location alone. `/` is the Library, `/n/{id}` a Notebook. */

import "katex/dist/katex.min.css";
import "./styles/index.css";
import { setNonce } from "get-nonce";
import { createRoot } from "react-dom/client";
import { restoreTheme } from "./actions/theme";
import { App } from "./views/App";
import { mountTooltip } from "./views/shared/tooltip";

restoreTheme();
const nonce = document.querySelector<HTMLMetaElement>('meta[name="csp-nonce"]')?.content ?? "";
setNonce(nonce);
mountTooltip();

const root = document.getElementById("root");
if (root === null) throw new Error("index.html has no #root.");
createRoot(root).render(<App path={location.pathname} nonce={nonce} />);
