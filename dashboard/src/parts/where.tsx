// On which workers something failed. How many there are is heard each second, and drawn when it changes.
import { computed } from "@preact/signals";
import { segment } from "../api/client.ts";
import { pulse } from "../api/live.ts";
import { type ByWorker, whereSaid } from "../logic/failing-workers.ts";
import { Lead } from "./lead.tsx";

const online = computed(() => {
  const workers = pulse.value?.workers;
  return workers ? (workers.active ?? 0) + (workers.paused ?? 0) + (workers.draining ?? 0) : null;
});

export function Where({ by, failures }: { by: ByWorker; failures: number }) {
  const said = whereSaid(by, failures, online.value);
  if (!said) return null;
  return (
    <span class="num">
      {said.before}
      {said.worker && <Lead to={`/workers/${segment(said.worker.worker_id)}`}>{said.worker.hostname}</Lead>}
      {said.behind}
    </span>
  );
}
