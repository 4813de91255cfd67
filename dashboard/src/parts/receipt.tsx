// The receipt of an action: what was asked, and step by step how it is proven, as it happens.
import type { ComponentChildren } from "preact";
import { Icon } from "./icons.tsx";
import { Time } from "./time.tsx";

export interface ReceiptStep {
  title: string;
  /** `ok`: proven; `open`: not yet; `failed`: it will not be; `later`: only after what stands above. */
  state: "ok" | "open" | "failed" | "later";
  at?: string | null;
  detail?: ComponentChildren;
}

const ICON = { ok: "check", open: "clock", failed: "close", later: "more" } as const;
const SAID = { ok: "done", open: "waiting", failed: "not so", later: "after that" } as const;

export function Receipt({
  title,
  steps,
  children,
}: {
  title: ComponentChildren;
  steps: readonly ReceiptStep[];
  children?: ComponentChildren;
}) {
  return (
    <section class="receipt" aria-live="polite">
      <h2>{title}</h2>
      <ol>
        {steps.map((step) => (
          <li key={step.title} data-state={step.state}>
            <Icon name={ICON[step.state]} />
            <span>
              {step.title}
              <span class="sr"> ({SAID[step.state]})</span>
              {step.detail && <span class="receipt-detail">{step.detail}</span>}
            </span>
            {step.at && <Time at={step.at} />}
          </li>
        ))}
      </ol>
      {children}
    </section>
  );
}
