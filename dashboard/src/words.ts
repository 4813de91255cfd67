// Sentences that more than one page says. Those of one page stand in its folder, in `words.ts`.

/** `queues etl, mail and name pay`; nothing for no limits. */
function someOf(queues: readonly string[], names: readonly string[]): string {
  const some = (word: string, which: readonly string[]) =>
    which.length === 0 ? [] : [`${word}${which.length > 1 ? "s" : ""} ${which.join(", ")}`];
  return [...some("queue", queues), ...some("name", names)].join(" and ");
}

export const WORDS = {
  live: "live",
  polling: "polling",
  paused: "paused",
  away: "no answer",
  out: "signed out",
  isOut: "You are not signed in any more. What you see is from before.",
  waiting: "waiting",
  lastMinute: "in the last minute",
  running: "running",
  more: "More",
  morePages: "More pages",
  failedOfLate: "failed in the last hour",
  openAlerts: "open",
  find: "Find anything",
  findWhat: "Page, action, name, id or words",
  looking: "Looking …",
  notAllFound: "Not everything could be looked through.",
  pausePage: "Pause this page (work goes on)",
  resumePage: "Resume this page",
  signIn: "Sign in",
  signOut: "Sign out",
  readOnly: "read only",
  noKey: "no key needed",
  noKeyText: "Nobody is asked for a key here: whoever reaches this address may do everything.",
  empty: "Nothing here.",
  retry: "Try again",
  shownAsOf: (time: string) => `It is as of ${time}.`,
  account: "Who you are",
  mayDo: (scopes: readonly string[]) => `May ${scopes.join(", ") || "do nothing"}.`,
  limitedTo: (queues: readonly string[], names: readonly string[]) =>
    `Sees ${someOf(queues, names) || "all queues and task names"}.`,
  /** What a key with limits is shown. */
  seesOnly: (queues: readonly string[], names: readonly string[]) =>
    `Your key sees only ${someOf(queues, names)}. There may be more that it is not shown.`,
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

/** Return that something is not there, as somebody may say it who does not see all: `As far as your key sees: …`. */
export const asSeen = (text: string, isLimited: boolean): string =>
  isLimited ? `As far as your key sees: ${text.charAt(0).toLowerCase()}${text.slice(1)}` : text;

interface Refusal {
  status: number;
  message: string;
  retryAfter?: number | null;
}

/** The sentence for a request that failed, with what it means here. A read is asked again by itself where that may help,
 * an action never is. */
export function sentenceOf(error: Refusal, isRead = false): string {
  switch (error.status) {
    case 0:
      return isRead
        ? "Celeriac does not answer; it is asked again by itself."
        : "Celeriac does not answer: whether this was done is not known.";
    case 401:
      return "You are not signed in any more.";
    case 429:
      return isRead
        ? "Too many requests: it is asked again by itself, after a while."
        : `Too many requests: nothing was done. Try again in ${error.retryAfter ?? 60} s.`;
    default:
      return error.message;
  }
}

/** The sentence under what is shown from before: of when it is, why it is not newer, and whether that comes by itself. */
export function asOf(time: string, error: Refusal): string {
  const why = `As of ${time}: `;
  if (error.status === 429)
    return `${why}there were too many requests since; it is tried again by itself, after a while.`;
  if (error.status >= 400 && error.status < 500) return `${why}it is refused since. ${error.message}`;
  return `${why}it could not be read since, and is tried again by itself.`;
}
