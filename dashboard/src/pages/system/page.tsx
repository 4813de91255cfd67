// How the parts of the system are, what is marked and what that holds back, and when nothing was heard.
import { useSignal } from "@preact/signals";
import { pulse } from "../../api/live.ts";
import { useData } from "../../api/query.ts";
import { may } from "../../api/session.ts";
import type { Component, Health, Resilience, Stats } from "../../api/types.ts";
import { about, count, duration, percent } from "../../logic/format.ts";
import { detailOf, meaningOf, nameOfPart, sentenceOfSystem } from "../../logic/system.ts";
import { ActionButton } from "../../parts/actions.tsx";
import { CopyAs } from "../../parts/copy.tsx";
import { Figure } from "../../parts/figure.tsx";
import { Facts, PageHead, type PageProps, Section } from "../../parts/page.tsx";
import { Shown } from "../../parts/states.tsx";
import { Status } from "../../parts/status.tsx";
import { clock } from "../../parts/time.tsx";
import { href } from "../../router.ts";
import { Gaps } from "./gaps.tsx";
import { AskMark, Held, Marks } from "./marks.tsx";
import { WORDS } from "./words.ts";
import "./page.css";

export default function Page(_props: PageProps) {
  const system = useData<Resilience>("/resilience/summary", { every: 3_000 });
  const health = useData<Health>("/health", { every: 5_000 });
  const stats = useData<Stats>("/dashboard/stats", { topics: ["tasks"], every: 10_000 });
  const isAsking = useSignal(false);
  const it = system.value;
  const down = it ? it.system_health.unhealthy : 0;
  return (
    <>
      <PageHead
        title={WORDS.title}
        state={down > 0 ? `✕ ${down}` : it && it.degradation.marks.length > 0 ? "▲" : ""}
        lead={it && sentenceOfSystem(it, health.value, clock.value.now)}
      >
        <ActionButton needs="operate" onClick={() => (isAsking.value = true)}>
          {WORDS.mark}
        </ActionButton>
        <CopyAs command={{ path: "/resilience/summary", cli: ["doctor"] }} />
      </PageHead>
      <Shown data={system} lines={6}>
        {(shown) => <Whole system={shown} stats={stats.value} />}
      </Shown>
      <Section title={WORDS.gaps} note={WORDS.gapsNote}>
        <Gaps />
      </Section>
      <div class="columns">
        <Section title={WORDS.about} flush>
          <About health={health.value} version={stats.value?.version} />
        </Section>
        <Section title={WORDS.more} flush>
          <More />
        </Section>
      </div>
      {isAsking.value && <AskMark onClose={() => (isAsking.value = false)} />}
    </>
  );
}

function Whole({ system, stats }: { system: Resilience; stats: Stats | undefined }) {
  const { mirror } = system;
  const parts = [...system.components, ...system.other_parts];
  const down = parts.filter((part) => part.status === "unhealthy").map((part) => part.name);
  return (
    <div class="system-whole">
      <div class="figures">
        <Figure
          label="parts well"
          value={count(parts.filter((part) => part.status === "healthy").length)}
          unit={`of ${count(parts.length)}`}
          note={`score ${percent(system.resilience_score).replace(" %", "")} of 100`}
        />
        <Figure
          label="mirror heard"
          value={mirror.lag_seconds === null ? "–" : duration(Math.max(0.001, mirror.lag_seconds))}
          unit={mirror.lag_seconds === null ? undefined : "ago"}
          note={mirror.lag_seconds === null ? "no worker is heard" : "each worker speaks every 2 s"}
        />
        <Figure label="due" value={count(stats?.undispatched)} note="not yet handed to the broker" />
        <Figure
          label="refused"
          value={count(stats?.parked)}
          note="by the broker, again and again"
          tone={(stats?.parked ?? 0) > 0 ? "failed" : undefined}
        />
        <Figure
          label="this host"
          value={percent(stats?.cpu_usage_percent)}
          unit="processor"
          note={`${percent(stats?.memory_usage_percent)} of its memory`}
        />
      </div>
      <Section title={WORDS.parts} flush>
        <ul class="list">
          {parts.map((part) => (
            <Part key={part.name} part={part} down={down} />
          ))}
        </ul>
      </Section>
      <Section title={WORDS.marks} note={WORDS.marksNote} flush>
        <Marks marks={system.degradation.marks} />
      </Section>
      <Held />
    </div>
  );
}

function Part({ part, down }: { part: Component; down: readonly string[] }) {
  const meaning = meaningOf(part.name, part.status, down);
  const name = nameOfPart(part.name);
  return (
    <li class="system-part">
      <span class="system-state">
        <Status of={part.status} plain />
      </span>
      {part.name === "workers" ? (
        <a class="quiet" href={href("/workers")}>
          <b>{name}</b>
        </a>
      ) : (
        <b>{name}</b>
      )}
      <span class="muted">
        {meaning}{" "}
        {part.status !== "healthy" && part.detail && (
          <span class="system-detail">{detailOf(part.detail)}</span>
        )}
      </span>
      <span class="end muted">for {about((clock.value.now - Date.parse(part.since)) / 1000)}</span>
    </li>
  );
}

function About({ health, version }: { health: Health | undefined; version: string | undefined }) {
  return (
    <Facts
      of={[
        ["Celeriac", <span class="num">{version ?? "–"}</span>],
        ["REST API", <span class="num">{health?.version ?? "–"}</span>],
        ["build", pulse.value?.build ? <code class="id">{pulse.value.build}</code> : "–"],
        ["health", health ? <Status of={health.status} plain /> : "–"],
        [
          "parts looked at",
          health
            ? Object.entries(health.checks)
                .map(([name, said]) =>
                  said === "healthy" ? nameOfPart(name) : `${nameOfPart(name)} (${said})`,
                )
                .join(", ")
            : "–",
        ],
      ]}
    />
  );
}

/** Pages of the system that have no place in the rail. */
function More() {
  return (
    <ul class="list">
      <li>
        <a href={href("/webhooks")}>Webhooks</a> <span class="muted">who is told of what happens</span>
      </li>
      <li>
        <a href={href("/notifications")}>Notifications</a> <span class="muted">where alerts are sent</span>
      </li>
      {may("admin") && (
        <>
          <li>
            <a href={href("/keys")}>API keys</a> <span class="muted">who may do what</span>
          </li>
          <li>
            <a href={href("/audit")}>Audit</a> <span class="muted">who did what</span>
          </li>
        </>
      )}
    </ul>
  );
}
