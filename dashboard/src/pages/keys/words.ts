// What this page says.

export const WORDS = {
  title: "API keys",
  make: "Make a key",
  change: "Change the key",
  open: "Nobody is asked for a key: who reaches this address may do everything.",
  firstText: "As soon as a key is made, everybody is asked for one.",
  none: "No key that was made here opens: who comes has one of the environment, or a token.",
  noneText:
    "Keys that are made here can be limited, switched off and revoked; those of the environment cannot.",
  secret: "The key",
  secretText:
    "Give it as a bearer token, in CELERIAC_API_KEY of the command line, or at the sign-in of this page.",
  first:
    "The first key needs admin: as soon as it is made, everybody is asked for a key. You are signed in with it.",
  ended: "Revoked and expired",
} as const;
