// Sentences that more than one page says. Those of one page stand in its folder, in `words.ts`.

export const WORDS = {
  live: "live",
  polling: "polling",
  paused: "paused",
  away: "no answer",
  waiting: "waiting",
  running: "running",
  more: "More",
  morePages: "More pages",
  failedOfLate: "failed in the last hour",
  openAlerts: "open",
  find: "Find anything",
  signIn: "Sign in",
  signOut: "Sign out",
  readOnly: "read only",
  noKey: "no key needed",
  noKeyText: "Nobody is asked for a key here: whoever reaches this address may do everything.",
  empty: "Nothing here.",
  retry: "Try again",
  asOf: (time: string) => `As of ${time}: it could not be read since, and is tried again by itself.`,
  shownAsOf: (time: string) => `It is as of ${time}.`,
  /** What a key with limits is shown. */
  seesOnly: (queues: readonly string[], names: readonly string[]) => {
    const some = (word: string, which: readonly string[]) =>
      which.length === 0 ? [] : [`${word}${which.length > 1 ? "s" : ""} ${which.join(", ")}`];
    return `Your key sees only ${[...some("queue", queues), ...some("name", names)].join(" and ")}.`;
  },
  copied: "Copied",
  copyFailed: "This browser lets a page copy only over https: the text is selected, press Ctrl C.",
  outdated: "Celeriac was updated while this page was open.",
  reload: "Reload",
  gone: "A part of this page is not there any more: Celeriac was updated.",
  noPage: "Your key has no page here.",
  noPageText: (scopes: readonly string[]) =>
    `It may ${scopes.join(" and ") || "do nothing"}: from programs, by the API and the command line. The pages need a key that may read, submit or administer.`,
  otherKey: "Sign in with another key",
  notFoundTitle: "There is no such page",
  absent: "This version of the API does not tell that yet.",
} as const;

/** The sentence for a request that failed, with what it means here. */
export function sentenceOf(error: {
  status: number;
  code: string;
  message: string;
  retryAfter?: number | null;
}): string {
  switch (error.status) {
    case 0:
      return "Celeriac does not answer. What you see is from before; it is tried again by itself.";
    case 401:
      return "You are not signed in any more.";
    case 403:
      return error.message;
    case 429:
      return `Too many requests. It goes on in ${error.retryAfter ?? 60} s.`;
    default:
      return error.message;
  }
}
