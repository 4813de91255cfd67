// The receipt of what was done to many tasks at once: it stays on the page until somebody closes it.
import { type Outcome, placeOfMade, stepsOfMany } from "../logic/many.ts";
import { href } from "../router.ts";
import { Receipt, type ReceiptStep } from "./receipt.tsx";

const TITLE = { cancel: "Cancel of several tasks", replay: "Replay of several tasks" } as const;

export function ReceiptOfMany({ of: it, onClose }: { of: Outcome; onClose: () => void }) {
  const place = placeOfMade(it.made);
  const steps: ReceiptStep[] = stepsOfMany(it).map((step) => ({
    ...step,
    at: step.state === "ok" ? new Date(it.at).toISOString() : null,
  }));
  return (
    <Receipt title={TITLE[it.verb]} steps={steps}>
      <div class="actions">
        {place && (
          <a class="button" href={href(place.to)}>
            {place.label}
          </a>
        )}
        <button type="button" class="button" onClick={onClose}>
          Close the receipt
        </button>
      </div>
    </Receipt>
  );
}
