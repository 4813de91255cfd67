// Dialogs, on the browser's own: focus stays inside, Esc closes, what is behind is inert.
import type { ComponentChildren } from "preact";
import { useId, useLayoutEffect, useRef } from "preact/hooks";
import { Icon } from "./icons.tsx";

export function Dialog({
  title,
  onClose,
  children,
  wide,
  footer,
  role,
}: {
  title: string;
  onClose: () => void;
  children: ComponentChildren;
  footer?: ComponentChildren;
  wide?: boolean;
  role?: "alertdialog";
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  // Before the next key is read: what is typed right after the one that opened it belongs into it.
  useLayoutEffect(() => {
    const before = document.activeElement as HTMLElement | null;
    dialog.current?.showModal();
    // The first field, else the way back: never the button that closes, nor the one that copies, nor the one that acts,
    // except where it does no harm and says so.
    const first =
      ".dialog-body input, .dialog-body textarea, .dialog-body select, footer .button:not(.primary, .quiet-button)";
    const wanted =
      dialog.current?.querySelector<HTMLElement>("footer [data-first]") ??
      dialog.current?.querySelector<HTMLElement>(first);
    wanted?.focus();
    return () => before?.focus?.({ preventScroll: true });
  }, []);
  return (
    <dialog
      ref={dialog}
      role={role}
      class={wide ? "dialog wide" : "dialog"}
      aria-labelledby={id}
      // The browser lets a second Esc pass whatever `cancel` is answered.
      onKeyDown={(event) => {
        if (event.key !== "Escape" || event.defaultPrevented) return;
        event.preventDefault();
        onClose();
      }}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onMouseDown={(event) => event.target === dialog.current && onClose()}
    >
      <div class="dialog-box">
        <header>
          <h2 id={id}>{title}</h2>
          <button type="button" class="icon-button" aria-label="Close" onClick={onClose}>
            <Icon name="close" />
          </button>
        </header>
        <div class="dialog-body">{children}</div>
        {footer && <footer>{footer}</footer>}
      </div>
    </dialog>
  );
}
