// What happened since this person looked last: shown once, after an absence of ten minutes or more.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { useData } from "../../api/query.ts";
import { maySee } from "../../api/session.ts";
import type { Alert, Gap, Page as Rows, TaskRow } from "../../api/types.ts";
import { about, plural, time } from "../../logic/format.ts";
import { Icon } from "../../parts/icons.tsx";
import { stillClock } from "../../parts/time.tsx";
import { href } from "../../router.ts";
import { lastSeen } from "../../settings.ts";
import { WORDS } from "./words.ts";

const AWAY_MS = 10 * 60_000;
const NOTE_MS = 60_000;
/** When the page was opened, or came back after an absence. */
const before = lastSeen.peek();
const wasAway = before !== "" && Date.now() - Date.parse(before) > AWAY_MS;

export function Away() {
  const isShown = useSignal(wasAway);
  useEffect(() => {
    const note = () => {
      if (!document.hidden) lastSeen.value = new Date().toISOString();
    };
    note();
    const timer = setInterval(note, NOTE_MS);
    return () => clearInterval(timer);
  }, []);
  if (!isShown.value) return null;
  return <Since at={before} onClose={() => (isShown.value = false)} />;
}

function Since({ at, onClose }: { at: string; onClose: () => void }) {
  const failed = useData<Rows<TaskRow>>("/search/tasks", {
    query: { status: "FAILED", completed_after: at, limit: 1, rows: "data" },
  });
  const alerts = useData<Rows<Alert>>(maySee("/alerts") ? "/alerts" : null, {
    query: { include_resolved: true, limit: 200, rows: "data" },
  });
  const gaps = useData<Rows<Gap>>("/mirror/gaps", { query: { after: at, limit: 200, rows: "data" } });
  const raised = (alerts.value?.data ?? []).filter((alert) => alert.created_at > at).length;
  const unheard = (gaps.value?.data ?? []).reduce((sum, gap) => sum + gap.seconds, 0);
  const failures = failed.value?.total ?? 0;
  if (!failed.value || raised + unheard + failures === 0) return null;
  return (
    <div class="away" role="status">
      <Icon name="clock" />
      <p>
        <b>{WORDS.away}</b>, since {time(at, stillClock())}:{" "}
        {failures > 0 && (
          <a href={href("/tasks", { status: "FAILED", completed_after: at })}>
            {plural(failures, "task", "tasks", failed.value.total_is_exact)} failed
          </a>
        )}
        {failures > 0 && raised > 0 && ", "}
        {raised > 0 && <a href={href("/alerts")}>{plural(raised, "alert")}</a>}
        {unheard > 0 && <>, {about(unheard)} not heard</>}.
      </p>
      <button type="button" class="icon-button" aria-label="Close" onClick={onClose}>
        <Icon name="close" />
      </button>
    </div>
  );
}
