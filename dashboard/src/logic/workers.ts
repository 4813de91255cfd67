// What is to be said of workers: how the fleet is, how one of them is, what is wanted beside what is seen, and how far
// a drain is proven. Pure.
import type { Drain, HistoryEntry, Worker, WorkerDetail } from "../pages/workers/types.ts";
import { about, type Clock, count, duration, hour, NONE, plural } from "./format.ts";
import { reasonOf } from "./holds.ts";
import { calledBy } from "./principals.ts";

/** A worker that was registered and never heard counts as one that is not there, whatever its status says. */
export const isThere = (one: Worker): boolean =>
  one.last_heartbeat !== null && (one.status !== "OFFLINE" || one.isUnheard === true);
/** So long before the worker that was heard last others may have been heard, and not have been silent for all that. */
const BEFORE = 60_000;

/** Return those that would count as offline and are only not heard, while nobody can be: they were there until then. */
export function unheardOf(workers: readonly Worker[], isHeard: boolean): ReadonlySet<string> {
  if (isHeard) return new Set();
  const last = Math.max(...workers.map(heardAt));
  const silent = workers.filter(
    (one) => one.status === "OFFLINE" && !one.drained_at && last - heardAt(one) < BEFORE,
  );
  return new Set(silent.map((one) => one.worker_id));
}

const heardAt = (one: Worker): number => (one.last_heartbeat ? Date.parse(one.last_heartbeat) : -Infinity);

/** Return them with those as not heard. */
export const asHeard = (workers: readonly Worker[], isHeard: boolean): Worker[] => {
  const unheard = unheardOf(workers, isHeard);
  return workers.map((one) => (unheard.has(one.worker_id) ? { ...one, isUnheard: true } : one));
};

/** Return the word for how it is. */
export function stateOf(one: Worker): string {
  if (one.isUnheard) return "not heard";
  if (isDrained(one)) return "drained";
  return one.status !== "OFFLINE" && one.last_heartbeat === null ? "not heard yet" : one.status;
}

/** Whether it has gone because it was told to: then nothing is amiss. */
export const isDrained = (one: Worker): boolean => one.status === "OFFLINE" && one.drained_at !== null;

/** Return what is kept for a worker that is not there, to go on its name: `drains once it is back`; null for nothing. */
export function keptFor(one: Worker): string | null {
  if (isThere(one)) return null;
  if (one.desired.draining) return "drains once it is back";
  return one.desired.paused ? "paused once it is back" : null;
}

/** Whether it is otherwise than wanted, and not on its way there: one that drains is as long as it takes. */
export const isStray = (one: Worker): boolean =>
  isThere(one) && !one.isUnheard && !one.converged && one.status !== "DRAINING";

/** Return the sentence over the list: what is wrong first, then how much is done. */
export function sentenceOfFleet(workers: readonly Worker[], clock: Clock): string {
  if (workers.length === 0) return "No worker has been heard yet.";
  const online = workers.filter(isThere);
  const unheard = online.filter((one) => one.isUnheard);
  if (unheard.length > 0) {
    const all = unheard.length === workers.length;
    const who = all
      ? "No worker was heard"
      : `${plural(unheard.length, "worker was", "workers were")} not heard`;
    return `${who} since ${hour(Math.max(...unheard.map(heardAt)), clock)}: whether they run is not known.`;
  }
  if (online.length === 0) return "No worker is online: nothing that is submitted starts.";
  const active = online.filter((one) => one.status === "ACTIVE").length;
  const rest = others(workers);
  if (active === 0)
    return `${online.length === 1 ? "The only worker that is online takes" : `All ${count(online.length)} workers that are online take`} no tasks: nothing starts. ${rest}`;
  const all = active === workers.length ? (active === 1 ? "The worker" : `All ${count(active)} workers`) : "";
  const some = `${count(active)} of ${plural(workers.length, "worker")}`;
  return `${all || some} ${active === 1 ? "takes" : "take"} new tasks. ${rest}`.trim();
}

function others(workers: readonly Worker[]): string {
  const there = workers.filter(isThere);
  const said = (found: readonly Worker[], one: string, many: string) =>
    found.length > 0 ? plural(found.length, one, many) : "";
  const of = (status: string) => there.filter((one) => one.status === status);
  const parts = [
    said(of("DRAINING"), "drains", "drain"),
    said(of("PAUSED"), "is paused", "are paused"),
    said(workers.filter(isDrained), "is drained", "are drained"),
    said(
      workers.filter((one) => one.status === "OFFLINE" && !isDrained(one)),
      "is offline",
      "are offline",
    ),
    said(
      workers.filter((one) => stateOf(one) === "not heard yet"),
      "was never heard",
      "were never heard",
    ),
    said(
      of("ACTIVE").filter((one) => !one.converged), // one that drains or is paused is said to already
      "is not yet as wanted",
      "are not yet as wanted",
    ),
    said(
      there.filter((one) => one.events === "off"),
      "sends no events",
      "send no events",
    ),
  ].filter(Boolean);
  if (parts.length === 0) return "";
  const last = parts.pop()!;
  const text = parts.length > 0 ? `${parts.join(", ")} and ${last}` : last;
  return `${text[0]!.toUpperCase()}${text.slice(1)}.`;
}

/** Return the queues that it alone takes from: what is submitted to them waits once it stops. */
export function onlyTakerOf(one: Worker, workers: readonly Worker[]): string[] {
  const others = workers.filter(
    (other) => other.worker_id !== one.worker_id && isThere(other) && other.status === "ACTIVE",
  );
  return (one.queues ?? []).filter((queue) => !others.some((other) => other.queues?.includes(queue) ?? true));
}

/** Return how full they are together; null where no capacity is known. */
export function loadOf(workers: readonly Worker[]): { running: number; capacity: number | null } {
  const online = workers.filter(isThere);
  const known = online.filter((one) => one.capacity !== null);
  return {
    running: online.reduce((sum, one) => sum + one.current_load, 0),
    capacity: known.length === 0 ? null : known.reduce((sum, one) => sum + one.capacity!, 0),
  };
}

/** Return them so that what needs a look comes first, else by name. */
export function byNeed(workers: readonly Worker[]): Worker[] {
  const rank = (one: Worker) =>
    !isThere(one) ? 4 : isStray(one) ? 0 : one.status === "DRAINING" ? 1 : one.status === "PAUSED" ? 2 : 3;
  return [...workers].sort(
    (a, b) => rank(a) - rank(b) || a.hostname.localeCompare(b.hostname, "en", { numeric: true }),
  );
}

/** Who let a worker stand still, when, and why: in words. */
export interface Asked {
  who: string;
  at: string;
  reason: string;
}

/** Return who paused a worker or had it drained, of its history; undefined where nobody is known to have. */
export function askedOf(
  worker: Worker,
  history: readonly HistoryEntry[] | undefined,
  clock: Clock,
): Asked | undefined {
  const told = history?.find((one) => STANDS.has(one.event));
  const event = worker.status === "DRAINING" ? "drain_asked" : "pause_asked";
  if (told?.event !== event || told.by === null) return undefined;
  const who = calledBy(told.by, told.by_name);
  return { who, at: hour(Date.parse(told.at), clock), reason: reasonOf(told) };
}

const STANDS = new Set<HistoryEntry["event"]>(["pause_asked", "resume_asked", "drain_asked"]);

/** Return the sentence under the name of a worker. `lost`: how many tasks that it ran ended with it. */
export function sentenceOfWorker(
  worker: WorkerDetail,
  drain: Drain | undefined,
  now: number,
  lost?: number,
  asked?: Asked,
): string {
  const why = asked?.reason ?? "";
  const drained = asked ? `, asked for by ${asked.who} at ${asked.at},` : "";
  const load = worker.current_load;
  const runs = load === 0 ? "runs nothing" : `runs ${plural(load, "task")}`;
  const since = worker.last_heartbeat
    ? about(Math.max(0, (now - Date.parse(worker.last_heartbeat)) / 1000))
    : null;
  if (since === null) return "Registered, and not heard yet: what is wanted of it is applied when it starts.";
  switch (worker.status) {
    case "ACTIVE": {
      const most = worker.concurrency ?? worker.capacity;
      const of =
        most === null ? "" : load === 0 ? `, and could run ${count(most)}` : ` of ${count(most)} at once`;
      const free = most !== null && load >= most ? " It is full." : "";
      return `Takes new tasks and ${runs}${of}.${free}`;
    }
    case "PAUSED":
      return `Paused${asked ? ` by ${asked.who} since ${asked.at}` : ""}: it starts nothing new until it is resumed, and ${runs}.${why}`;
    case "DRAINING":
      return drain?.state === "overdue"
        ? `Its drain${drained} is overdue: it still ${runs}.${why}`
        : `Draining${drained.slice(0, -1)}: it starts nothing new, ${runs}, and exits after that.${why}`;
    default:
      if (worker.isUnheard)
        return `Not heard for ${since}, as no worker can be now: whether it runs is not known.`;
      if (drain?.state === "drained")
        return `Drained: it finished what it ran and exited. ${worker.desired.paused ? "Once it is back, it is paused until it is resumed" : "Its next start is an ordinary one"}.`;
      if (load > 0)
        return `Offline, not heard for ${since}. ${plural(load, "task")} it ran ${load === 1 ? "is" : "are"} looked after: put back, or told as lost.`;
      return `Offline, not heard for ${since}.${lost ? ` ${plural(lost, "task")} that it ran ${lost === 1 ? "was" : "were"} lost with it.` : ""}`;
  }
}

/** Return what became of a wish, for whoever asked: a worker that is not there is told of it when it comes back. */
export function keptOrTold(done: string, worker: Worker, isSo: boolean): string {
  if (!isThere(worker)) return `Kept: ${done} once it is back.`;
  return isSo ? `${done}.` : `${done}, and repeated until it holds.`;
}

export interface Wish {
  what: string;
  wanted: string;
  seen: string;
  /** null: nothing is wanted, or nothing was seen. */
  holds: boolean | null;
  why?: string;
}

/** Return what operators want of it beside what it said when it was last asked. */
export function wishesOf(worker: WorkerDetail): Wish[] {
  const { desired, observed } = worker;
  const seen = observed.described_at !== null && isThere(worker);
  const standsStill = desired.paused === true || desired.draining;
  const wantsFetch = desired.paused === null && !desired.draining ? null : !standsStill;
  const fetches = !seen || observed.paused === null ? null : !observed.paused;
  const size = observed.concurrency;
  return [
    {
      what: "fetches tasks",
      wanted:
        wantsFetch === null
          ? "left alone"
          : wantsFetch
            ? "yes"
            : desired.draining
              ? "no, it drains"
              : "no, it is paused",
      seen: fetches === null ? NONE : fetches ? "yes" : "no",
      holds: wantsFetch === null || fetches === null ? null : wantsFetch === fetches,
    },
    {
      what: "at once",
      wanted: desired.capacity === null ? "left alone" : plural(desired.capacity, "task"),
      seen: size === null || !seen ? NONE : plural(size, "task"),
      holds: desired.capacity === null || size === null || !seen ? null : desired.capacity === size,
      why:
        desired.capacity !== null && size !== null && size > desired.capacity
          ? "busy processes are not ended"
          : undefined,
    },
    {
      what: "queues",
      wanted: worker.queues === null ? NONE : worker.queues.join(", ") || "none",
      seen: !seen || observed.queues === null ? NONE : observed.queues.join(", ") || "none, held back",
      holds:
        !seen || observed.queues === null || worker.queues === null
          ? null
          : standsStill
            ? observed.queues.length === 0 || observed.paused
            : worker.queues.every((name) => observed.queues!.includes(name)),
    },
  ];
}

export interface Step {
  title: string;
  state: "ok" | "open" | "failed" | "later";
  at?: string | null;
}

/** Return what of a drain is proven. `reserved`: how many tasks it has fetched and not started; null is not known. */
export function stepsOfDrain(worker: WorkerDetail, drain: Drain, reserved: number | null): Step[] {
  const left = drain.finished_at !== null;
  const asked: Step = { title: "Asked for", state: "ok", at: drain.started_at };
  const isAsked = (worker.observed.described_at ?? "") >= drain.started_at;
  const stands = left || (worker.observed.paused === true && isAsked);
  const running = drain.remaining_task_ids.length;
  const steps: Step[] = [asked, { title: "It fetches nothing", state: stands ? "ok" : "open" }];
  if (!left && reserved !== null)
    steps.push(
      reserved === 0
        ? { title: "Nothing that it fetched waits in it", state: stands ? "ok" : "later" }
        : { title: `${plural(reserved, "fetched task")} not given back yet`, state: "open" },
    );
  steps.push(
    running === 0 || left
      ? { title: "Nothing runs in it", state: stands ? "ok" : "later" }
      : { title: `${plural(running, "task")} still ${running === 1 ? "runs" : "run"}`, state: "open" },
  );
  steps.push(
    left
      ? { title: "Proven: it has exited", state: "ok", at: drain.finished_at }
      : { title: "It says goodbye and exits", state: running === 0 && stands ? "open" : "later" },
  );
  return steps;
}

/** Return how long a drain has until it counts as overdue, in words; null without a deadline. */
export function deadlineOf(drain: Drain, now: number): string | null {
  if (drain.deadline_at === null || drain.finished_at !== null) return null;
  const left = (Date.parse(drain.deadline_at) - now) / 1000;
  return left > 0
    ? `It counts as overdue in ${about(left)}.`
    : `It is overdue by ${about(-left)}: the drain goes on, for nothing that runs is ended by a deadline.`;
}

const EVENTS: Record<HistoryEntry["event"], string> = {
  registered: "Registered",
  pause_asked: "Pause asked for",
  resume_asked: "Resume asked for",
  drain_asked: "Drain asked for",
  resize_asked: "Another capacity asked for",
  forgotten: "Forgotten",
  online: "Came online",
  offline: "Went offline",
  vanished: "The process before had ended without a goodbye",
  drained: "Drained: it exited",
  queue_taken_on: "Told to consume a queue that nobody consumed",
};

/** Return what an entry of a worker's history says. */
export function sentenceOfEntry(entry: HistoryEntry): string {
  const said = EVENTS[entry.event] ?? entry.event;
  if (entry.queue_name !== null) return `${said}: ${entry.queue_name}`;
  return entry.capacity === null ? said : `${said}: ${plural(entry.capacity, "task")} at once`;
}

/** `up 3 h 12 m`; `–` where its start was not heard. */
export const uptime = (seconds: number | null | undefined): string =>
  seconds === null || seconds === undefined ? NONE : duration(seconds);
