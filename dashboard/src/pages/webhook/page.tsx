// One webhook: whether it is taken, what was sent, and what was answered.
import { useState } from "preact/hooks";
import { call, segment } from "../../api/client.ts";
import { useData } from "../../api/query.ts";
import { may } from "../../api/session.ts";
import { about, plural } from "../../logic/format.ts";
import { ActionButton, act, Confirm } from "../../parts/actions.tsx";
import { By } from "../../parts/by.tsx";
import { CopyAs, Id } from "../../parts/copy.tsx";
import { Dialog } from "../../parts/dialog.tsx";
import { type Column, Grid } from "../../parts/grid.tsx";
import { Menu } from "../../parts/menu.tsx";
import { Older } from "../../parts/older.tsx";
import { Facts, PageHead, type PageProps, Section } from "../../parts/page.tsx";
import { SecretOnce } from "../../parts/secret.tsx";
import { Select } from "../../parts/select.tsx";
import { Empty, Shown } from "../../parts/states.tsx";
import { Status } from "../../parts/status.tsx";
import { Ago, stillClock, Time } from "../../parts/time.tsx";
import { say } from "../../parts/toasts.tsx";
import { go, params, setParams } from "../../router.ts";
import { WebhookForm } from "../webhooks/form.tsx";
import { BECAUSE, lookOfWebhook, type Webhook } from "../webhooks/types.ts";
import {
  answerOf,
  type Delivery,
  DeliveryDialog,
  type Looked,
  LookedAt,
  lookOfDelivery,
} from "./delivery.tsx";
import { Recover } from "./recover.tsx";
import { WORDS } from "./words.ts";
import "./page.css";

const STATUSES = ["PENDING", "DELIVERED", "FAILED", "DROPPED"] as const;
const MOST = 100;

export default function Page({ params: { id = "" } }: PageProps) {
  const path = `/webhooks/${segment(id)}`;
  const webhook = useData<Webhook>(path, { every: 5_000 });
  const shown = webhook.value;
  const look = shown && lookOfWebhook(shown);
  return (
    <>
      <PageHead
        title={<span class="webhook-title mono">{shown?.url ?? <Id id={id} whole />}</span>}
        name={shown?.description || shown?.url || `${WORDS.title} ${id}`}
        state={look?.tone === "failed" ? "✕" : undefined}
        lead={shown && verdict(shown)}
      >
        {shown && <Actions webhook={shown} path={path} onDone={webhook.refresh} />}
        <CopyAs command={{ path, cli: ["webhooks", "deliveries", id] }} />
      </PageHead>
      <Shown data={webhook}>
        {(found) => (
          <>
            <FactsOf webhook={found} />
            <Deliveries path={path} />
          </>
        )}
      </Shown>
    </>
  );
}

function verdict(webhook: Webhook): string {
  const named = webhook.description ? `${webhook.description}. ` : "";
  if (!webhook.enabled) {
    const why = webhook.disabled_because === null ? "" : `: ${BECAUSE[webhook.disabled_because]}`;
    return `${named}It is off${why}. Nothing is sent.`;
  }
  if (webhook.failing_since === null) return `${named}It takes what it is sent.`;
  const since = about((stillClock().now - Date.parse(webhook.failing_since)) / 1000);
  const held = webhook.circuit === "CLOSED" ? "" : " It is left alone for a while, and then tried with one.";
  return `${named}All that was sent for ${since} has failed, ${plural(webhook.consecutive_failures, "time")} in a row. Nothing is lost for five days.${held}`;
}

function FactsOf({ webhook }: { webhook: Webhook }) {
  const filters = Object.entries(webhook.filters);
  return (
    <div class="columns">
      <Facts
        of={[
          ["state", <Status key="state" look={lookOfWebhook(webhook)} />],
          ["events", <code key="events">{webhook.events.join(", ")}</code>],
          [
            "only where",
            filters.length === 0 ? (
              <span class="muted">everything</span>
            ) : (
              <code>
                {filters
                  .map(([name, value]) => `${name}=${Array.isArray(value) ? value.join("|") : value}`)
                  .join(" ")}
              </code>
            ),
          ],
          webhook.headers.length > 0 && ["headers", <code key="headers">{webhook.headers.join(", ")}</code>],
          webhook.held_until !== null && ["left alone until", <Time key="held" at={webhook.held_until} />],
        ]}
      />
      <Facts
        of={[
          ["tells", webhook.payload === "full" ? "arguments and result as well, masked" : "what changed"],
          ["envelope", webhook.format === "standard" ? "Standard Webhooks" : "CloudEvents 1.0"],
          [
            "at most",
            `${webhook.rate_per_second === null ? "no limit a second" : `${webhook.rate_per_second} a second`}, ${webhook.max_in_flight} at once${webhook.ordering === "subject" ? ", in order by subject" : ""}`,
          ],
          [
            "made",
            <span key="made">
              <Ago at={webhook.created_at} /> by <By label={webhook.created_by} />
            </span>,
          ],
          webhook.previous_secret_expires_at !== null && [
            "old secret signs until",
            <Time key="old" at={webhook.previous_secret_expires_at} />,
          ],
        ]}
      />
    </div>
  );
}

function Actions({ webhook, path, onDone }: { webhook: Webhook; path: string; onDone: () => void }) {
  const [asked, setAsked] = useState<"change" | "rotate" | "recover" | "remove" | null>(null);
  const [secret, setSecret] = useState<string | null>(null);
  const [tested, setTested] = useState<Looked | null>(null);
  const close = () => setAsked(null);
  if (!may("admin")) return null;
  return (
    <>
      <ActionButton
        needs="admin"
        primary
        command={{ method: "POST", path: `${path}/test` }}
        onClick={async () => setTested(await act<Looked>("POST", `${path}/test`))}
      >
        {WORDS.test}
      </ActionButton>
      <ActionButton
        needs="admin"
        onClick={async () => {
          await act("PATCH", path, {
            body: { enabled: !webhook.enabled },
            done: webhook.enabled ? "Nothing more is sent to it" : "It is told what changes from now on",
          });
          onDone();
        }}
      >
        {webhook.enabled ? "Switch off" : "Switch on"}
      </ActionButton>
      <Menu
        label="More"
        items={[
          { label: WORDS.change, run: () => setAsked("change") },
          { label: WORDS.rotate, run: () => setAsked("rotate") },
          { label: WORDS.recover, run: () => setAsked("recover") },
          { label: WORDS.remove, isDangerous: true, run: () => setAsked("remove") },
        ]}
      />
      {asked === "change" && (
        <WebhookForm
          webhook={webhook}
          onClose={close}
          onSubmit={async (wanted) => {
            await call("PATCH", path, { body: wanted });
            say("Saved", { tone: "completed" });
            onDone();
          }}
        />
      )}
      {asked === "rotate" && (
        <Confirm
          title={`${WORDS.rotate}?`}
          verb={WORDS.rotate}
          tone="plain"
          command={{ method: "POST", path: `${path}/rotate_secret` }}
          onClose={close}
          onConfirm={async () => {
            setSecret((await call<{ secret: string }>("POST", `${path}/rotate_secret`)).secret);
            onDone();
          }}
        >
          <p>The old one signs beside it for a while, so that the receiver can learn the new one first.</p>
        </Confirm>
      )}
      {asked === "recover" && <Recover path={path} onClose={close} />}
      {asked === "remove" && (
        <Confirm
          title="Delete this webhook?"
          verb={WORDS.remove}
          command={{ method: "DELETE", path }}
          onClose={close}
          onConfirm={async () => {
            await call("DELETE", path);
            say("Deleted", { tone: "completed" });
            go("/webhooks");
          }}
        >
          <p>Nothing more is sent but what is on its way, and its deliveries are removed.</p>
        </Confirm>
      )}
      {secret && <SecretOnce title={WORDS.secret} secret={secret} onClose={() => setSecret(null)} />}
      {tested && (
        <Dialog title="What came of the test" wide onClose={() => setTested(null)}>
          <LookedAt delivery={tested} />
        </Dialog>
      )}
    </>
  );
}

function Deliveries({ path }: { path: string }) {
  const status = params.value.get("status");
  const opened = params.value.get("delivery");
  const deliveries = useData<{ data: Delivery[]; next_cursor: string | null }>(`${path}/deliveries`, {
    query: { limit: MOST, status, cursor: params.value.get("cursor") },
    every: 5_000,
  });
  const look = (row: Delivery) => may("admin") && setParams({ delivery: row.delivery_id });
  const columns: Column<Delivery>[] = [
    {
      id: "status",
      title: "status",
      width: "116px",
      cell: (row) => <Status look={lookOfDelivery(row)} plain />,
    },
    {
      id: "type",
      title: "event",
      width: "minmax(120px, 1.2fr)",
      narrow: "title",
      cell: (row) => (
        <span>
          {may("admin") ? (
            <button type="button" class="link mono" onClick={() => look(row)}>
              {row.type}
            </button>
          ) : (
            <span class="mono">{row.type}</span>
          )}
          {row.is_test && <span class="muted"> test</span>}
        </span>
      ),
    },
    {
      id: "subject",
      title: "subject",
      width: "minmax(90px, 1fr)",
      from: 700,
      narrow: "hide",
      cell: (row) => (
        <span class="mono" title={row.subject_id}>
          {row.subject_id}
        </span>
      ),
    },
    {
      id: "answer",
      title: "answer",
      width: "90px",
      cell: (row) => <span class="mono">{answerOf(row)}</span>,
    },
    {
      id: "attempts",
      title: "attempts",
      width: "72px",
      align: "end",
      narrow: "hide",
      cell: (row) => row.attempts,
    },
    { id: "at", title: "made", width: "104px", align: "end", cell: (row) => <Time at={row.created_at} /> },
    {
      id: "next",
      title: "next",
      width: "88px",
      align: "end",
      from: 800,
      narrow: "hide",
      cell: (row) => <Ago at={row.next_attempt_at} />,
    },
  ];
  return (
    <Section
      title={WORDS.deliveries}
      note="of the last 30 days, the newest first"
      flush
      actions={
        <Select
          aria-label="Status of deliveries"
          value={status ?? ""}
          options={[["", "all"], ...STATUSES.map((one) => [one, LOOK_WORDS[one]] as const)]}
          onChoose={(chosen) => setParams({ status: chosen, cursor: null })}
        />
      }
    >
      <Shown data={deliveries}>
        {(shown) =>
          shown.data.length === 0 ? (
            <Empty title={status ? WORDS.noneFiltered : WORDS.none} icon="inbox" />
          ) : (
            <>
              <Grid
                label={WORDS.deliveries}
                rows={shown.data}
                columns={columns}
                rowKey={(row) => row.delivery_id}
                onOpen={look}
              />
              <Older cursor={shown.next_cursor} />
            </>
          )
        }
      </Shown>
      {opened && may("admin") && (
        <DeliveryDialog path={path} id={opened} onClose={() => setParams({ delivery: null })} />
      )}
    </Section>
  );
}

const LOOK_WORDS = {
  PENDING: "waiting",
  DELIVERED: "delivered",
  FAILED: "failed",
  DROPPED: "dropped",
} as const;
