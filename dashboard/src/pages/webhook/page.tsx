import { Id } from "../../parts/copy.tsx";
import { PageHead, type PageProps } from "../../parts/page.tsx";
import { WORDS } from "./words.ts";

export default function Page({ params }: PageProps) {
  const id = params.id ?? "";
  return <PageHead title={<Id id={id} whole />} name={`${WORDS.title} ${id}`} lead={WORDS.lead} />;
}
