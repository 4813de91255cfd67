// A secret that has just been made: shown this once, nobody can read it again. It is not closed by chance.
import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { holdPage } from "../router.ts";
import { copy } from "./copy.tsx";
import { Dialog } from "./dialog.tsx";
import { Icon } from "./icons.tsx";

export function SecretOnce({
  title,
  secret,
  onClose,
  children,
}: {
  title: string;
  secret: string;
  onClose: () => void;
  children?: ComponentChildren;
}) {
  const field = useRef<HTMLInputElement>(null);
  const isCopied = useSignal(false);
  const isLeaving = useSignal(false);
  const leave = () => {
    if (isCopied.value) onClose();
    else isLeaving.value = true;
  };
  const isKept = isCopied.value;
  useEffect(() => (isKept ? undefined : holdPage(leave)), [isKept]);
  return (
    <Dialog
      title={title}
      onClose={leave}
      footer={
        <>
          <button
            type="button"
            class="button"
            onClick={async () => {
              if (await copy(secret)) isCopied.value = true;
            }}
          >
            <Icon name="copy" /> Copy
          </button>
          <span class="spacer" />
          {isLeaving.value && (
            <button type="button" class="button" data-tone="failed" onClick={onClose}>
              Close without it
            </button>
          )}
          <button type="button" class="button primary" onClick={onClose}>
            I have kept it
          </button>
        </>
      }
    >
      <p class="note" data-tone="waiting">
        <Icon name="warning" /> It is shown this once: nobody can read it again.
      </p>
      {isLeaving.value && (
        <p class="field-error" role="alert">
          You have not copied it. Once this is closed, it is gone.
        </p>
      )}
      <input
        ref={field}
        class="field mono secret"
        readOnly
        aria-label={title}
        value={secret}
        onFocus={() => field.current?.select()}
        onCopy={() => (isCopied.value = true)}
      />
      {children}
    </Dialog>
  );
}
