import type { Me } from "../../api.ts";
import { Logo } from "../shared/Logo.tsx";
import { MeMenu } from "../shared/MeMenu.tsx";

export function LibraryBanner({ me }: { readonly me: Me }) {
  return (
    <header className="library-banner">
      <a href="/" className="logo" aria-label="collab, Library">
        <Logo />
        <span className="logo-name">collab</span>
      </a>
      <MeMenu me={me} />
    </header>
  );
}
