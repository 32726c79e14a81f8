import type { ReactNode } from "react";
import { Logo } from "./Logo";

interface Props {
  readonly title: string;
  readonly detail: string;
  readonly children?: ReactNode;
}

/** A page that cannot show what was asked for: what happened, and what to do. */
export function Failure({ title, detail, children }: Props) {
  return (
    <main className="failure">
      <Logo />
      <h1>{title}</h1>
      {detail !== "" && <p>{detail}</p>}
      {children}
    </main>
  );
}
