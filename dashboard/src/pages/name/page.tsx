// One name of a task: who knows it, how its tasks fare, how they fail, where they wait.
import { segment } from "../../api/client.ts";
import { useData } from "../../api/query.ts";
import { may, maySee } from "../../api/session.ts";
import type { Mark, Resilience, Trends } from "../../api/types.ts";
import { count, duration, percent, perMinute } from "../../logic/format.ts";
import { reasonOf, signatureOf } from "../../logic/holds.ts";
import { failingOf, sentenceOfName } from "../../logic/names.ts";
import { effectOf } from "../../logic/system.ts";
import { CopyAs } from "../../parts/copy.tsx";
import { EndedBars } from "../../parts/ended.tsx";
import { Figure } from "../../parts/figure.tsx";
import { HeldNote, useHeld } from "../../parts/held.tsx";
import { HoldBack, LetGo } from "../../parts/hold.tsx";
import { Icon } from "../../parts/icons.tsx";
import { PageHead, type PageProps, Section } from "../../parts/page.tsx";
import { Empty, none, Shown } from "../../parts/states.tsx";
import { Ago, clock } from "../../parts/time.tsx";
import { href } from "../../router.ts";
import type { NameDetail } from "../names/types.ts";
import { HowLong } from "./how-long.tsx";
import { Failures, KnownTo, Queues } from "./parts.tsx";
import { WORDS } from "./words.ts";
import "./page.css";

const HOUR = 3_600_000;
const TOPICS = ["tasks", "workers"];

export default function Page({ params }: PageProps) {
  const name = params.name ?? "";
  const found = useData<NameDetail>(`/task-names/${segment(name)}`, { topics: TOPICS, every: 10_000 });
  if (found.error?.status === 404 && !found.value)
    return (
      <>
        <PageHead title={<span class="name-title">{name}</span>} name={name} />
        <Empty title={none(WORDS.missing)} icon="search">
          <a class="button" href={href("/names")}>
            All names
          </a>
        </Empty>
      </>
    );
  return (
    <Shown data={found} lines={6}>
      {(it) => <Whole it={it} name={name} />}
    </Shown>
  );
}

function Whole({ it, name }: { it: NameDetail; name: string }) {
  const system = useData<Resilience>(maySee("/system") ? "/resilience/summary" : null, { every: 10_000 });
  const mark = system.value?.degradation.marks.find((one) => one.service_name === `task:${name}`);
  const held = useHeld();
  const hold = held.value?.marks.find((one) => one.service_name === `task:${name}`);
  const trends = useData<Trends>("/analytics/trends", {
    query: { hours: 24, interval: "hourly", task_name: name },
    topics: ["tasks"],
    every: 30_000,
  });
  return (
    <>
      <PageHead
        name={name}
        title={<span class="name-title">{name}</span>}
        state={mark || hold ? "‖" : ""}
        lead={sentenceOfName(it)}
      >
        {may("submit") && (
          <a class="button" href={href("/submit", { task_name: name })}>
            <Icon name="send" /> {WORDS.submit}
          </a>
        )}
        {mark === undefined && hold === undefined && <HoldBack service={`task:${name}`} name={name} />}
        <a class="button" href={href("/tasks", { task_name: name })}>
          {WORDS.show}
        </a>
        <CopyAs command={{ path: `/task-names/${segment(name)}` }} />
      </PageHead>
      {hold ? (
        <HeldNote hold={hold} isExact={held.value?.is_exact ?? true} />
      ) : (
        mark && <Held mark={mark} name={name} />
      )}
      <Vitals it={it} name={name} />
      <HowLong it={it} name={name} />
      <Section title={WORDS.over} note={WORDS.overNote}>
        <Shown data={trends} lines={4}>
          {(shown) => <EndedBars trends={shown} of={{ task_name: name }} hours={24} step={HOUR} />}
        </Shown>
      </Section>
      <div class="columns">
        <Section title={WORDS.knownTo} flush>
          <KnownTo it={it} />
        </Section>
        <Section title={WORDS.failures} note={it.failed > 0 ? "in 24 hours" : undefined} flush>
          <Failures name={name} failed={it.failed} />
          {it.latest_failure && <Latest of={it.latest_failure} />}
        </Section>
        <Section title={WORDS.queues} flush>
          <Shown data={trends}>{(shown) => <Queues trends={shown} />}</Shown>
        </Section>
      </div>
    </>
  );
}

function Held({ mark, name }: { mark: Mark; name: string }) {
  return (
    <div class="note held-note" data-tone="waiting">
      <Icon name="pause" />
      <span>
        {mark.strategy === "queue_only" ? "They are held back" : "They are treated as down"}
        {signatureOf(mark, clock.value)}: {effectOf(mark)}
        {mark.degraded_until && (
          <>
            ; ends <Ago at={mark.degraded_until} />
          </>
        )}
        .{reasonOf(mark)}
      </span>
      {!mark.automatic && <LetGo service={`task:${name}`} name={name} />}
    </div>
  );
}

function Vitals({ it, name }: { it: NameDetail; name: string }) {
  const day = { task_name: name, completed_after: "-24h" };
  return (
    <div class="figures">
      <Figure
        label="now"
        value={perMinute(it.ended_per_minute / 60)}
        note="ended, in this minute and the one before"
      />
      <Figure
        label="ended"
        value={count(it.completed + it.failed + it.cancelled)}
        note="in 24 hours"
        to={href("/tasks", day)}
      />
      <Figure
        label="failing"
        value={percent(failingOf(it))}
        note={`${count(it.failed)} in 24 hours`}
        tone={it.failed > 0 ? "failed" : undefined}
        to={href("/tasks", { ...day, status: "FAILED" })}
      />
      <Figure label="half take" value={duration(it.p50_duration_seconds)} note="or less, in 24 hours" />
      <Figure label="95 % take" value={duration(it.p95_duration_seconds)} note="or less, in 24 hours" />
      <Figure label="wait" value={duration(it.average_wait_seconds)} note="on average in 24 hours" />
    </div>
  );
}

function Latest({ of }: { of: NonNullable<NameDetail["latest_failure"]> }) {
  return (
    <p class="name-latest">
      <span class="muted">
        {WORDS.latest}, <Ago at={of.failed_at} />:
      </span>{" "}
      <a class="mono" href={href(`/tasks/${encodeURIComponent(of.task_id)}`)}>
        {(of.error ?? "without a word").split("\n", 1)[0]?.slice(0, 300)}
      </a>
    </p>
  );
}
