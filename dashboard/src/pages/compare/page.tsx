import { PageHead, type PageProps } from "../../parts/page.tsx";
import { WORDS } from "./words.ts";

export default function Page(_props: PageProps) {
  return <PageHead title={WORDS.title} lead={WORDS.lead} />;
}
