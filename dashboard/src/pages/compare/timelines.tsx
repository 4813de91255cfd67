// Both stories on one scale, and event by event until they part.
import { divergence, type Moment, moments } from "../../logic/comparison.ts";
import { duration } from "../../logic/format.ts";
import { lookOfTask } from "../../logic/status.ts";
import { Section } from "../../parts/page.tsx";
import { params, setParams } from "../../router.ts";
import type { Task } from "../task/types.ts";
import type { Comparison } from "./types.ts";
import { WORDS } from "./words.ts";

const MOST = 60;

export function Timelines({ it, one, other }: { it: Comparison; one: Task; other: Task }) {
  const from = params.value.get("align") === "start" ? "start" : "submit";
  const a = moments(it.events.task1, from);
  const b = moments(it.events.task2, from);
  const all = [...a, ...b].map((moment) => moment.at);
  const [first, last] = [Math.min(0, ...all), Math.max(0.001, ...all)];
  const parted = divergence(a, b);
  const rows = Math.min(MOST, Math.max(a.length, b.length));
  return (
    <Section
      title={WORDS.timelines}
      actions={
        <fieldset class="compare-align">
          <legend class="sr">Aligned at</legend>
          {(["submit", "start"] as const).map((each) => (
            <button
              key={each}
              type="button"
              class="chip"
              aria-pressed={from === each}
              onClick={() => setParams({ align: each === "submit" ? null : each }, { replace: true })}
            >
              from {each}
            </button>
          ))}
        </fieldset>
      }
      flush
    >
      <Bar name={WORDS.one} task={one} moments={a} first={first} last={last} />
      <Bar name={WORDS.other} task={other} moments={b} first={first} last={last} />
      <table class="compare-events">
        <thead>
          <tr>
            <th scope="col">{WORDS.one}</th>
            <th scope="col">after</th>
            <th scope="col">{WORDS.other}</th>
            <th scope="col">after</th>
          </tr>
        </thead>
        <tbody>
          {Array.from({ length: rows }, (_, index) => (
            <tr key={index} data-parted={index === parted ? "" : undefined}>
              <Event moment={a[index]} />
              <Event moment={b[index]} />
            </tr>
          ))}
        </tbody>
      </table>
      {parted >= 0 && parted < rows && (
        <p class="muted">From the marked line on they tell different things.</p>
      )}
    </Section>
  );
}

function Event({ moment }: { moment: Moment | undefined }) {
  return (
    <>
      <td>{moment ? moment.event.replaceAll("_", " ") : <span class="muted">–</span>}</td>
      <td class="num muted">{moment ? duration(Math.round(moment.at * 1000) / 1000) : ""}</td>
    </>
  );
}

/** From the first to the last that was told; solid from its start. */
function Bar({
  name,
  task,
  moments: those,
  first,
  last,
}: {
  name: string;
  task: Task;
  moments: readonly Moment[];
  first: number;
  last: number;
}) {
  const share = (at: number) => ((at - first) / (last - first)) * 100;
  const begin = those[0]?.at ?? 0;
  const end = those.at(-1)?.at ?? 0;
  const started = those.find((moment) => moment.event === "started")?.at;
  const waited = started ?? end;
  const place = (from: number, to: number) => ({
    left: `min(${share(from)}%, 100% - 3px)`,
    width: `max(3px, ${share(to) - share(from)}%)`,
  });
  const said = `${name}: waited ${duration(waited - begin)}${started === undefined ? ", has not started" : `, then ${duration(end - started)}`}`;
  return (
    <div class="compare-bar" role="img" aria-label={said} title={said}>
      <b aria-hidden="true">{name}</b>
      <span class="story-track">
        <i data-tone="waiting" data-kind="wait" style={place(begin, waited)} />
        {started !== undefined && (
          <i data-tone={lookOfTask(task).tone} data-kind="run" style={place(started, end)} />
        )}
      </span>
    </div>
  );
}
