// Which pages a key may open. Apart from the pages themselves, which the build reads too.
import { may, maySee, me, type Scope } from "./api/session.ts";
import type { Route } from "./routes.ts";

const MAY: Record<Scope, string> = {
  read: "may read",
  submit: "may submit",
  operate: "may operate",
  admin: "may administer",
};

/** Return what kind of key a page needs that the person's is not; null where the page may be opened, and while it is not
 * known who he is. */
export function lackOf(route: Route): string | null {
  if (me.value === null) return null;
  const needs = route.needs ?? "read";
  if (!may(needs) && !(route.isOwn && may("submit"))) return `a key that ${MAY[needs]}`;
  return maySee(route.path) ? null : "a key without limits";
}
