// Every page of the dashboard: its address, its name, its key, and the file that is fetched when it is opened.
import type { ComponentType } from "preact";
import { may, maySee, me, type Scope } from "./api/session.ts";
import type { IconName } from "./parts/icons.tsx";
import type { PageProps } from "./parts/page.tsx";

export interface Route {
  path: string;
  title: string;
  load: () => Promise<{ default: ComponentType<PageProps> }>;
  /** Listed in the rail, in this group. */
  rail?: 1 | 2;
  icon?: IconName;
  /** The letter after `g`. */
  letter?: string;
  /** The page of the rail that is marked while this one is open. */
  within?: string;
  /** Only for who may this; without it, for who may read. */
  needs?: Scope;
  /** Also for who may not read: it shows what he has submitted himself. */
  isOwn?: true;
}

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

export const ROUTES: readonly Route[] = [
  {
    path: "/",
    title: "Overview",
    rail: 1,
    icon: "overview",
    letter: "o",
    load: () => import("./pages/overview/page.tsx"),
  },
  {
    path: "/tasks",
    title: "Tasks",
    rail: 1,
    icon: "tasks",
    letter: "t",
    load: () => import("./pages/tasks/page.tsx"),
  },
  {
    path: "/tasks/:id",
    title: "Task",
    within: "/tasks",
    isOwn: true,
    load: () => import("./pages/task/page.tsx"),
  },
  {
    path: "/workflows",
    title: "Workflows",
    rail: 1,
    icon: "workflow",
    letter: "f",
    isOwn: true,
    load: () => import("./pages/workflows/page.tsx"),
  },
  {
    path: "/workflows/:id",
    title: "Workflow",
    within: "/workflows",
    isOwn: true,
    load: () => import("./pages/workflow/page.tsx"),
  },
  {
    path: "/queues",
    title: "Queues",
    rail: 1,
    icon: "layers",
    letter: "q",
    load: () => import("./pages/queues/page.tsx"),
  },
  { path: "/queues/:name", title: "Queue", within: "/queues", load: () => import("./pages/queue/page.tsx") },
  {
    path: "/workers",
    title: "Workers",
    rail: 1,
    icon: "server",
    letter: "w",
    load: () => import("./pages/workers/page.tsx"),
  },
  {
    path: "/workers/:id",
    title: "Worker",
    within: "/workers",
    load: () => import("./pages/worker/page.tsx"),
  },
  {
    path: "/names",
    title: "Names",
    rail: 1,
    icon: "names",
    letter: "n",
    load: () => import("./pages/names/page.tsx"),
  },
  { path: "/names/:name", title: "Name", within: "/names", load: () => import("./pages/name/page.tsx") },
  {
    path: "/failures",
    title: "Failures",
    rail: 1,
    icon: "failures",
    letter: "e",
    load: () => import("./pages/failures/page.tsx"),
  },
  {
    path: "/analytics",
    title: "Analytics",
    rail: 1,
    icon: "trend",
    letter: "a",
    load: () => import("./pages/analytics/page.tsx"),
  },
  {
    path: "/alerts",
    title: "Alerts",
    rail: 2,
    icon: "bell",
    letter: "l",
    load: () => import("./pages/alerts/page.tsx"),
  },
  {
    path: "/system",
    title: "System",
    rail: 2,
    icon: "settings",
    letter: "s",
    load: () => import("./pages/system/page.tsx"),
  },
  { path: "/compare", title: "Compare", within: "/tasks", load: () => import("./pages/compare/page.tsx") },
  { path: "/submit", title: "Submit a task", needs: "submit", load: () => import("./pages/submit/page.tsx") },
  {
    path: "/webhooks",
    title: "Webhooks",
    within: "/system",
    letter: "h",
    load: () => import("./pages/webhooks/page.tsx"),
  },
  {
    path: "/webhooks/:id",
    title: "Webhook",
    within: "/system",
    load: () => import("./pages/webhook/page.tsx"),
  },
  {
    path: "/notifications",
    title: "Notifications",
    within: "/alerts",
    letter: "i",
    load: () => import("./pages/notifications/page.tsx"),
  },
  {
    path: "/keys",
    title: "API keys",
    within: "/system",
    needs: "admin",
    letter: "k",
    load: () => import("./pages/keys/page.tsx"),
  },
  {
    path: "/audit",
    title: "Audit",
    within: "/system",
    needs: "admin",
    letter: "u",
    load: () => import("./pages/audit/page.tsx"),
  },
];
