// What to do about an alert, by its type, as docs/alerts.md says it: a sentence or two, and the pages where it is done. Where the evidence is says `verdict.ts`.

export interface Step {
  text: string;
  /** The page that shows it, or where it is done. */
  to?: string;
  label?: string;
}

export interface Advice {
  /** What the type is called in words. */
  name: string;
  steps: readonly Step[];
}

interface Told {
  type: string;
  subject: string | null;
  description?: string;
}

/** Whether an alert tells of a worker that was killed and is back: nobody need start it. */
const isBack = (alert: Told): boolean =>
  alert.type === "WORKER_OFFLINE" && (alert.description ?? "").endsWith("and was started again");

const killed = (worker: string | null): Advice => ({
  name: "A worker ended without a goodbye",
  steps: [
    {
      text: "It was killed, perhaps for want of memory, and is back. Its history tells how often that has been.",
      to: worker ? `/workers/${inPath(worker)}` : "/workers",
      label: "Its history",
    },
    { text: "What it held goes back to its queue once that process is proven dead." },
  ],
});

/** Whether an alert names workers that somebody holds back, which is no failure of theirs. */
const namesHeld = (alert: Told): boolean =>
  ["NO_ACTIVE_WORKERS", "TASKS_NOT_PICKED_UP"].includes(alert.type) &&
  / was (?:drained|paused)\b/.test(alert.description ?? "");

const RESUME: Step = {
  text: "Somebody wants it so. Resume lets a worker work again, and starts a drained one of `celeriac up`; any other is started where it runs.",
  to: "/workers",
  label: "Workers",
};

const inPath = (subject: string): string => encodeURIComponent(subject);
const queuePage = (subject: string | null): string => (subject ? `/queues/${inPath(subject)}` : "/queues");
const tasksOf = (query: Record<string, string>): string => `/tasks?${new URLSearchParams(query)}`;

const ADVICE: Record<string, (subject: string | null) => Advice> = {
  HIGH_QUEUE_DEPTH: (queue) => ({
    name: "Many tasks wait",
    steps: [
      {
        text: "If the workers are busy, start more of them, or give them more processes. If they are idle, they do not consume this queue.",
        to: "/workers",
        label: "Workers",
      },
      {
        text: "Tasks that came by mistake can be cancelled: cancelled ones do not run.",
        to: tasksOf({ status: "PENDING", ...(queue ? { queue_name: queue } : {}) }),
        label: "Waiting tasks",
      },
    ],
  }),
  NO_ACTIVE_WORKERS: () => ({
    name: "Too few workers are online",
    steps: [
      { text: "Nothing is lost: submissions are kept, and run once there is a worker for them. Start more." },
      {
        text: "If one runs and is not seen, it talks to another broker, or its remote control and its events are both off: `celeriac doctor` lists the workers that are heard.",
      },
    ],
  }),
  WORKER_OFFLINE: (worker) => ({
    name: worker ? "A worker has gone silent" : "Workers have gone silent",
    steps: [
      {
        text: "It was killed, or its machine or network is gone: a worker that is stopped in order says goodbye. Start it again under the same name.",
      },
      {
        text: "What it held goes back to its queue once it is proven dead.",
        to: tasksOf({ status: "RUNNING", ...(worker ? { worker_id: worker } : {}) }),
        label: "What it still has",
      },
    ],
  }),
  HIGH_FAILURE_RATE: () => ({
    name: "Many tasks fail",
    steps: [
      {
        text: "See which exceptions they are, and of which tasks.",
        to: "/failures?hours=1",
        label: "Failures of this hour",
      },
      {
        text: "If a service outside is down, hold back the tasks that need it, so that no more are handed out, and replay the failed ones afterwards.",
        to: tasksOf({ status: "FAILED", completed_after: "-1h" }),
        label: "Failed tasks",
      },
    ],
  }),
  STUCK_TASKS: (name) => ({
    name: "A task runs for very long",
    steps: [
      {
        text: "Cancel it, and give the next one a timeout.",
        to: tasksOf({ status: "RUNNING", ...(name ? { task_name: name } : {}) }),
        label: "Running tasks",
      },
      { text: "A worker that was killed leaves its tasks running until they are handed out again." },
    ],
  }),
  TASKS_NOT_PICKED_UP: (queue) => ({
    name: "A task waits for a worker",
    steps: [
      {
        text: "If no online worker consumes the queue, start one with `CELERIAC_QUEUES` (ours) or `-Q` (yours), or let one that runs consume it too, or correct the queue's name in the submission.",
        to: queuePage(queue),
        label: "Who consumes it",
      },
      {
        text: "Otherwise the workers are full: start more of them, or give them more processes.",
        to: "/workers",
        label: "Workers",
      },
    ],
  }),
  DISPATCH_STALLED: (queue) => ({
    name: "Due tasks do not reach the broker",
    steps: [
      {
        text: queue
          ? "The broker does not take the tasks of this queue. Where it has refused one again and again, the alert names the task and the reason, and nothing else waits for it."
          : "The broker is away, or no `celeriac loops` runs.",
        to: "/system",
        label: "System",
      },
      { text: "The tasks are safe in the outbox and go as soon as the broker takes them." },
    ],
  }),
  EVENTS_MISSED: () => ({
    name: "Events were not heard",
    steps: [
      {
        text: "The mirror was not listening for a while: it was restarted, or lost the broker. Ends are taken from the result backend, and timelines that the gap touches say that they are not complete.",
      },
      { text: "If it comes back again and again, the log of the mirror says why: `events_disconnected`." },
    ],
  }),
  COMPONENT_DOWN: () => ({
    name: "A component is down",
    steps: [
      {
        text: "`celeriac doctor` says what its server answers.",
        to: "/system",
        label: "What goes on without it",
      },
      {
        text: "A process of ours that ended unasked is started again. If it comes again and again, `part_ended` or `event_loop_hung` in its log says why.",
      },
    ],
  }),
  BROKER_OPTIONS_DIFFER: () => ({
    name: "Workers use other broker options",
    steps: [
      {
        text: "`global_keyprefix`: write the line that the alert shows into the environment of Celeriac and start it again. If these workers are none of your business, disable the rule.",
        to: "/alerts?tab=rules&rule=BROKER_OPTIONS_DIFFER",
        label: "The rule",
      },
      {
        text: "`priority_steps`: the workers of one queue read no priority list in common: give them the same.",
      },
    ],
  }),
  EVENTS_OFF: () => ({
    name: "Workers send no events",
    steps: [
      {
        text: "Start them with `celery worker -E`, or set `worker_send_task_events = True` in their app. Until then, tasks of theirs that were not submitted here are not seen.",
        to: "/workers",
        label: "Workers",
      },
    ],
  }),
  OPEN_ACCESS: () => ({
    name: "Everybody is let in",
    steps: [
      {
        text: "Make a key that may do everything. It closes the door: within a second every program that sends no key is refused, and the alert ends.",
        to: "/keys?make=1",
        label: "Make the first key",
      },
      {
        text: "Where all who reach that address may do everything, disable the rule.",
        to: "/alerts?tab=rules&rule=OPEN_ACCESS",
        label: "The rule",
      },
    ],
  }),
  NOTIFICATION_FAILING: () => ({
    name: "A channel takes no message",
    steps: [
      {
        text: "Test the channel to see what its service answers; correct its URL, or switch it off. Messages are tried for 24 h.",
        to: "/notifications",
        label: "Channels",
      },
    ],
  }),
  WEBHOOK_FAILING: (webhook) => ({
    name: "A webhook fails",
    steps: [
      {
        text: "Look at what its endpoint answers, and try it at once. Nothing is lost for five days; then the webhook is disabled.",
        to: webhook ? `/webhooks/${inPath(webhook)}` : "/webhooks",
        label: "Deliveries",
      },
    ],
  }),
};

/** Return what to do about an alert; of a type that is not known here, its name. */
export function adviceFor(alert: Told): Advice {
  const known = Object.hasOwn(ADVICE, alert.type) ? ADVICE[alert.type] : undefined;
  const advice = known?.(alert.subject || null) ?? { name: nameOf(alert.type), steps: [] };
  if (isBack(alert)) return killed(alert.subject);
  return namesHeld(alert) ? { ...advice, steps: [RESUME] } : advice;
}

/** Every type that has advice. */
export const ADVISED: readonly string[] = Object.keys(ADVICE);

/** `QUEUE_DEPTH` as `Queue depth`. */
function nameOf(type: string): string {
  const words = type.toLowerCase().replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}
