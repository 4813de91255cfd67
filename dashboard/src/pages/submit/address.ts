// What of the form stands in the address, so that a link opens it filled in. Arguments never do: they may be secret.
import { useEffect } from "preact/hooks";
import { params, setParams } from "../../router.ts";

const PAUSE_MS = 300;
const NAMES = ["task_name", "queue_name", "priority", "max_retries", "timeout_seconds"] as const;
type Given = Partial<Record<(typeof NAMES)[number], string>>;

/** Return what the address says of fields. */
export function givenFields(): Given {
  const found: Given = {};
  for (const name of NAMES) {
    const value = params.peek().get(name);
    if (value !== null) found[name] = value;
  }
  return found;
}

/** Keep the address as the fields are, once nobody has typed for a moment. `usual`: what need not be said. */
export function useAddress(fields: Given, usual: Given): void {
  const said = NAMES.map((name) => [name, fields[name] === usual[name] ? null : fields[name]] as const);
  useEffect(() => {
    const timer = setTimeout(() => setParams(Object.fromEntries(said), { replace: true }), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [JSON.stringify(said)]);
}
