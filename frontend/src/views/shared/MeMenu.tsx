import { DropdownMenu } from "radix-ui";
import { useState } from "react";
import { useStore } from "zustand";
import { chooseTheme, THEMES, themeStore } from "../../actions/theme.ts";
import type { Me } from "../../api.ts";
import { Avatar } from "./Avatar.tsx";
import { Icon } from "./Icon.tsx";
import { late, MissingDialog } from "./late.tsx";
import { NameDialog } from "./NameDialog.tsx";

const SignOut = late<{ readonly me: Me; readonly onClose: () => void }>(
  () => import("./SignOut.tsx").then(({ SignOut: view }) => view),
  MissingDialog,
);

const WORDS = { system: "As the system", light: "Light", dark: "Dark" } as const;

/** One's own avatar: name, theme, and the way out. */
export function MeMenu({ me }: { readonly me: Me }) {
  const theme = useStore(themeStore, (state) => state.theme);
  const [naming, setNaming] = useState(false);
  const [leaving, setLeaving] = useState(false);
  const [name, setName] = useState(me.name);
  return (
    <>
      <DropdownMenu.Root modal={false}>
        <DropdownMenu.Trigger className="me-button" aria-label={`You: ${name}`}>
          <Avatar name={name} color={me.color} />
        </DropdownMenu.Trigger>
        <DropdownMenu.Portal>
          <DropdownMenu.Content className="menu" align="end" sideOffset={6}>
            <DropdownMenu.Label className="menu-label">{name}</DropdownMenu.Label>
            <DropdownMenu.Item className="menu-item" onSelect={() => setNaming(true)}>
              <Icon name="pencil" />
              Change your name…
            </DropdownMenu.Item>
            <DropdownMenu.Separator className="menu-line" />
            <DropdownMenu.Label className="menu-label">Theme</DropdownMenu.Label>
            {THEMES.map((each) => (
              <DropdownMenu.CheckboxItem
                key={each}
                className="menu-item"
                checked={theme === each}
                onSelect={() => chooseTheme(each)}
              >
                <span className="menu-check">{theme === each && <Icon name="check" />}</span>
                {WORDS[each]}
              </DropdownMenu.CheckboxItem>
            ))}
            <DropdownMenu.Separator className="menu-line" />
            <DropdownMenu.Item className="menu-item" onSelect={() => setLeaving(true)}>
              <Icon name="leave" />
              Sign out…
            </DropdownMenu.Item>
          </DropdownMenu.Content>
        </DropdownMenu.Portal>
      </DropdownMenu.Root>
      {leaving && <SignOut me={me} onClose={() => setLeaving(false)} />}
      {naming && <NameDialog name={name} onClose={() => setNaming(false)} onRenamed={setName} />}
    </>
  );
}
