// Asks why something is done, over the page.
import { useSignal } from "@preact/signals";
import { reasonAsked } from "./api/reason.ts";
import { Dialog } from "./parts/dialog.tsx";

const MOST = 200;

export function AskReason() {
  const text = useSignal("");
  const answer = reasonAsked.value;
  const submit = (event: Event) => {
    event.preventDefault();
    answer?.(text.value.trim());
  };
  return (
    <Dialog
      title="Why is this done?"
      onClose={() => answer?.(null)}
      footer={
        <>
          <span class="spacer" />
          <button type="button" class="button" onClick={() => answer?.(null)}>
            Leave it
          </button>
          <button type="submit" form="reason" class="button primary" disabled={!text.value.trim()}>
            Do it
          </button>
        </>
      }
    >
      <form id="reason" onSubmit={submit}>
        <label class="labelled">
          Reason
          <input
            class="field"
            autoComplete="off"
            maxLength={MOST}
            value={text.value}
            onInput={(event) => (text.value = event.currentTarget.value)}
          />
          <small>Nothing is done here without one. The audit keeps it.</small>
        </label>
      </form>
    </Dialog>
  );
}
