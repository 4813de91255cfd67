// Who somebody is whom the API tells as a label: `api_key:k7Qm2ZpX4rT1`. Pure.

/** Return a name for a label; the names of keys by their ids, where they are known. */
export function nameOfPrincipal(label: string, keys?: ReadonlyMap<string, string>): string {
  const [kind = "", ...rest] = label.split(":");
  const id = rest.join(":");
  switch (kind) {
    case "local":
      return "somebody without a key";
    case "cli":
      return "the command line";
    case "env_key":
      return `key ${id} of CELERIAC_API_KEYS`;
    case "api_key":
      return keys?.get(id) ?? `key ${id}`;
    case "oidc":
      return id;
    default:
      return label;
  }
}
