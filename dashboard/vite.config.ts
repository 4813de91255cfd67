import { defineConfig } from "vite";

/** The chunk of a page is named like its folder. */
const nameOf = (module: string | null): string => module?.match(/pages\/([\w-]+)\//)?.[1] ?? "part";

// Addresses in the build are relative: the page is shown below whatever prefix a proxy has.
export default defineConfig({
  base: "./",
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
