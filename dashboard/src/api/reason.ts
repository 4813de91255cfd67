// Why something is done, where operators demand that it be said: asked once, for all that is done in one go.
import { signal } from "@preact/signals";
import { door } from "./client.ts";

/** How long after its last use a reason still belongs to what is done: many tasks are cancelled one after the other. */
const KEPT_MS = 5_000;

type Answer = (reason: string | null) => void;

/** Takes the reason, or null for none, while somebody is asked for it. */
export const reasonAsked = signal<Answer | null>(null);

let given: { reason: string; at: number } | null = null;
let asking: Promise<string | null> | null = null;

door.giveReason = async () => {
  if (!given || performance.now() - given.at > KEPT_MS) {
    asking ??= new Promise((resolve: Answer) => {
      reasonAsked.value = resolve;
    });
    const reason = await asking;
    asking = reasonAsked.value = null;
    given = reason === null ? null : { reason, at: 0 };
  }
  if (given) given.at = performance.now();
  return given?.reason ?? null;
};
