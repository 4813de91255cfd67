// The story of a task as bars on one axis of time. What was not heard is hatched.
import { segment } from "../../api/client.ts";
import { useData } from "../../api/query.ts";
import { may } from "../../api/session.ts";
import type { Gap, Page as Rows } from "../../api/types.ts";
import { period, time } from "../../logic/format.ts";
import { storyOf, type Story as Told, ticks } from "../../logic/story.ts";
import { clock, stillClock, zoneWord } from "../../parts/time.tsx";
import type { Task, Timeline } from "./types.ts";
import { WORDS } from "./words.ts";
import "./story.css";

/** `small` is for the look beside a list: no axis, fewer words. */
export function Story({ task, small }: { task: Task; small?: boolean }) {
  const timeline = useData<Timeline>(`/tasks/${segment(task.task_id)}/timeline`, {
    topics: [`task:${task.task_id}`],
  });
  const isOpen = task.status === "PENDING" || task.status === "RUNNING";
  const now = isOpen ? clock.value.now : Date.now();
  const told = storyOf(task, timeline.value?.events ?? [], now);
  const isBlind = timeline.value?.complete === false;
  const gaps = useData<Rows<Gap>>(isBlind && may("read") ? "/mirror/gaps" : null, {
    query: { after: new Date(told.from).toISOString(), before: new Date(told.to).toISOString() },
  });
  const bands = (gaps.value?.data ?? []).map(
    (gap) => [Date.parse(gap.started_at), Date.parse(gap.ended_at)] as const,
  );
  return (
    <div class={small ? "story small" : "story"} data-blind={isBlind ? "" : undefined}>
      <ol class="story-lanes" aria-label="Story">
        {lanes(told).map((lane, index) => (
          <li key={`${lane.name}${index}`}>
            <span class="story-lane clip" title={WORDS.lanes[lane.name] ?? lane.name}>
              {lane.name}
            </span>
            <span class="story-track">
              {bands.map(([from, to]) => (
                <i
                  key={from}
                  class="story-blind"
                  style={place(told, Math.max(from, told.from), Math.min(to, told.to))}
                />
              ))}
              {lane.stretches.map((stretch) => (
                <i
                  key={stretch.from}
                  data-tone={stretch.tone}
                  data-kind={stretch.kind}
                  data-open={stretch.isOpen ? "" : undefined}
                  style={place(told, stretch.from, stretch.to)}
                />
              ))}
              <Beside told={told} lane={lane} />
            </span>
          </li>
        ))}
      </ol>
      {!small && <Axis told={told} />}
      {isBlind && !small && (
        <p class="muted">Some of this was not heard: what is hatched, or what is missing, is not known.</p>
      )}
    </div>
  );
}

type Lane = { name: string; stretches: Told["stretches"] };

/** Stretches of the same lane that follow each other share a line. */
function lanes(told: Told): Lane[] {
  const found: Lane[] = [];
  for (const stretch of told.stretches) {
    const last = found.at(-1);
    if (last && last.name === stretch.lane) last.stretches.push(stretch);
    else found.push({ name: stretch.lane, stretches: [stretch] });
  }
  return found;
}

function place(told: Told, from: number, to: number) {
  const whole = told.to - told.from;
  return {
    // What is shorter than can be seen stays seen at the very end too.
    left: `min(${((from - told.from) / whole) * 100}%, 100% - 3px)`,
    width: `max(3px, ${((to - from) / whole) * 100}%)`,
  };
}

/** The words stand where there is room: behind the bars, else before them, else on them. */
function Beside({ told, lane }: { told: Told; lane: Lane }) {
  const text = lane.stretches
    .map((stretch) => stretch.text)
    .filter(Boolean)
    .join(", ");
  const whole = told.to - told.from;
  const first = ((lane.stretches[0]!.from - told.from) / whole) * 100;
  const last = ((lane.stretches.at(-1)!.to - told.from) / whole) * 100;
  if (last <= 60)
    return (
      <span class="story-said num" style={{ left: `${last}%`, maxWidth: `${100 - last}%` }}>
        {text}
      </span>
    );
  if (first >= 40)
    return (
      <span class="story-said before num" style={{ right: `${100 - first}%`, maxWidth: `${first}%` }}>
        {text}
      </span>
    );
  const widest = lane.stretches.reduce((a, b) => (b.to - b.from > a.to - a.from ? b : a));
  return (
    <span
      class="story-said on num"
      data-kind={widest.kind}
      data-tone={widest.tone}
      style={{ left: `calc(${first}% + 5px)` }}
    >
      {text}
    </span>
  );
}

function Axis({ told }: { told: Told }) {
  const still = stillClock();
  const whole = told.to - told.from;
  return (
    <div class="story-axis num" aria-hidden="true">
      <span>{time(new Date(told.from).toISOString(), still)}</span>
      {ticks(told.from, told.to)
        .filter((at) => (at - told.from) / whole > 0.2)
        .map((at) => (
          <i
            key={at}
            data-near={(at - told.from) / whole < 0.5 ? "" : undefined}
            style={{
              left: `calc(var(--story-lane) + (100% - var(--story-lane)) * ${(at - told.from) / whole})`,
            }}
          >
            +{period((at - told.from) / 1000)}
          </i>
        ))}
      <span class="story-zone">{zoneWord.value}</span>
    </div>
  );
}
