// What this page says.

export const WORDS = {
  title: "Webhooks",
  make: "Make a webhook",
  change: "Change the webhook",
  none: "Nobody is told of changes.",
  noneText:
    "A webhook is a URL that is told, signed, of each change that it asks for: a task has failed, an alert is raised, a worker has gone.",
  secret: "The secret that signs",
  secretText:
    "The receiver checks with it that a delivery is from here. docs/webhooks.md shows how, in eight lines.",
  made: "The webhook is told what changes from now on",
} as const;
