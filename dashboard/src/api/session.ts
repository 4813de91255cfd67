// Who looks at this page, and what he may do. The key never stays here: it becomes a cookie that no script can read.
import { computed, signal } from "@preact/signals";
import { ask, door } from "./client.ts";
import { ApiError } from "./errors.ts";
import { refreshScreen } from "./query.ts";

export type Scope = "read" | "submit" | "operate" | "admin";

export interface Me {
  kind: string;
  id: string;
  name: string;
  scopes: Scope[];
  queues: string[];
  task_names: string[];
}

export const me = signal<Me | null>(null);
/** Whether somebody has to sign in before anything is shown. */
export const isSignInAsked = signal(false);
export const isReadOnly = computed(
  () => me.value !== null && !me.value.scopes.some((scope) => scope !== "read"),
);

/** Whether the person may do what needs this scope; buttons of what he may not do are not drawn. */
export function may(scope: Scope): boolean {
  return me.value?.scopes.includes(scope) ?? false;
}

let waiting: ((isIn: boolean) => void)[] = [];

/** Learn who is asking. Leaves `me` as it was where nobody answers. */
export async function loadMe(): Promise<void> {
  try {
    me.value = (await ask<Me>("GET", "/me")).value;
    isSignInAsked.value = false;
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) isSignInAsked.value = true;
  }
}

door.signIn = () => {
  isSignInAsked.value = true;
  return new Promise((resolve) => waiting.push(resolve));
};

/** Sign in with a key; throws ApiError where it is not accepted. */
export async function signIn(key: string): Promise<void> {
  await ask("POST", "/session", { body: { key } });
  await loadMe();
  const resolved = waiting;
  waiting = [];
  for (const resolve of resolved) resolve(true);
  refreshScreen();
}

/** Give the sign-in up: what waited for it fails. */
export function giveUp(): void {
  const resolved = waiting;
  waiting = [];
  for (const resolve of resolved) resolve(false);
}

export async function signOut(): Promise<void> {
  await ask("DELETE", "/session").catch(() => undefined);
  me.value = null;
  isSignInAsked.value = true;
}
