// A sentence with `code` in it; a command of the program says in it where this server is.
import { asCeleriac } from "./copy.tsx";

const codeOf = (text: string): string => {
  const [program, ...words] = text.split(" ");
  return program === "celeriac" ? asCeleriac(...words) : text;
};

export function Told({ text }: { text: string }) {
  return (
    <>
      {text
        .split("`")
        .map((part, index) =>
          index % 2 === 1 ? <code key={index}>{codeOf(part)}</code> : <span key={index}>{part}</span>,
        )}
    </>
  );
}
