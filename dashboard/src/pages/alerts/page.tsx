// What is wrong, what to do about it, and by which rules it is said.
import { useRef } from "preact/hooks";
import { segment } from "../../api/client.ts";
import { useData } from "../../api/query.ts";
import { may } from "../../api/session.ts";
import type { Alert, Page as Rows } from "../../api/types.ts";
import { useKeys } from "../../keys.ts";
import { adviceFor } from "../../logic/advice.ts";
import { count, plural } from "../../logic/format.ts";
import { linksOf } from "../../logic/verdict.ts";
import { ActionButton, act } from "../../parts/actions.tsx";
import { CopyAs } from "../../parts/copy.tsx";
import { Icon } from "../../parts/icons.tsx";
import { PageHead, type PageProps } from "../../parts/page.tsx";
import { Empty, Shown } from "../../parts/states.tsx";
import { Status } from "../../parts/status.tsx";
import { chosenTab, Tabs } from "../../parts/tabs.tsx";
import { Ago, Lasting, Time } from "../../parts/time.tsx";
import { Told } from "../../parts/told.tsx";
import { href } from "../../router.ts";
import { measured, type Rule } from "./rule-words.ts";
import { RuleList } from "./rules.tsx";
import { WORDS } from "./words.ts";
import "./page.css";

const MOST = 200;

export default function Page(_props: PageProps) {
  const open = useData<Rows<Alert>>("/alerts", { query: { limit: MOST, rows: "data" }, topics: ["alerts"] });
  const past = useData<Rows<Alert>>("/alerts", {
    query: { include_resolved: true, limit: MOST, rows: "data" },
    topics: ["alerts"],
  });
  const rules = useData<Rows<Rule>>("/alerts/rules", { query: { limit: 100, rows: "data" }, every: 60_000 });
  const tab = chosenTab("open");
  const ended = past.value?.data.filter((alert) => alert.resolved_at !== null);
  const unseen = open.value?.data.filter((alert) => !alert.acknowledged) ?? [];
  return (
    <>
      <PageHead
        title={WORDS.title}
        state={unseen.length > 0 ? `${worst(unseen)} ${unseen.length}` : undefined}
        lead={open.value && verdict(open.value.data)}
      >
        <a class="button" href={href("/notifications")}>
          <Icon name="send" /> {WORDS.notify}
        </a>
        <CopyAs command={{ path: "/alerts" }} />
      </PageHead>
      <Tabs
        label={WORDS.title}
        tabs={[
          { id: "open", title: WORDS.open, note: open.value ? count(open.value.data.length) : undefined },
          { id: "past", title: WORDS.past },
          { id: "rules", title: WORDS.rules },
        ]}
      />
      {tab === "rules" ? (
        <Shown data={rules} lines={8}>
          {(shown) => (
            <RuleList rules={shown.data} raised={past.value?.data ?? []} onChanged={rules.refresh} />
          )}
        </Shown>
      ) : tab === "past" ? (
        <Shown data={past}>{() => <Past alerts={ended ?? []} rules={rules.value?.data ?? []} />}</Shown>
      ) : (
        <Shown data={open}>{(shown) => <Open alerts={shown.data} rules={rules.value?.data ?? []} />}</Shown>
      )}
    </>
  );
}

const worst = (alerts: readonly Alert[]): string =>
  alerts.some((alert) => alert.severity === "CRITICAL") ? "✕" : "▲";

/** Return the sentence that says how it is. */
function verdict(alerts: readonly Alert[]): string {
  if (alerts.length === 0) return WORDS.none;
  const critical = alerts.filter((alert) => alert.severity === "CRITICAL").length;
  const unseen = alerts.filter((alert) => !alert.acknowledged).length;
  const gravity =
    critical === 0 ? "" : critical === alerts.length ? ", critical" : `, ${count(critical)} critical`;
  const seen =
    unseen === 0
      ? "Somebody has seen them all."
      : `Nobody has seen ${unseen === alerts.length ? (unseen === 1 ? "it" : "them") : count(unseen)} yet.`;
  return `${plural(alerts.length, "alert")} open${gravity}. ${seen}`;
}

const GRAVITY = { CRITICAL: 0, WARNING: 1, INFO: 2 } as const;

function Open({ alerts, rules }: { alerts: readonly Alert[]; rules: readonly Rule[] }) {
  const list = useRef<HTMLOListElement>(null);
  // The first that nobody has seen comes first; among those, the gravest.
  const sorted = [...alerts].sort(
    (a, b) =>
      Number(a.acknowledged) - Number(b.acknowledged) ||
      GRAVITY[a.severity] - GRAVITY[b.severity] ||
      b.created_at.localeCompare(a.created_at),
  );
  const unseen = sorted.filter((alert) => !alert.acknowledged);
  useKeys({
    a: {
      does: "alert: seen",
      run: () => {
        const focused = document.activeElement?.closest<HTMLElement>("[data-alert]")?.dataset.alert;
        const alert = unseen.find((one) => one.alert_id === focused) ?? unseen[0];
        if (alert && may("operate")) acknowledge(alert);
      },
    },
  });
  if (sorted.length === 0)
    return (
      <Empty icon="check">
        <p>{WORDS.noneText}</p>
      </Empty>
    );
  return (
    <ol class="alerts" ref={list}>
      {sorted.map((alert, index) => (
        <AlertCard
          key={alert.alert_id}
          alert={alert}
          unit={rules.find((rule) => rule.type === alert.type)?.unit}
          isFirst={index === 0}
        />
      ))}
    </ol>
  );
}

const acknowledge = (alert: Alert) =>
  act("POST", `/alerts/${segment(alert.alert_id)}/acknowledge`, {
    done: WORDS.seenDone,
    topics: ["alerts"],
  });

function AlertCard({ alert, unit, isFirst }: { alert: Alert; unit?: string; isFirst: boolean }) {
  const advice = adviceFor(alert);
  const evidence = linksOf(alert)[0]!;
  const command = { method: "POST", path: `/alerts/${segment(alert.alert_id)}/acknowledge` };
  return (
    <li class="alert" data-alert={alert.alert_id} data-tone={alert.acknowledged ? "quiet" : toneOf(alert)}>
      <div class="alert-head">
        <Status of={alert.severity} />
        <h2>{advice.name}</h2>
        <span class="muted alert-since">
          since <Time at={alert.began_at} /> · <Lasting from={alert.began_at} />
        </span>
      </div>
      <p class="alert-said">{alert.description}</p>
      <dl class="alert-facts">
        {alert.subject && (
          <div>
            <dt>subject</dt>
            <dd>
              <a class="mono" href={href(evidence.to)}>
                {alert.subject}
              </a>
            </dd>
          </div>
        )}
        {unit && (
          <div>
            <dt>measured</dt>
            <dd class="num">
              <b>{measured(alert.value, unit)}</b>{" "}
              <span class="muted">· limit {measured(alert.threshold, unit)}</span>
            </dd>
          </div>
        )}
        <div>
          <dt>rule</dt>
          <dd>
            <a class="mono" href={href("/alerts", { tab: "rules", rule: alert.type })}>
              {alert.type}
            </a>
          </dd>
        </div>
        {alert.acknowledged && (
          <div>
            <dt>seen</dt>
            <dd>
              <Ago at={alert.acknowledged_at} />
            </dd>
          </div>
        )}
      </dl>
      {advice.steps.length > 0 && (
        <details open={isFirst && !alert.acknowledged}>
          <summary>{WORDS.whatToDo}</summary>
          <ol class="alert-steps">
            {advice.steps.map((step) => (
              <li key={step.text}>
                <Told text={step.text} /> {step.to && <a href={href(step.to)}>{step.label}</a>}
              </li>
            ))}
          </ol>
        </details>
      )}
      <div class="actions">
        <a class="button" href={href(evidence.to)}>
          {WORDS.evidence}: {evidence.label}
        </a>
        {!alert.acknowledged && (
          <ActionButton
            needs="operate"
            command={command}
            keyName={isFirst ? "a" : undefined}
            onClick={() => acknowledge(alert)}
          >
            <Icon name="check" /> {WORDS.seen}
          </ActionButton>
        )}
      </div>
    </li>
  );
}

const toneOf = (alert: Alert) =>
  alert.severity === "CRITICAL" ? "failed" : alert.severity === "WARNING" ? "waiting" : "quiet";

function Past({ alerts, rules }: { alerts: readonly Alert[]; rules: readonly Rule[] }) {
  if (alerts.length === 0) return <Empty title={WORDS.noPast} icon="check" />;
  return (
    <ul class="list">
      {alerts.map((alert) => {
        const unit = rules.find((rule) => rule.type === alert.type)?.unit;
        return (
          <li key={alert.alert_id} class="alerts-past">
            <Status of={alert.severity} plain />
            <span class="alerts-past-said">
              <b>{adviceFor(alert).name}</b> <span class="muted">{alert.description}</span>
            </span>
            <span class="end muted">
              {unit && <span class="num">{measured(alert.value, unit)} at its end · </span>}
              <Time at={alert.began_at} /> · lasted <Lasting from={alert.began_at} to={alert.ended_at} />
            </span>
          </li>
        );
      })}
    </ul>
  );
}
