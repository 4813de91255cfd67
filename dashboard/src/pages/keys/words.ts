// What this page says.

export const WORDS = {
  title: "API keys",
  make: "Make a key",
  change: "Change the key",
  none: "There is no key yet.",
  noneText:
    "Who reaches this address may do everything, or comes with a key of the environment. With a key that has admin, the API asks everybody for one.",
  secret: "The key",
  secretText:
    "Give it as a bearer token, in CELERIAC_API_KEY of the command line, or at the sign-in of this page.",
  first:
    "The first key needs admin: as soon as it is made, everybody is asked for a key. You are signed in with it.",
  ended: "Revoked and expired",
} as const;
