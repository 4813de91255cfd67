// What this page says.

export const WORDS = {
  title: "Webhook",
  test: "Test",
  change: "Change",
  rotate: "New secret",
  recover: "Send again",
  recoverVerb: "Send again",
  failedWhy: "Each is sent once more, in the form it had.",
  missedWhy: "The feed is read again from then on; what it was told already is not sent twice.",
  remove: "Delete",
  deliveries: "Deliveries",
  none: "Nothing has been sent to it.",
  noneFiltered: "No delivery is like that.",
  body: "Body as it is sent",
  attempts: "Attempts",
  secret: "The new secret that signs",
  again: "Send it again",
} as const;
