// The one door to the REST API. Addresses are relative to the page, so that any prefix of a proxy holds.
import { signal } from "@preact/signals";
import { ApiError, REASON_HEADER } from "./errors.ts";
import { parseExact, writeExact } from "./json.ts";

export type QueryValue = string | number | boolean | null | undefined | readonly string[];
export type Query = Record<string, QueryValue>;

export interface RequestOptions {
  query?: Query | URLSearchParams;
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal;
  /** Whether an answer of a moment ago will do, which was made for another page. */
  mayBeShared?: boolean;
}

export interface Answer<T> {
  value: T;
  /** Seconds, where the answer is an old one that is shown again; else null. */
  age: number | null;
  /** Seconds since it was made for another page; 0 if it was made for this one. */
  sharedFor: number;
}

/** Since when nobody answers, as milliseconds; null while somebody does. */
export const awaySince = signal<number | null>(null);
/** Requests that the rate limit still lets through, as last told. */
export const remaining = signal<number | null>(null);
/** Set by `session.ts`: asks for a sign-in, and says whether somebody did. And by `reason.ts`: asks why, null for nothing. */
export const door = {
  signIn: async (): Promise<boolean> => false,
  giveReason: async (): Promise<string | null> => null,
};

/** How old an answer may be that was made for another page. */
const SHARED_S = 1;
/** When something was last done from here: what comes after it was made after it. */
let actedAt = Number.NEGATIVE_INFINITY;

export const BASE = new URL("./", document.baseURI);
const API = new URL("../api/v1/", BASE);

/** Return the whole address of a path of the API, e.g. `/tasks`. */
export function apiUrl(path: string, query?: Query | URLSearchParams): string {
  const url = new URL(path.replace(/^\//, ""), API);
  url.search = queryText(query);
  return url.href;
}

/** Return `a=1&b=2` of what is set; lists repeat their name. */
export function queryText(query?: Query | URLSearchParams): string {
  if (query instanceof URLSearchParams) return query.toString();
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value === null || value === undefined || value === "") continue;
    for (const item of Array.isArray(value) ? value : [value]) params.append(name, String(item));
  }
  return params.toString();
}

/** Return one segment of a path with an id in it, whatever characters the id has. */
export const segment = (id: string): string => encodeURIComponent(id);

/** Return a new `Idempotency-Key`; `crypto.randomUUID` is there over https only. */
export function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Ask without a sign-in dialog; throws ApiError. */
export async function ask<T>(method: string, path: string, options: RequestOptions = {}): Promise<Answer<T>> {
  const headers: Record<string, string> = { Accept: "application/json", ...options.headers };
  if (options.mayBeShared && performance.now() - actedAt > SHARED_S * 1_000)
    headers["Cache-Control"] = `max-age=${SHARED_S}`;
  const init: RequestInit = { method, headers, credentials: "same-origin", signal: options.signal };
  if (options.body !== undefined) {
    headers["Content-Type"] = "application/json";
    init.body = writeExact(options.body);
  }
  let response: Response;
  let text: string;
  try {
    response = await fetch(apiUrl(path, options.query), init);
    text = await response.text();
  } catch (error) {
    if (options.signal?.aborted) throw error;
    awaySince.value ??= Date.now();
    throw new ApiError(0, {});
  } finally {
    if (method !== "GET") actedAt = performance.now();
  }
  return read<T>(response, text);
}

function read<T>(response: Response, text: string): Answer<T> {
  const left = response.headers.get("X-RateLimit-Remaining");
  if (left !== null) remaining.value = Number(left);
  const isOurs = response.headers.has("X-Request-ID");
  if (isOurs) awaySince.value = null;
  else if (response.status === 502 || response.status === 504) awaySince.value ??= Date.now();
  const value = text === "" ? undefined : parsed(text);
  if (!response.ok) {
    const body = value && typeof value === "object" ? (value as Record<string, unknown>) : {};
    const wait = Number(response.headers.get("Retry-After"));
    throw new ApiError(response.status, body, Number.isFinite(wait) && wait > 0 ? wait : null);
  }
  const isOld = response.headers.get("Warning")?.startsWith("110") ?? false;
  const age = Number(response.headers.get("Age") ?? 0);
  return { value: value as T, age: isOld ? age : null, sharedFor: isOld ? 0 : age };
}

function parsed(text: string): unknown {
  try {
    return parseExact(text);
  } catch {
    return undefined;
  }
}

/** Return the header that says why; empty where nothing is said. */
export function reasonHeaders(reason: string | null): Record<string, string> {
  const text = reason?.trim();
  // Its bytes one by one: a browser takes no other characters for a header.
  return text ? { [REASON_HEADER]: String.fromCharCode(...new TextEncoder().encode(text)) } : {};
}

/** Do something: as `ask`, and where a sign-in or a reason is missing, once more after it. Returns the answer's body. */
export async function call<T>(method: string, path: string, options: RequestOptions = {}): Promise<T> {
  try {
    return (await ask<T>(method, path, options)).value;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.status === 401 && (await door.signIn())) return call<T>(method, path, options);
    const reason = error.wantsReason ? await door.giveReason() : null;
    if (reason === null) throw error;
    const headers = { ...options.headers, ...reasonHeaders(reason) };
    return (await ask<T>(method, path, { ...options, headers })).value;
  }
}
