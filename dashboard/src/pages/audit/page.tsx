// Who did what: filters, rows, what changed, and whether anybody has tampered with it.
import { useState } from "preact/hooks";
import { apiUrl } from "../../api/client.ts";
import { useData } from "../../api/query.ts";
import { may } from "../../api/session.ts";
import type { Page as Rows } from "../../api/types.ts";
import { count, plural } from "../../logic/format.ts";
import { calledBy, originOf } from "../../logic/principals.ts";
import { ActionButton, act } from "../../parts/actions.tsx";
import { CopyAs, Id } from "../../parts/copy.tsx";
import { Dialog } from "../../parts/dialog.tsx";
import { type Column, Grid } from "../../parts/grid.tsx";
import { Icon } from "../../parts/icons.tsx";
import { JsonView } from "../../parts/json.tsx";
import { Lead } from "../../parts/lead.tsx";
import { Older } from "../../parts/older.tsx";
import { Facts, PageHead, type PageProps } from "../../parts/page.tsx";
import { Select } from "../../parts/select.tsx";
import { Empty, Shown } from "../../parts/states.tsx";
import { Status } from "../../parts/status.tsx";
import { Time } from "../../parts/time.tsx";
import { href, params, setParams } from "../../router.ts";
import { useNames } from "./names.ts";
import { ACTIONS, type AuditRow, lookOfOutcome, pageOf, type Verification } from "./types.ts";
import { WORDS } from "./words.ts";
import "./page.css";

const FILTERS = ["actor", "action", "subject", "outcome", "request_id", "after", "before"] as const;
const RANGES = [
  ["", "any time"],
  ["-1h", "the last hour"],
  ["-24h", "the last 24 hours"],
  ["-7d", "the last 7 days"],
  ["-30d", "the last 30 days"],
] as const;

export default function Page(_props: PageProps) {
  const isAllowed = may("admin");
  const filters = Object.fromEntries(FILTERS.map((name) => [name, params.value.get(name)]));
  const isFiltered = Object.values(filters).some(Boolean);
  const audit = useData<Rows<AuditRow>>(isAllowed ? "/audit" : null, {
    query: { ...filters, limit: 100, rows: "data", cursor: params.value.get("cursor") },
    every: 10_000,
  });
  const nameOf = useNames(audit.value?.data);
  const [verified, setVerified] = useState<Verification | null>(null);
  const [looked, setLooked] = useState<AuditRow | null>(null);
  if (!isAllowed) return <PageHead title={WORDS.title} lead={WORDS.needs} />;
  return (
    <>
      <PageHead
        title={WORDS.title}
        lead={
          audit.value && audit.value.total > 0
            ? `${plural(audit.value.total, "act")}${audit.value.total_is_exact ? "" : " or more"}, the newest first.`
            : WORDS.lead
        }
      >
        <ActionButton
          needs="admin"
          command={{ path: "/audit/verify" }}
          onClick={async () => setVerified(await act<Verification>("GET", "/audit/verify", { topics: [] }))}
        >
          {WORDS.verify}
        </ActionButton>
        <a class="button" href={apiUrl("/audit/export/csv", filters)} download>
          <Icon name="download" /> {WORDS.csv}
        </a>
        <CopyAs command={{ path: "/audit", query: filters }} />
      </PageHead>
      {verified && <Verified found={verified} />}
      <Filters isFiltered={isFiltered} />
      <Shown data={audit} lines={8}>
        {(shown) =>
          shown.data.length === 0 ? (
            <Empty title={isFiltered ? WORDS.noneFiltered : WORDS.none} icon="inbox" />
          ) : (
            <>
              <Grid
                label={WORDS.title}
                rows={shown.data}
                columns={columns(setLooked, nameOf)}
                rowKey={(row) => row.audit_id}
                onOpen={setLooked}
              />
              <Older cursor={shown.next_cursor} />
            </>
          )
        }
      </Shown>
      {looked && <Looked row={looked} nameOf={nameOf} onClose={() => setLooked(null)} />}
    </>
  );
}

function Filters({ isFiltered }: { isFiltered: boolean }) {
  const set = (name: string, value: string) => setParams({ [name]: value, cursor: null });
  const text = (name: "actor" | "subject", label: string, placeholder: string) => (
    <input
      class="field"
      aria-label={label}
      placeholder={placeholder}
      value={params.value.get(name) ?? ""}
      spellcheck={false}
      onChange={(event) => set(name, event.currentTarget.value.trim())}
    />
  );
  const choice = (
    name: "action" | "outcome" | "after",
    label: string,
    options: readonly (readonly [string, string])[],
  ) => (
    <Select
      aria-label={label}
      value={params.value.get(name) ?? ""}
      options={options}
      onChoose={(value) => set(name, value)}
    />
  );
  return (
    <div class="audit-filters" role="search">
      {text("actor", "Who did it", "who: api_key:k7Qm…")}
      {choice("action", "What was done", [["", "any act"], ...ACTIONS.map((one) => [one, one] as const)])}
      {text("subject", "What it was done to", "to what: an id")}
      {choice("outcome", "What became of it", [
        ["", "any outcome"],
        ["done", "done"],
        ["requested", "accepted"],
        ["refused", "refused"],
      ])}
      {choice("after", "Since when", RANGES)}
      {isFiltered && (
        <button
          type="button"
          class="button quiet-button"
          onClick={() =>
            setParams({ ...Object.fromEntries(FILTERS.map((name) => [name, null])), cursor: null })
          }
        >
          Clear
        </button>
      )}
    </div>
  );
}

const whoDid = (row: AuditRow): string => calledBy(`${row.actor_kind}:${row.actor_id}`, row.actor_name);

type NameOf = (row: AuditRow) => string | null;

function columns(look: (row: AuditRow) => void, nameOf: NameOf): readonly Column<AuditRow>[] {
  return [
    { id: "at", title: "when", width: "108px", cell: (row) => <Time at={row.at} /> },
    {
      id: "actor",
      title: "who",
      width: "minmax(84px, 1.3fr)",
      cell: (row) => (
        <a
          class="audit-who"
          href={href("/audit", { actor: `${row.actor_kind}:${row.actor_id}` })}
          title={[whoDid(row), originOf(row.actor_kind, row.actor_id)].filter(Boolean).join(", ")}
        >
          {whoDid(row)}
        </a>
      ),
    },
    {
      id: "action",
      title: "did",
      width: "minmax(110px, 1fr)",
      narrow: "title",
      cell: (row) => (
        <button type="button" class="link mono" onClick={() => look(row)}>
          {row.action}
        </button>
      ),
    },
    {
      id: "subject",
      title: "to",
      width: "minmax(120px, 2fr)",
      cell: (row) => (
        <span class="audit-to">
          <Subject row={row} name={nameOf(row)} />
        </span>
      ),
    },
    {
      id: "outcome",
      title: "outcome",
      width: "108px",
      cell: (row) => <Status look={lookOfOutcome(row.outcome)} plain />,
    },
    {
      id: "address",
      title: "from",
      width: "minmax(80px, 0.7fr)",
      from: 860,
      narrow: "hide",
      cell: (row) => <span class="mono">{row.address ?? "–"}</span>,
    },
    {
      id: "reason",
      title: "reason",
      width: "minmax(80px, 0.9fr)",
      from: 1000,
      cell: (row) => row.reason && <span class="audit-why">{row.reason}</span>,
    },
  ];
}

/** What it was done to: by its name where that is known, with its id on demand. */
function Subject({ row, name }: { row: AuditRow; name: string | null }) {
  const page = pageOf(row);
  const look = { class: name ? undefined : "mono", title: `${row.subject_kind} ${row.subject_id}` };
  const shown = name || row.subject_id || "–";
  return page ? (
    <Lead to={page} {...look}>
      {shown}
    </Lead>
  ) : (
    <span {...look}>{shown}</span>
  );
}

function Looked({ row, nameOf, onClose }: { row: AuditRow; nameOf: NameOf; onClose: () => void }) {
  return (
    <Dialog
      title={row.action}
      wide
      onClose={onClose}
      footer={
        <>
          <span class="spacer" />
          <button type="button" class="button" onClick={onClose}>
            Close
          </button>
        </>
      }
    >
      <p>
        <Status look={lookOfOutcome(row.outcome)} />
        {row.outcome === "requested" && <span class="muted"> {WORDS.accepted}</span>}
      </p>
      <Facts
        of={[
          ["when", <Time key="at" at={row.at} />],
          [
            "who",
            <span key="who">
              {whoDid(row)} <span class="muted">{originOf(row.actor_kind, row.actor_id)}</span>
            </span>,
          ],
          ["from", row.address ?? "–"],
          [
            "to",
            <span key="to">
              <Subject row={row} name={nameOf(row)} />{" "}
              <span class="muted">
                {row.subject_kind} <code>{row.subject_id}</code>
              </span>
            </span>,
          ],
          row.reason !== null && ["reason", row.reason],
          row.request_id !== null && ["request", <Id key="request" id={row.request_id} whole />],
        ]}
      />
      <div class="columns">
        <div>
          <h3>before</h3>
          <JsonView value={row.before} label="before" />
        </div>
        <div>
          <h3>after</h3>
          <JsonView value={row.after} label="after" />
        </div>
      </div>
    </Dialog>
  );
}

function Verified({ found }: { found: Verification }) {
  const looked = `${count(found.rows)} rows under ${plural(found.seals, "seal")}`;
  const rest = found.unsealed_rows > 0 ? ` ${plural(found.unsealed_rows, "row")} not sealed yet.` : "";
  return (
    <p class="note" role="status" data-tone={found.ok ? "completed" : "failed"}>
      <Icon name={found.ok ? "check" : "warning"} />
      {found.ok
        ? `Nobody has tampered with it: ${looked} are as they were sealed.${found.complete ? rest : " Time ran out before the end."}`
        : `${found.tampering?.message ?? "Something is not as it was sealed."} (seal ${found.tampering?.seal_no})`}
    </p>
  );
}
