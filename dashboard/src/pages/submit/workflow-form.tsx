// The form of a workflow: its whole definition as JSON, and the graph that it would be.
import { useMemo, useRef, useState } from "preact/hooks";
import { awaySince } from "../../api/client.ts";
import { parseDraft, stepsOfDraft } from "../../logic/draft.ts";
import { plural } from "../../logic/format.ts";
import { asCurl, copy } from "../../parts/copy.tsx";
import { Icon } from "../../parts/icons.tsx";
import { Section } from "../../parts/page.tsx";
import { ErrorBox } from "../../parts/states.tsx";
import { say } from "../../parts/toasts.tsx";
import { go } from "../../router.ts";
import { Graph } from "../workflow/graph.tsx";
import type { StepDetail, Workflow } from "../workflow/types.ts";
import "../workflow/page.css";
import { JsonField } from "./editor.tsx";
import { SubmitForm } from "./fields.tsx";
import { useSending } from "./sending.ts";
import { EXAMPLE, WORDS } from "./words.ts";

const MOST_BYTES = 16 * 1024 * 1024;

export function WorkflowForm() {
  const [text, setText] = useState(EXAMPLE);
  const sending = useSending();
  const file = useRef<HTMLInputElement>(null);
  const parsed = useMemo(() => parseDraft(text, "object"), [text]);
  const steps = useMemo(() => (parsed.problem ? null : stepsOfDraft(parsed.value)), [parsed]);
  const isSound = !parsed.problem && steps !== null;
  const submit = async () => {
    if (!isSound || sending.isBusy) return;
    const made = await sending.send<{ workflow_id: string }>("/workflows", parsed.value);
    if (!made) return;
    say("Accepted.", { tone: "completed" });
    go(`/workflows/${encodeURIComponent(made.workflow_id)}`);
  };
  const open = async (chosen: File | undefined) => {
    if (!chosen) return;
    if (chosen.size > MOST_BYTES) say(WORDS.tooLarge, { tone: "failed" });
    else setText(await chosen.text());
  };
  return (
    <SubmitForm onSubmit={submit}>
      <div class="submit-main">
        <JsonField
          label="Definition"
          text={text}
          onInput={setText}
          parsed={parsed}
          least={12}
          note={
            steps ? plural(steps.length, "step") : "An object with name and steps, each of which has an id"
          }
        />
        {sending.error && <ErrorBox error={sending.error} />}
        <div class="submit-actions">
          <button
            type="submit"
            class="button primary"
            disabled={!isSound || sending.isBusy || awaySince.value !== null}
            aria-busy={sending.isBusy}
          >
            Start <kbd>Ctrl Enter</kbd>
          </button>
          <button type="button" class="button" onClick={() => file.current?.click()}>
            <Icon name="download" /> {WORDS.file}
          </button>
          <input
            ref={file}
            type="file"
            accept=".json,application/json"
            hidden
            aria-label={WORDS.file}
            onChange={(event) => {
              void open(event.currentTarget.files?.[0]);
              event.currentTarget.value = "";
            }}
          />
          <button
            type="button"
            class="button"
            disabled={!isSound}
            onClick={() =>
              copy(asCurl({ method: "POST", path: "/workflows", body: parsed.value }), "Copied as curl")
            }
          >
            Copy as curl
          </button>
        </div>
      </div>
      <div class="submit-side">
        <Section title={WORDS.preview}>
          {steps ? (
            <Graph workflow={previewOf(steps)} graph={undefined} />
          ) : (
            <p class="muted">{WORDS.previewNone}</p>
          )}
        </Section>
      </div>
    </SubmitForm>
  );
}

/** The draft as a workflow of which nothing has run. */
function previewOf(steps: { id: string; task_name: string; depends_on: string[] }[]): Workflow {
  const blank = { status: "WAITING", duration_seconds: null } as Partial<StepDetail>;
  return { steps: steps.map((step) => ({ ...blank, ...step }) as StepDetail) } as Workflow;
}
