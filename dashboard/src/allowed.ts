// Which pages a key may open. Apart from the pages themselves, which the build reads too.
import { may, maySee, me, type Scope } from "./api/session.ts";
import { match } from "./router.ts";
import { ROUTES, type Route } from "./routes.ts";

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

/** Whether the person may open the page at this address. */
export function mayOpen(to: string): boolean {
  const [path = "/"] = to.split("?");
  const route = ROUTES.find((one) => match(one.path, path));
  return route !== undefined && lackOf(route) === null;
}

/** Whether the person may open a page that needs no id. */
export const isOpenTo = (route: Route): boolean => !route.path.includes(":") && lackOf(route) === null;

/** Whether the rail lists a page: also one that is reached from another, where that may not be opened. */
export function isListed(route: Route): boolean {
  const from = ROUTES.find((one) => one.path === route.within);
  return isOpenTo(route) && (route.rail !== undefined || (from !== undefined && lackOf(from) !== null));
}
