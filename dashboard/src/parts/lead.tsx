// A link to a page, where the person may see it; else only its words.
import type { ComponentChildren } from "preact";
import { mayOpen } from "../allowed.ts";
import { href } from "../router.ts";

export function Lead({
  to,
  children,
  ...look
}: {
  to: string;
  children: ComponentChildren;
  class?: string;
  title?: string;
}) {
  if (!mayOpen(to)) return <span {...look}>{children}</span>;
  return (
    <a {...look} href={href(to)}>
      {children}
    </a>
  );
}
