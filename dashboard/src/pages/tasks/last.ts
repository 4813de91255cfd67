// The list that was seen last: what `[` and `]` go through on a task's page.
import { signal } from "@preact/signals";

export const lastList = signal<readonly string[]>([]);
