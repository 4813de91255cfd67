// The sentence that answers, before anybody scrolls: is something wrong, what, and what to press. Pure.
import type { Alert, Health, HeldRead, Hold, Mark, QueueRow, Resilience, Stats } from "../api/types.ts";
import { asSeen } from "../words.ts";
import { about, count, duration, percent, plural } from "./format.ts";
import { authorOf, heldBack, pathOfHold } from "./holds.ts";
import { pageOf, workOf } from "./marks.ts";
import { type Down, isHeard, partsDown, sentenceOfNoWorker, sentenceOfOutage } from "./outage.ts";
import { nameOfPart, wordOfMark } from "./system.ts";

export interface Situation {
  now: number;
  /** Whether a key with limits asks: it is never told of alerts and figures of all that there is. */
  isPartial?: boolean;
  health?: Pick<Health, "status"> & Partial<Pick<Health, "checks">>;
  /** Open ones. */
  alerts?: readonly Alert[];
  stats?: Stats;
  queues?: readonly QueueRow[];
  resilience?: Resilience;
  /** How much each mark holds back; read where any does. */
  held?: Pick<HeldRead, "marks" | "is_exact">;
  /** The workers; read where one of them is not there. */
  fleet?: readonly Gone[];
  /** What failed in this hour by exception and name, the most frequent first. */
  failures?: readonly FailureGroup[];
  /** How the tasks of each name ended in this hour. */
  failing?: readonly { task_name: string | null; completed: number; failed: number }[];
  /** The newest of the workflows that failed. */
  workflows?: readonly { name: string; completed_at: string | null }[];
  /** How many workers are not there. */
  offline?: number;
  donePerMinute?: number | null;
  failedPercent?: number | null;
  meanWait?: number | null;
}

/** What is read of a worker to know why it is not there. */
export interface Gone {
  hostname: string;
  is_draining: boolean;
  /** When it said goodbye because it was drained; null where it did not. */
  drained_at?: string | null;
  last_heartbeat: string | null;
}

export interface FailureGroup {
  /** The minute in which the first failed, of one that is new. */
  first_failed_at?: string | null;
  error: string;
  task_name: string | null;
  count: number;
}

export interface Link {
  label: string;
  /** A path of the dashboard. */
  to: string;
}

export interface Verdict {
  /** `noted`: nothing is wrong now, and not all is well. */
  tone: "ok" | "noted" | "warning" | "critical" | "unknown" | "empty";
  /** What is wrong, or that all is well. */
  text: string;
  /** How the rest is. */
  rest: string;
  links: Link[];
  /** What else is wrong, the worst first. */
  others: Other[];
}

/** One more thing that is wrong, and where its evidence is. */
export interface Other {
  text: string;
  to: string;
}

const FAR_TOO_LONG = 60;
const MANY_FAIL = 20;
const HOUR = 3_600_000;
/** Alerts about what concerns Celeriac alone: no task waits or fails for them. */
const OURS = [
  "BROKER_OPTIONS_DIFFER",
  "EVENTS_OFF",
  "NOTIFICATION_FAILING",
  "OPEN_ACCESS",
  "WEBHOOK_FAILING",
];
/** Alerts that say that workers are not there. */
const ABSENT = ["WORKER_OFFLINE", "NO_ACTIVE_WORKERS"];

/** Return what to say first. The worst is said; what else is wrong comes after it. */
export function verdictOf(it: Situation): Verdict {
  const [worst, ...more] = troubles(it);
  const others = more.map(({ text, links }) => ({ text, to: links[0].to }));
  if (worst) return { ...worst, rest: restOf(others.length, it), others };
  const calmly = { rest: "", links: [], others };
  if (it.stats && it.stats.total_tasks_submitted === 0)
    return { tone: "empty", text: "Ready. No task has been submitted yet.", ...calmly };
  if (!it.health || !(it.isPartial ? it.queues : it.alerts))
    return { tone: "unknown", text: "Not known yet.", ...calmly };
  const noted = notes(it);
  const failed = failedOf(it);
  return {
    tone: failed.text ? "noted" : "ok",
    text: failed.text || asSeen("All well.", Boolean(it.isPartial)),
    rest: [calm(it), ...noted.map(ofNote)].filter(Boolean).join(" "),
    links: [...failed.links, ...(noted[0] ? [...linksOf(noted[0]), ALERT] : [])],
    others,
  };
}

/** What failed in this hour, though not so much that it is raised: then not all is well. */
function failedOf(it: Situation): { text: string; links: Link[] } {
  const failing = (it.failing ?? []).filter((one) => one.failed > 0).sort((a, b) => b.failed - a.failed);
  const workflows = (it.workflows ?? []).filter(
    (one) => one.completed_at !== null && it.now - Date.parse(one.completed_at) < HOUR,
  );
  const parts: string[] = [];
  const links: Link[] = [];
  const [worst, ...others] = failing;
  if (worst) {
    const share = percent((100 * worst.failed) / (worst.failed + worst.completed));
    const more = others.length > 0 ? `, and ${plural(others.length, "other name")} failed too` : "";
    parts.push(`${worst.task_name ?? "what has no name"} failed ${share} of the time${more}`);
    links.push({ label: "Failures", to: "/failures?hours=1" });
  }
  const first = workflows[0];
  if (first) {
    const one = `workflow ${first.name} failed`;
    parts.push(workflows.length === 1 ? one : `${plural(workflows.length, "workflow")} failed`);
    links.push({ label: "Workflows", to: "/workflows?status=FAILED" });
  }
  return { text: parts.length > 0 ? `In the last hour ${parts.join("; ")}.` : "", links };
}

const ALERT: Link = { label: "Alert", to: "/alerts" };
const SYSTEM: Link = { label: "System", to: "/system" };

/** What has been and is over: told where nothing is wrong, and in the place of nothing that is. */
const notes = (it: Situation) =>
  (it.alerts ?? []).filter((alert) => alert.severity === "INFO" && !alert.acknowledged);

const ofNote = (alert: Alert) =>
  alert.type === "EVENTS_MISSED"
    ? `Workers were not heard for ${about(alert.value)} of late.`
    : `${alert.description.replace(/\.$/, "")}.`;

type Trouble = Pick<Verdict, "tone" | "text"> & { links: [Link, ...Link[]] };

/** What is wrong, the worst first: causes before what follows from them, which is left out; what waits or fails before
 * what concerns Celeriac alone. */
function* troubles(it: Situation): Generator<Trouble> {
  if (it.health?.status === "unhealthy")
    yield {
      tone: "critical",
      text: "The database does not answer: what you see is old, and new tasks are refused.",
      links: [SYSTEM],
    };
  const down = partsDown(it);
  yield* ofParts(down, it);
  const alerts = [...(it.alerts ?? [])].filter((alert) => !isSymptom(alert, it, down)).sort(byNeed);
  const warnings = alerts.filter((one) => one.severity === "WARNING" && !one.acknowledged);
  for (const alert of alerts.filter((one) => one.severity === "CRITICAL"))
    yield ofAlert(alert, it, "critical");
  for (const queue of unserved(it, down)) yield ofUnserved(queue, it.now);
  for (const alert of warnings.filter((one) => !OURS.includes(one.type))) yield ofAlert(alert, it, "warning");
  for (const mark of marksOf(it)) if (!mark.automatic || !down.has(mark.service_name)) yield ofMark(mark, it);
  if (it.stats && it.stats.parked > 0)
    yield {
      tone: "warning",
      text: `The broker refuses ${plural(it.stats.parked, "task")} again and again.`,
      links: [{ label: "Tasks", to: "/tasks?status=PENDING" }],
    };
  if (
    (it.failedPercent ?? 0) > MANY_FAIL &&
    (it.donePerMinute ?? 0) > 0 &&
    !told(alerts, "HIGH_FAILURE_RATE")
  )
    yield {
      tone: "warning",
      text: `${percent(it.failedPercent)} of what ends fails${mostly(it)}.`,
      links: [{ label: "Failures", to: "/failures" }],
    };
  for (const alert of warnings.filter((one) => OURS.includes(one.type))) yield ofAlert(alert, it, "warning");
}

/** Whether an alert tells what follows from something that is said already. */
function isSymptom(alert: Alert, it: Situation, down: Down): boolean {
  const subject = alert.subject ?? "";
  const isUnserved = unserved(it, down).some((queue) => queue.queue_name === subject);
  switch (alert.type) {
    case "COMPONENT_DOWN":
      return down.has(subject);
    case "DISPATCH_STALLED":
      return down.has("broker") || down.has("loops");
    case "TASKS_NOT_PICKED_UP":
      return isUnserved || down.has("workers") || !isHeard(down.keys());
    case "HIGH_QUEUE_DEPTH":
      return (
        isUnserved ||
        down.has("workers") ||
        down.has("broker") ||
        marksOf(it).some((one) => one.service_name === `queue:${subject}`)
      );
    case "NO_ACTIVE_WORKERS":
    case "WORKER_OFFLINE":
      return (
        down.has("workers") ||
        !isHeard(down.keys()) ||
        (alert.type === "WORKER_OFFLINE" && told(it.alerts ?? [], "NO_ACTIVE_WORKERS"))
      );
    default:
      return false;
  }
}

/** The marks in force; a key with limits is told those of its queues alone. */
const marksOf = (it: Situation): readonly Mark[] =>
  it.resilience?.degradation.marks ?? (it.queues ?? []).flatMap((queue) => queue.mark ?? []);

const MARKS: Link = { label: "Marks", to: "/system" };

/** What a mark does, since when by whom, and for how long yet; where it holds something back, how much. */
function ofMark(mark: Mark, it: Situation): Trouble {
  const hold = it.held?.marks.find((one) => one.service_name === mark.service_name && one.count > 0);
  const page = pageOf(mark.service_name) ?? MARKS;
  const list: Link[] = hold ? [{ label: "Held tasks", to: pathOfHold(hold.service_name) }] : [];
  return { tone: "warning", text: textOfMark(mark, it, hold), links: [page, ...list] };
}

function textOfMark(mark: Mark, { now, held }: Situation, hold: Hold | undefined): string {
  if (mark.automatic)
    return `${nameOfPart(mark.service_name)}: it fails, and is left alone until it answers.`;
  const who = workOf(mark.service_name);
  const left = mark.degraded_until ? (Date.parse(mark.degraded_until) - now) / 1000 : 0;
  const yet = left > 0 ? `, ${about(left)} left` : "";
  const by = authorOf(mark, now);
  if (hold) return `${heldBack(hold, held?.is_exact)}${by}${yet}.`;
  if (who === null) return `${nameOfPart(mark.service_name)}: ${wordOfMark(mark)}${by}${yet}.`;
  return `A${who.slice(1)} ${mark.strategy === "queue_only" ? "held back" : "refused"}${by}${yet}.`;
}

/** What does not answer; where nothing tells which part it is, that one does not. */
function* ofParts(down: Down, it: Situation): Generator<Trouble> {
  const outage = sentenceOfOutage(down, it.now);
  if (outage) yield { tone: "critical", text: outage, links: [SYSTEM] };
  if (down.has("workers")) {
    const text = sentenceOfNoWorker(down, it.now, lastDrained(it.fleet));
    yield { tone: "critical", text, links: [SYSTEM] };
  }
  if (down.size === 0 && it.health?.status === "degraded")
    yield { tone: "warning", text: "A part of the system does not do its work.", links: [SYSTEM] };
}

/** The worker that was heard last, where it was told to drain: then nobody has failed. */
function lastDrained(fleet: Situation["fleet"]): string | null {
  const heard = (fleet ?? []).filter((one) => one.last_heartbeat !== null);
  const last = heard.sort((a, b) => Date.parse(b.last_heartbeat!) - Date.parse(a.last_heartbeat!))[0];
  return last && (last.is_draining || last.drained_at) ? last.hostname : null;
}

/** What fails above all, as the end of a sentence. */
function mostly(it: Situation): string {
  const most = it.failures?.[0];
  if (!most) return "";
  return `: above all ${most.error}${most.task_name === null ? "" : ` in ${most.task_name}`}`;
}

/** The queues in which something waits and from which nobody takes, the longest first: not while workers are not heard,
 * nor while there is none, which is the cause. */
function unserved(it: Situation, down: Down): readonly QueueRow[] {
  if (down.has("workers") || !isHeard(down.keys())) return [];
  const isSeen = (queue: QueueRow) =>
    (it.alerts ?? []).some(
      (one) => one.type === "TASKS_NOT_PICKED_UP" && one.subject === queue.queue_name && one.acknowledged,
    );
  return (it.queues ?? [])
    .filter((queue) => queue.active_consumers === 0 && (queue.waiting ?? 0) > 0 && !isSeen(queue))
    .sort((a, b) => (b.waiting ?? 0) - (a.waiting ?? 0));
}

function ofUnserved(queue: QueueRow, now: number): Trouble {
  const since = queue.oldest_waiting_at;
  const oldest = since ? `, the oldest for ${about((now - Date.parse(since)) / 1000)}` : "";
  const who = queue.consumers === 0 ? "Nobody consumes" : "No worker takes from";
  return {
    tone: "warning",
    text: `${who} ${queue.queue_name}: ${plural(queue.waiting ?? 0, "task waits", "tasks wait")}${oldest}.`,
    links: [{ label: "Queue", to: `/queues/${encodeURIComponent(queue.queue_name)}` }],
  };
}

const told = (alerts: readonly Alert[], type: string, subject?: string) =>
  alerts.some((alert) => alert.type === type && (subject === undefined || alert.subject === subject));

const RANK = { CRITICAL: 0, WARNING: 1, INFO: 2 };

/** Return them with the worst first; of one severity they stay in their order. */
export const bySeverity = (alerts: readonly Alert[]): Alert[] =>
  [...alerts].sort((a, b) => RANK[a.severity] - RANK[b.severity]);

function byNeed(a: Alert, b: Alert): number {
  return (
    Number(a.acknowledged) - Number(b.acknowledged) || Date.parse(a.created_at) - Date.parse(b.created_at)
  );
}

function ofAlert(alert: Alert, it: Situation, tone: "critical" | "warning"): Trouble {
  const since = about((it.now - Date.parse(alert.created_at)) / 1000);
  const text = alert.description.replace(/\.$/, "");
  const what = alert.type === "HIGH_FAILURE_RATE" ? mostly(it) : "";
  const when = /\bfor more than\b/.test(text) ? `noticed ${since} ago` : `for ${since}`;
  return { tone, text: `${text}, ${when}${what}.`, links: [...linksOf(alert), ALERT] };
}

/** Return where the evidence of an alert is. */
export function linksOf(alert: Pick<Alert, "type" | "subject">): [Link, ...Link[]] {
  const subject = encodeURIComponent(alert.subject ?? "");
  switch (alert.type) {
    case "HIGH_QUEUE_DEPTH":
    case "TASKS_NOT_PICKED_UP":
    case "DISPATCH_STALLED":
      return [subject ? { label: "Queue", to: `/queues/${subject}` } : { label: "Queues", to: "/queues" }];
    case "WORKER_OFFLINE":
      return [
        subject ? { label: "Worker", to: `/workers/${subject}` } : { label: "Workers", to: "/workers" },
      ];
    case "NO_ACTIVE_WORKERS":
    case "EVENTS_OFF":
    case "BROKER_OPTIONS_DIFFER":
      return [{ label: "Workers", to: "/workers" }];
    case "HIGH_FAILURE_RATE":
      return [{ label: "Failures", to: "/failures?hours=1" }];
    case "STUCK_TASKS": {
      const name = subject && `&task_name=${subject}`;
      return [{ label: "Tasks", to: `/tasks?status=RUNNING${name}&sort_by=started_at&sort_order=asc` }];
    }
    case "OPEN_ACCESS":
      return [{ label: "API keys", to: "/keys" }];
    case "NOTIFICATION_FAILING":
      return [{ label: "Notifications", to: "/notifications" }];
    case "WEBHOOK_FAILING":
      return [
        subject ? { label: "Webhook", to: `/webhooks/${subject}` } : { label: "Webhooks", to: "/webhooks" },
      ];
    default:
      return [{ label: "System", to: "/system" }];
  }
}

/** What else there is: where nothing else is wrong, what is not well all the same. */
function restOf(others: number, it: Situation): string {
  if (others === 0)
    return (
      [failedOf(it).text, ...absent(it).map((one) => `${one}.`)].filter(Boolean).join(" ") ||
      asSeen("Everything else is well.", Boolean(it.isPartial))
    );
  return others === 1 ? "One more thing is wrong:" : `${count(others)} more things are wrong:`;
}

/** How many workers are offline, unless that is what is wrong, or cannot be known; one that was drained is not amiss. */
function absent(it: Situation): string[] {
  const down = partsDown(it);
  if (!isHeard(down.keys())) return [];
  const drained = (it.fleet ?? []).filter((one) => one.drained_at);
  const offline = (it.offline ?? 0) - drained.length;
  const isSaid = down.has("workers") || ABSENT.some((type) => told(it.alerts ?? [], type));
  const said: string[] = [];
  if (offline > 0 && !isSaid) said.push(plural(offline, "worker is offline", "workers are offline"));
  const last = drained.sort((a, b) => Date.parse(b.drained_at!) - Date.parse(a.drained_at!))[0];
  if (last && !down.has("workers")) {
    const who = drained.length === 1 ? last.hostname : `the last is ${last.hostname}`;
    const ago = about((it.now - Date.parse(last.drained_at!)) / 1000);
    said.push(`${plural(drained.length, "worker is drained", "workers are drained")} (${who}, ${ago} ago)`);
  }
  return said;
}

function calm(it: Situation): string {
  const parts: string[] = [];
  if (it.donePerMinute) {
    const done = Math.round(it.donePerMinute);
    parts.push(`${done > 0 ? plural(done, "task") : "less than one task"} a minute`);
  }
  if (it.donePerMinute && it.failedPercent !== null && it.failedPercent !== undefined)
    parts.push(it.failedPercent === 0 ? noneFailing(it) : `${percent(it.failedPercent)} failing`);
  const oldest = Math.max(0, ...(it.queues ?? []).map((queue) => secondsOf(queue.oldest_waiting_at, it.now)));
  if (oldest > FAR_TOO_LONG) parts.push(`the oldest waits for ${about(oldest)}`);
  else if (it.meanWait) parts.push(`a task waits ${duration(it.meanWait)} on average`);
  else if (it.stats?.queue_depth === 0) parts.push("nothing waits");
  parts.push(...absent(it));
  return parts.length > 0 ? `${parts.join(", ").replace(/^./, (first) => first.toUpperCase())}.` : "";
}

/** In these minutes; where some failed in the hour, it says which is meant. */
const noneFailing = (it: Situation) =>
  it.failing?.some((one) => one.failed > 0) ? "none failing now" : "none failing";

const secondsOf = (text: string | null, now: number) => (text ? (now - Date.parse(text)) / 1000 : 0);
