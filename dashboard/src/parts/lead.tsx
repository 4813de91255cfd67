// A link to a page, where the person may see it; else only its words.
import type { ComponentChildren } from "preact";
import { maySee } from "../api/session.ts";
import { href } from "../router.ts";

export function Lead({ to, children, ...look }: { to: string; children: ComponentChildren; class?: string }) {
  if (!maySee(to)) return <span {...look}>{children}</span>;
  return (
    <a {...look} href={href(to)}>
      {children}
    </a>
  );
}
