// How the whole is, for what stands on every page: the pulse tells it, and else `/health`, which knows the parts.
import { pulse } from "./live.ts";
import { mode, useData } from "./query.ts";
import type { Health } from "./types.ts";

/** Return how the whole is, with its parts while one of them is amiss; undefined while that is not known. */
export function useHealth(): Pick<Health, "status" | "checks"> | undefined {
  // A key with limits is told no pulse, and one made of polls has no health.
  const told = mode.value === "polling" ? null : (pulse.value?.health ?? null);
  const read = useData<Health>(told === "healthy" ? null : "/health", { every: 5_000 });
  const checks = read.value?.checks ?? {};
  // Without the database, which is no error of the request, it answers 503.
  const asked = read.error?.status === 503 ? "unhealthy" : read.value?.status;
  const status = told ?? asked;
  return status && { status, checks };
}
