// Icon, word and colour of a state; never one of them alone.
import { type Look, lookOf, lookOfTask } from "../logic/status.ts";
import { ShapeIcon } from "./icons.tsx";

/** A state by its word of the API. `plain` leaves the tint away, for tables. */
export function Status({ of, look, plain }: { of?: string; look?: Look; plain?: boolean }) {
  const shown = look ?? lookOf(of ?? "unknown");
  return (
    <span class={plain ? "status plain" : "status"} data-tone={shown.tone} title={shown.meaning}>
      <ShapeIcon shape={shown.shape} />
      {shown.word}
    </span>
  );
}

/** The state of a task, by its phase while it is on its way. */
export function TaskStatus(props: {
  task: { status: string; phase?: string; outcome?: string | null };
  plain?: boolean;
}) {
  return <Status look={lookOfTask(props.task)} plain={props.plain} />;
}
