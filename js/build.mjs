/**
 * Builds what the Python package carries, under medilytica_widgets/static:
 *
 *   loader.js      the `_esm` of every widget, at most 10 KB: it crosses the wire once for each widget
 *   widgets.js.gz  the shared bundle, one ES module with its styles inside
 *   plotly.js.gz   plotly.js as an ES module; everything before its last `export default` is plain
 *                  script, so a report can embed it in a block of its own
 *
 * The modules are stored gzipped only, because the kernel sends them so. `--lab` instead compiles the
 * JupyterLab plugin to lib/lab, where `jupyter builder build .` picks it up.
 */
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const LOADER_LIMIT = 10 * 1024;

const { values: options } = parseArgs({
  options: {
    lab: { type: "boolean", default: false },
    entry: { type: "string", default: "src/index.ts" },
    loader: { type: "string", default: "src/loader.ts" },
    out: { type: "string", default: "../medilytica_widgets/static" },
  },
});

const shared = {
  bundle: true,
  format: "esm",
  target: "es2022",
  jsx: "automatic",
  jsxImportSource: "preact",
  loader: { ".css": "text" },
  logLevel: "warning",
};

async function bundle(entry) {
  const result = await build({ ...shared, entryPoints: [entry], minify: true, legalComments: "inline", write: false });
  return Buffer.from(result.outputFiles[0].contents);
}

/** plotly's file is UMD and sets window.Plotly; the page's own Plotly, if it has one, must stay. */
async function plotly() {
  const umd = await readFile("node_modules/plotly.js-basic-dist-min/plotly-basic.min.js", "utf8");
  return Buffer.from(`const module = { exports: {} };
const pagePlotly = Object.getOwnPropertyDescriptor(globalThis, "Plotly");
${umd}
if (pagePlotly) Object.defineProperty(globalThis, "Plotly", pagePlotly);
else delete globalThis.Plotly;
export default module.exports;
`);
}

/** The same bytes on every machine: Node writes no time, and the header's system byte becomes "unknown". */
function gzip(content) {
  const packed = gzipSync(content, { level: 9 });
  packed[9] = 255;
  return packed;
}

async function write(name, content) {
  await writeFile(`${options.out}/${name}`, content);
  console.log(`${name} ${(content.length / 1024).toFixed(1)} KB`);
}

if (options.lab) {
  await rm("lib", { recursive: true, force: true });
  await build({ ...shared, entryPoints: ["src/lab/index.ts"], outfile: "lib/lab/index.js", packages: "external" });
} else {
  const [loader, widgets, charts] = await Promise.all([bundle(options.loader), bundle(options.entry), plotly()]);
  if (loader.length > LOADER_LIMIT) {
    throw new Error(`loader.js has ${loader.length} bytes, more than ${LOADER_LIMIT}: move code into the shared bundle.`);
  }
  await mkdir(options.out, { recursive: true });
  await write("loader.js", loader);
  await write("widgets.js.gz", gzip(widgets));
  await write("plotly.js.gz", gzip(charts));
}
