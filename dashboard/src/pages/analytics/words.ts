// What this page says.

export const WORDS = {
  title: "Analytics",
  ranges: "How far back",
  ended: "What ended",
  share: "Failing and waiting",
  heat: "How long runs took",
  byName: "By name",
  byQueue: "By queue",
  none: "Nothing happened",
  noneText: "What is submitted, starts and ends is counted here by the minute, the hour and the day.",
  busiest: "100 busiest",
  unnamed: "not known",
} as const;
