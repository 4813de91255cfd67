// What this page says.

export const WORDS = {
  task: "Submit a task",
  workflow: "Start a workflow",
  replay: "Replay with changes",
  leadTask: "It is stored first and answered then, so nothing that was accepted is lost.",
  leadWorkflow: "Its steps are checked and stored whole; those that wait for none start at once.",
  leadReplay: "A new task from an old one. What you leave as it is stays as it was, hidden values too.",
  foreign: "Its arguments were told by Celery as text, so they have to be given anew.",
  masked: "Some values are hidden here. Left as they are, the task gets the true ones.",
  unchanged: "Nothing is changed yet: this would replay it as it was.",
  changes: "Changes to the original",
  preview: "What this would be",
  previewNone: "As soon as each step has an id, the graph is drawn here.",
  file: "Open a file",
  tooLarge: "The file is above 16 MiB: more is not accepted.",
} as const;

export const EXAMPLE = `{
  "name": "hello",
  "steps": [
    {"id": "words", "task_name": "celeriac.wordcount", "task_args": ["to be or not to be"]},
    {"id": "again", "task_name": "celeriac.echo", "task_args": [{"$result": "words"}]}
  ]
}`;
