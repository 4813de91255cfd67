// When the tasks that match were made. A bar leads to its stretch of time.
import { useData } from "../../api/query.ts";
import { queryOf } from "../../logic/filters.ts";
import { count, plural } from "../../logic/format.ts";
import { Bars } from "../../parts/bars.tsx";
import { params } from "../../router.ts";

interface Histogram {
  since: string;
  until: string;
  bucket_seconds: number;
  source: string;
  total: number;
  is_exact: boolean;
  counted_since: string | null;
  data: { bucket: string; submitted: number; completed: number; failed: number; cancelled: number }[];
}

export function TimeBrush() {
  const query = queryOf(params.value);
  query.set("buckets", "60");
  const found = useData<Histogram>("/search/histogram", { query, every: 30_000 });
  const it = found.value;
  if (!it || it.data.length === 0) return null;
  const times = it.data.map((one) => Date.parse(one.bucket));
  const step = it.bucket_seconds * 1000;
  const isByEnd = it.source === "rollups";
  const open = it.data.map((one) =>
    isByEnd ? 0 : Math.max(0, one.submitted - one.completed - one.failed - one.cancelled),
  );
  return (
    <Bars
      times={times}
      step={step}
      height={44}
      whole={
        !it.is_exact
          ? `newest ${count(it.total)}`
          : query.has("created_after")
            ? "in all"
            : "the last 24 hours"
      }
      sentence={`${plural(it.total, "task", "tasks", it.is_exact)} over time`}
      gaps={it.counted_since ? [{ from: times[0]!, to: Date.parse(it.counted_since) }] : []}
      series={[
        { label: "completed", tone: "completed", values: it.data.map((one) => one.completed) },
        { label: "cancelled", tone: "cancelled", values: it.data.map((one) => one.cancelled) },
        { label: "failed", tone: "failed", values: it.data.map((one) => one.failed) },
        ...(isByEnd ? [] : [{ label: "not ended", tone: "waiting" as const, values: open }]),
      ]}
      pathOf={(index) => {
        const next = new URLSearchParams(params.peek());
        next.delete("peek");
        next.set("created_after", new Date(times[index]!).toISOString());
        next.set("created_before", new Date(times[index]! + step).toISOString());
        return `/tasks?${next}`;
      }}
    />
  );
}
