// On which worker something fails that completes elsewhere.
import { segment } from "../api/client.ts";
import { type ByWorker, whereSaid } from "../logic/failing-workers.ts";
import { Lead } from "./lead.tsx";

export function Where({ by, failures, before }: { by: ByWorker; failures: number; before?: string }) {
  const said = whereSaid(by, failures);
  if (!said) return null;
  return (
    <span class="num">
      {before}
      {said.before}
      <Lead to={`/workers/${segment(said.worker.worker_id)}`}>{said.worker.hostname}</Lead>
      {said.behind}
    </span>
  );
}
