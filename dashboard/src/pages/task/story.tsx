// The story of a task as bars on one axis of time, with words that stand beside it: no bar is ever under them. What was
// not heard is hatched; long pauses are cut out.
import { segment } from "../../api/client.ts";
import { useData } from "../../api/query.ts";
import { may } from "../../api/session.ts";
import type { Gap, Page as Rows } from "../../api/types.ts";
import { axisOf, placedOn, type Seen } from "../../logic/idle.ts";
import { storyOf, type Story as Told, workOf } from "../../logic/story.ts";
import { Cuts, Labels } from "../../parts/axis.tsx";
import { clock, zoneWord } from "../../parts/time.tsx";
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
  const axis = axisOf(told.from, told.to, workOf(told));
  const seen: Seen = { axis, part: { from: 0, to: axis.length }, whole: told };
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
            <span class="story-said num">{wordsOf(lane)}</span>
            <span class="story-track">
              {axis.cuts.map((cut) => (
                <i key={cut.from} data-kind="cut" style={placedOn(seen, cut)} />
              ))}
              {bands.map(([from, to]) => (
                <i
                  key={from}
                  class="story-blind"
                  style={placedOn(seen, { from: Math.max(from, told.from), to: Math.min(to, told.to) })}
                />
              ))}
              {lane.stretches.map((stretch) => (
                <i
                  key={stretch.from}
                  data-tone={stretch.tone}
                  data-kind={stretch.kind}
                  data-open={stretch.isOpen ? "" : undefined}
                  style={placedOn(seen, stretch)}
                />
              ))}
            </span>
          </li>
        ))}
      </ol>
      {!small && (
        <>
          <div class="story-axis num" aria-hidden="true">
            <span>{zoneWord.value}</span>
            <Labels seen={seen} most={5} />
          </div>
          <Cuts seen={seen} />
        </>
      )}
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

const wordsOf = (lane: Lane): string =>
  lane.stretches
    .map((stretch) => stretch.text)
    .filter(Boolean)
    .join(", ");
