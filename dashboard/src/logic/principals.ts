// Who somebody is whom the API tells as a label: `api_key:k7Qm2ZpX4rT1`. Pure.

/** Return what stands behind the name of somebody: `key k7Qm2ZpX4rT1`; nothing where there is one of a kind. */
export function originOf(kind: string, id: string): string {
  switch (kind) {
    case "local":
    case "cli":
      return "";
    case "env_key":
      return `key ${id} of CELERIAC_API_KEYS`;
    case "api_key":
      return `key ${id}`;
    case "session":
      return `signed in as ${id}`;
    case "oidc":
      return `person ${id}`;
    default:
      return `${kind.replaceAll("_", " ")} ${id}`;
  }
}

/** Return how somebody is called: by the name that was noted with what he did, else as his label is told. */
export function calledBy(label: string, name: string | null, keys?: ReadonlyMap<string, string>): string {
  return (label.split(":")[0] !== "local" && name) || nameOfPrincipal(label, keys);
}

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
      return originOf(kind, id);
    case "api_key":
      return keys?.get(id) ?? originOf(kind, id);
    case "session":
      // It has the id of what it was made from: a key, or a person.
      return keys?.get(id) ?? id;
    case "oidc":
      return id;
    default:
      return label;
  }
}
