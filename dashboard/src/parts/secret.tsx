// A secret that has just been made: shown this once, nobody can read it again.

import type { ComponentChildren } from "preact";
import { useRef } from "preact/hooks";
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
  return (
    <Dialog
      title={title}
      onClose={onClose}
      footer={
        <>
          <button type="button" class="button" onClick={() => copy(secret)}>
            <Icon name="copy" /> Copy
          </button>
          <span class="spacer" />
          <button type="button" class="button primary" onClick={onClose}>
            I have kept it
          </button>
        </>
      }
    >
      <p class="note" data-tone="waiting">
        <Icon name="warning" /> It is shown this once: nobody can read it again.
      </p>
      <input
        ref={field}
        class="field mono secret"
        readOnly
        aria-label={title}
        value={secret}
        onFocus={() => field.current?.select()}
      />
      {children}
    </Dialog>
  );
}
