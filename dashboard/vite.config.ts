import { defineConfig, type Plugin, type Rollup } from "vite";
import { ROUTES } from "./src/routes.ts";

/** The chunk of a page is named like its folder. */
const nameOf = (module: string | null): string => module?.match(/pages\/([\w-]+)\//)?.[1] ?? "part";

/** Writes `pages.json`: what each address needs beyond what the frame does, for the API to name it in the page itself. */
function pageFiles(): Plugin {
  return {
    name: "page-files",
    enforce: "post",
    generateBundle(_, bundle) {
      const chunks = Object.values(bundle).filter((one) => one.type === "chunk");
      const byName = new Map(chunks.map((chunk) => [chunk.fileName, chunk]));
      const filesOf = (chunk: Rollup.OutputChunk, found = new Set<string>()): Set<string> => {
        if (found.has(chunk.fileName)) return found;
        found.add(chunk.fileName);
        for (const name of chunk.imports) filesOf(byName.get(name)!, found);
        // After those of what it is made of, which it may overrule.
        for (const style of chunk.viteMetadata?.importedCss ?? []) found.add(style);
        return found;
      };
      const frame = filesOf(chunks.find((chunk) => chunk.isEntry)!);
      const pages = ROUTES.map(({ path, page }) => {
        const chunk = chunks.find((one) => one.facadeModuleId?.endsWith(`/pages/${page}/page.tsx`))!;
        return [path, [...filesOf(chunk)].filter((name) => !frame.has(name))];
      });
      const source = JSON.stringify(Object.fromEntries(pages), null, 1);
      this.emitFile({ type: "asset", fileName: "pages.json", source });
    },
  };
}

/** Names the font of all text in the page itself: else it comes after the first drawing, which is then done again. */
function fontFile(): Plugin {
  return {
    name: "font-file",
    transformIndexHtml: {
      order: "post",
      handler(_, { bundle }) {
        const font = Object.keys(bundle ?? {}).find((name) => /\binter-.*\.woff2$/.test(name));
        if (!font) throw new Error("there is no font of the name inter");
        const attrs = {
          rel: "preload",
          as: "font",
          type: "font/woff2",
          crossorigin: true,
          href: `./${font}`,
        };
        return [{ tag: "link", attrs, injectTo: "head" as const }];
      },
    },
  };
}

// Addresses in the build are relative: the page is shown below whatever prefix a proxy has.
export default defineConfig({
  base: "./",
  plugins: [pageFiles(), fontFile()],
  build: {
    outDir: "static",
    emptyOutDir: true,
    target: "es2023",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    chunkSizeWarningLimit: 200,
    sourcemap: false,
    rollupOptions: {
      output: {
        chunkFileNames: (chunk) => `assets/${nameOf(chunk.facadeModuleId)}-[hash].js`,
        // What several pages are made of is one file, not thirty small ones; what draws charts stays apart.
        codeSplitting: {
          groups: [{ name: "part", test: /src.(parts|logic|api).(?!plot)/, minShareCount: 2 }],
        },
      },
    },
  },
});
