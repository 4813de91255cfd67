// Who is told of changes, and whether they take it.
import { useState } from "preact/hooks";
import { call, segment } from "../../api/client.ts";
import { useData } from "../../api/query.ts";
import { may } from "../../api/session.ts";
import { about, plural } from "../../logic/format.ts";
import { ActionButton } from "../../parts/actions.tsx";
import { CopyAs } from "../../parts/copy.tsx";
import { type Column, Grid } from "../../parts/grid.tsx";
import { Icon } from "../../parts/icons.tsx";
import { PageHead, type PageProps } from "../../parts/page.tsx";
import { SecretOnce } from "../../parts/secret.tsx";
import { Empty, Shown } from "../../parts/states.tsx";
import { Status } from "../../parts/status.tsx";
import { Ago, clock } from "../../parts/time.tsx";
import { say } from "../../parts/toasts.tsx";
import { go, href, params, setParams } from "../../router.ts";
import { WebhookForm } from "./form.tsx";
import { lookOfWebhook, type Webhook } from "./types.ts";
import { WORDS } from "./words.ts";

const pathOf = (webhook: { webhook_id: string }): string => `/webhooks/${segment(webhook.webhook_id)}`;

export default function Page(_props: PageProps) {
  const webhooks = useData<{ data: Webhook[] }>("/webhooks", { every: 10_000 });
  const [made, setMade] = useState<{ webhook_id: string; secret: string } | null>(null);
  const found = webhooks.value?.data;
  const close = () => setParams({ make: null }, { replace: true });
  const bad = found?.filter((webhook) => lookOfWebhook(webhook).tone === "failed").length ?? 0;
  return (
    <>
      <PageHead title={WORDS.title} lead={found && verdict(found)} state={bad > 0 ? `✕ ${bad}` : undefined}>
        <ActionButton needs="admin" primary onClick={() => setParams({ make: "1" })}>
          <Icon name="plus" /> {WORDS.make}
        </ActionButton>
        <CopyAs command={{ path: "/webhooks", cli: ["webhooks", "list"] }} />
      </PageHead>
      <Shown data={webhooks}>
        {(shown) =>
          shown.data.length === 0 ? (
            <Empty icon="send">
              <p>{WORDS.noneText}</p>
            </Empty>
          ) : (
            <Grid
              label={WORDS.title}
              rows={shown.data}
              columns={COLUMNS}
              rowKey={(row) => row.webhook_id}
              onOpen={(row) => go(pathOf(row))}
            />
          )
        }
      </Shown>
      {params.value.has("make") && may("admin") && (
        <WebhookForm
          onClose={close}
          onSubmit={async (wanted) => {
            setMade(await call("POST", "/webhooks", { body: wanted }));
            say(WORDS.made, { tone: "completed" });
            webhooks.refresh();
          }}
        />
      )}
      {made && (
        <SecretOnce
          title={WORDS.secret}
          secret={made.secret}
          onClose={() => {
            setMade(null);
            go(pathOf(made));
          }}
        >
          <p class="muted">{WORDS.secretText}</p>
        </SecretOnce>
      )}
    </>
  );
}

function verdict(webhooks: readonly Webhook[]): string {
  if (webhooks.length === 0) return WORDS.none;
  const failing = webhooks.filter((one) => one.enabled && one.failing_since !== null);
  const off = webhooks.filter((one) => !one.enabled).length;
  const parts = [
    failing.length === 0 ? "" : plural(failing.length, "fails", "fail"),
    off === 0 ? "" : plural(off, "is off", "are off"),
  ].filter(Boolean);
  const all = plural(webhooks.length, "webhook");
  if (parts.length > 0) return `${all}: ${parts.join(", ")}.`;
  return webhooks.length === 1
    ? "The webhook is on, and not failing."
    : `All ${all} are on, and none is failing.`;
}

const COLUMNS: readonly Column<Webhook>[] = [
  {
    id: "state",
    title: "state",
    width: "116px",
    cell: (row) => <Status look={lookOfWebhook(row)} plain />,
  },
  {
    id: "url",
    title: "URL",
    width: "minmax(160px, 2fr)",
    narrow: "title",
    cell: (row) => (
      <a class="mono" href={href(pathOf(row))} title={row.url}>
        {row.url}
      </a>
    ),
  },
  {
    id: "description",
    title: "what for",
    width: "minmax(90px, 1.2fr)",
    from: 800,
    narrow: "hide",
    cell: (row) => row.description,
  },
  {
    id: "events",
    title: "events",
    width: "minmax(90px, 1fr)",
    cell: (row) => (
      <span class="mono" title={row.events.join(", ")}>
        {row.events.join(", ")}
      </span>
    ),
  },
  {
    id: "since",
    title: "failing for",
    width: "96px",
    align: "end",
    narrow: "hide",
    cell: (row) =>
      row.failing_since === null ? (
        <span class="muted">–</span>
      ) : (
        about((clock.value.now - Date.parse(row.failing_since)) / 1000)
      ),
  },
  {
    id: "created",
    title: "made",
    width: "96px",
    align: "end",
    from: 900,
    narrow: "hide",
    cell: (row) => <Ago at={row.created_at} />,
  },
];
