// What this page says; what it shares with the list stands in `pages/names/words.ts`.
export { WORDS } from "../names/words.ts";
