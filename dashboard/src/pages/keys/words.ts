// What this page says.

export const WORDS = {
  title: "API keys",
  make: "Make a key",
  makeFirst: "Make the first key",
  makeAndClose: "Make the key and close the door",
  change: "Change the key",
  open: "Nobody is asked for a key: who reaches this address may do everything.",
  firstText:
    "No key was ever made. The first one closes the door: from then on every program and every browser needs a key.",
  closes: "This closes the door, for good.",
  closesText:
    "From that moment on, whatever sends no key is refused with 401: programs that submit tasks, scripts that read, other browsers. It stays so even if the key is revoked. Workers need no key, and you go on with this one.",
  refused: "refused for want of a valid key in the last hour",
  came: "submitted without a key in the last hour.",
  cameText: "Whoever submits them is refused until he sends a key. Who only reads is not counted.",
  none: "No key that was made here is valid: who comes has one of the environment, or a token.",
  noneText:
    "Keys that are made here can be limited, switched off and revoked; those of the environment cannot.",
  secret: "The key",
  secretText:
    "Give it as a bearer token, in CELERIAC_API_KEY of the command line, or at the sign-in of this page.",
  first: "The first key needs admin: else nobody could make the next one.",
  ended: "Revoked and expired",
} as const;
