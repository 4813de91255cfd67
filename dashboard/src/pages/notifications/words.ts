// What this page says.

export const WORDS = {
  title: "Notifications",
  channels: "Channels",
  channelsNote: "how people are told",
  routes: "Routes",
  routesNote: "which alerts go where; the first that takes one decides",
  messages: "Messages",
  messagesNote: "of the last 30 days, the newest first",
  makeChannel: "Make a channel",
  makeRoute: "Make a route",
  none: "Nobody is told of alerts.",
  noneText:
    "A channel is a mailbox, a chat, a pager or a webhook, given as a URL of Apprise; a route leads alerts to it.",
  noRoutes: "No route leads anywhere yet.",
  noMessages: "No message has been sent.",
} as const;
