// Every page of the dashboard: its address, its name, its key, and its folder. The build reads this as well.
import type { Scope } from "./api/session.ts";
import type { IconName } from "./parts/icons.tsx";

export interface Route {
  path: string;
  title: string;
  /** Its folder in `pages/`, which is fetched when it is opened. */
  page: string;
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

export const ROUTES: readonly Route[] = [
  {
    path: "/",
    title: "Overview",
    rail: 1,
    icon: "overview",
    letter: "o",
    page: "overview",
  },
  {
    path: "/tasks",
    title: "Tasks",
    rail: 1,
    icon: "tasks",
    letter: "t",
    page: "tasks",
  },
  { path: "/tasks/:id", title: "Task", within: "/tasks", isOwn: true, page: "task" },
  {
    path: "/workflows",
    title: "Workflows",
    rail: 1,
    icon: "workflow",
    letter: "f",
    isOwn: true,
    page: "workflows",
  },
  {
    path: "/workflows/:id",
    title: "Workflow",
    within: "/workflows",
    isOwn: true,
    page: "workflow",
  },
  {
    path: "/queues",
    title: "Queues",
    rail: 1,
    icon: "layers",
    letter: "q",
    page: "queues",
  },
  { path: "/queues/:name", title: "Queue", within: "/queues", page: "queue" },
  {
    path: "/workers",
    title: "Workers",
    rail: 1,
    icon: "server",
    letter: "w",
    page: "workers",
  },
  {
    path: "/workers/:id",
    title: "Worker",
    within: "/workers",
    page: "worker",
  },
  {
    path: "/names",
    title: "Names",
    rail: 1,
    icon: "names",
    letter: "n",
    page: "names",
  },
  { path: "/names/:name", title: "Name", within: "/names", page: "name" },
  {
    path: "/failures",
    title: "Failures",
    rail: 1,
    icon: "failures",
    letter: "e",
    page: "failures",
  },
  {
    path: "/analytics",
    title: "Analytics",
    rail: 1,
    icon: "trend",
    letter: "a",
    page: "analytics",
  },
  {
    path: "/alerts",
    title: "Alerts",
    rail: 2,
    icon: "bell",
    letter: "l",
    page: "alerts",
  },
  {
    path: "/system",
    title: "System",
    rail: 2,
    icon: "settings",
    letter: "s",
    page: "system",
  },
  { path: "/compare", title: "Compare", within: "/tasks", page: "compare" },
  {
    path: "/submit",
    title: "Submit a task",
    icon: "send",
    within: "/tasks",
    needs: "submit",
    page: "submit",
  },
  {
    path: "/webhooks",
    title: "Webhooks",
    within: "/system",
    letter: "h",
    page: "webhooks",
  },
  {
    path: "/webhooks/:id",
    title: "Webhook",
    within: "/system",
    page: "webhook",
  },
  {
    path: "/notifications",
    title: "Notifications",
    within: "/alerts",
    letter: "i",
    page: "notifications",
  },
  {
    path: "/keys",
    title: "API keys",
    icon: "terminal",
    within: "/system",
    needs: "admin",
    letter: "k",
    page: "keys",
  },
  {
    path: "/audit",
    title: "Audit",
    icon: "search",
    within: "/system",
    needs: "admin",
    letter: "u",
    page: "audit",
  },
];
