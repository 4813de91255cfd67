// What this page says; what it shares with the list stands in `pages/workers/words.ts`.
import { WORDS as SHARED } from "../workers/words.ts";

export const WORDS = {
  ...SHARED,
  title: "Worker",
  drain: "Drain",
  lost: "Lost tasks",
  later: "once it is back…",
  pauseLater: "Pause once it is back",
  resumeLater: "Resume once it is back",
  notSeen: "It has not been asked yet.",
  seenAt: "It said so",
} as const;
