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
/** Whether the API was asked who it is, and has answered or does not. */
export const isMeAsked = signal(false);
/** Whether somebody has to sign in before anything is shown. */
export const isSignInAsked = signal(false);
/** Whether the person was let in before and is not any more: nothing is read until somebody signs in. */
export const isOut = signal(false);
export const isReadOnly = computed(
  () => me.value !== null && !me.value.scopes.some((scope) => scope !== "read"),
);

/** Whether the person is shown only some queues or names: then what is about all tasks together is refused. */
export const isLimited = computed(() => Boolean(me.value?.queues.length || me.value?.task_names.length));

/** Whether the person is told how the whole is; taken for granted until it is known who he is. */
export const isToldOfAll = computed(() => me.value === null || (may("read") && !isLimited.value));

/** Pages about all tasks together, by how their addresses begin. */
const OF_ALL = ["workers", "alerts", "system", "webhooks", "notifications"];

/** Whether the person may see the page at this address, as far as limits go. */
export const maySee = (path: string): boolean =>
  !isLimited.value || !OF_ALL.includes(path.split(/[/?]/)[1] ?? "");

/** Whether the person may hold tasks back: a mark is of all that there is. */
export const mayMark = (): boolean => may("operate") && !isLimited.value;

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
    isOut.value = false;
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) noteOut();
  } finally {
    isMeAsked.value = true;
  }
}

export const askForSignIn = (): void => {
  isSignInAsked.value = true;
};

/** Take note that nobody is signed in any more; the sign-in is offered once, and can be put off. */
export function noteOut(): void {
  if (!isOut.value) isSignInAsked.value = true;
  isOut.value = me.value !== null;
}

/** Look whether somebody has signed in meanwhile, in another tab. */
export async function lookAgain(): Promise<void> {
  if (!isOut.value) return;
  await loadMe();
  if (!isOut.value) refreshScreen();
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

/** Sign out, and forget all that was read; throws ApiError where the session goes on. */
export async function signOut(): Promise<void> {
  try {
    await ask("DELETE", "/session");
  } catch (error) {
    if (!(error instanceof ApiError && error.status === 401)) throw error;
  }
  location.reload();
}
