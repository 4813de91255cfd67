// Text that others chose, as it may be shown: what steers it or is not seen is written as JSON writes it. The twin of
// domain/printable.py; both are held to tests/said.json. Pure.

// All controls but tab and the end of a line; bidi controls; ends of lines that only Unicode knows; what is not seen.
// Not the joiners U+200C and U+200D: Persian and emoji are written with them.
const UNSAFE =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  /[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\u00ad\u115f\u1160\u180e\u200b\u2060-\u2065\u206a-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb\u{e0000}-\u{e0fff}\ud800-\udfff]/gu;

/** Return a text in which each character is seen, in the place where it stands; JSON stays the same JSON. */
export function printable(text: string): string {
  return text.search(UNSAFE) < 0 ? text : text.replaceAll("\r\n", "\n").replace(UNSAFE, escaped);
}

const escaped = (found: string): string =>
  Array.from(found.split(""), (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`).join("");
