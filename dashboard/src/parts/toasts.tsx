// What became of an action of one's own: said once, read aloud, gone after a while.
import { signal } from "@preact/signals";
import { Icon } from "./icons.tsx";

interface Toast {
  id: number;
  text: string;
  tone: "completed" | "failed" | "quiet";
  to?: { label: string; href: string };
}

const toasts = signal<readonly Toast[]>([]);
let last = 0;
const MOST = 4;

/** Say what became of something; failures stay until they are closed. */
export function say(text: string, options: { tone?: Toast["tone"]; to?: Toast["to"] } = {}): void {
  const toast: Toast = { id: ++last, text, tone: options.tone ?? "quiet", to: options.to };
  toasts.value = [...toasts.value.slice(1 - MOST), toast];
  if (toast.tone !== "failed") setTimeout(() => drop(toast.id), 6_000);
}

const drop = (id: number) => {
  toasts.value = toasts.value.filter((toast) => toast.id !== id);
};

export function Toasts() {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {toasts.value.map((toast) => (
        <div key={toast.id} class="toast" data-tone={toast.tone}>
          <Icon name={toast.tone === "failed" ? "warning" : "check"} />
          <span>{toast.text}</span>
          {toast.to && (
            <a href={toast.to.href} onClick={() => drop(toast.id)}>
              {toast.to.label}
            </a>
          )}
          <button type="button" class="icon-button" aria-label="Close" onClick={() => drop(toast.id)}>
            <Icon name="close" />
          </button>
        </div>
      ))}
    </div>
  );
}
