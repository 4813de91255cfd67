// Whose work a mark is for, in words and as a place. Pure.

const WORK = /^(queue|task):(.*)$/s;

/** Return whose work a mark is for: a queue's or a name's; null for a component. */
export function nameOfWork(service: string): { kind: "queue" | "task"; name: string } | null {
  const [, kind, name] = WORK.exec(service) ?? [];
  return name === undefined ? null : { kind: kind as "queue" | "task", name };
}

/** Return whose work a mark is for, to begin a sentence about it: `all tasks named pay are`; null for a component. */
export function workOf(service: string): string | null {
  const [, kind, name] = WORK.exec(service) ?? [];
  if (name === undefined) return null;
  return kind === "task" ? `all tasks named ${name} are` : `all that is submitted to queue ${name} is`;
}

/** Return the page of the queue or the name that a mark is for, where it is let go again; null for a component. */
export function pageOf(service: string): { label: string; to: string } | null {
  const [, kind, name] = WORK.exec(service) ?? [];
  if (name === undefined) return null;
  const subject = encodeURIComponent(name);
  return kind === "queue"
    ? { label: "Queue", to: `/queues/${subject}` }
    : { label: "Name", to: `/names/${subject}` };
}
