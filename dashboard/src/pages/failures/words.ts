// What this page says.

export const WORDS = {
  title: "Failures",
  ranges: "How far back",
  none: "Nothing has failed",
  noneText: "Tasks that fail are grouped here by the class of their exception and by their name.",
  anonymous: "tasks without a known name",
  tasks: "Tasks",
  newest: "Newest",
  replay: "Replay one, then the rest",
  fresh: "new since",
  freshWhy: "None like it had failed in the 7 days before, whatever range is shown.",
  held: "held back",
  heldWhy: "is held back: what is replayed waits until it is let go.",
  one: "Replay one",
  rest: "Replay the rest",
  allReplayed:
    "The newest of them were replayed from this page already. What fails anew can be replayed here.",
} as const;
