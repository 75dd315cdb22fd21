import { readFile } from "node:fs/promises";
import { defineConfig } from "vitest/config";

const PREFIX = "\0css-text:";

/** Style sheets are imported as text, as esbuild's `text` loader does in the build. */
const cssAsText = {
  name: "css-as-text",
  enforce: "pre" as const,
  async resolveId(this: { resolve(source: string, importer?: string): Promise<{ id: string } | null> }, source: string, importer?: string) {
    if (!source.endsWith(".css")) return null;
    const found = await this.resolve(source, importer);
    return found && `${PREFIX}${found.id}.js`;
  },
  async load(id: string) {
    if (!id.startsWith(PREFIX)) return null;
    const text = await readFile(id.slice(PREFIX.length, -".js".length), "utf8");
    return `export default ${JSON.stringify(text)};`;
  },
};

export default defineConfig({
  plugins: [cssAsText],
  test: {
    environment: "happy-dom",
    include: ["src/**/*.test.{ts,tsx}", "tests/**/*.test.{ts,tsx}"],
    testTimeout: 10_000,
    // Two cores are shared with Python's tests and a browser.
    maxWorkers: 2,
    dangerouslyIgnoreUnhandledErrors: false,
  },
});
