// Builds the browser client and the pages.
//   node build.mjs OUT        OUT/client: what beckd serves below /beck/client/; OUT/console: what it serves below /console/
//   node build.mjs --package  client/dist: what the npm package holds
import { build } from "esbuild";
import { execFileSync } from "node:child_process";
import { cp, mkdir, readdir, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { writeDocs } from "./docs.mjs";

const web = import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname);
const at = (...parts) => path.join(web, ...parts);
const common = {
  bundle: true,
  format: "esm",
  target: ["es2022", "chrome100", "firefox100", "safari15.4"],
  minify: true,
  legalComments: "none",
  alias: { "beck-chat": at("client/src/index.ts") },
  tsconfig: at("tsconfig.json"),
  logLevel: "warning",
};

async function client(entry, out, minify = true) {
  await build({ ...common, minify, entryPoints: [at("client/src", entry)], outfile: path.join(out, "beck-chat.js") });
  const tsc = at("node_modules/typescript/bin/tsc");
  execFileSync(process.execPath, [tsc, "-p", at("client/tsconfig.json"), "--outDir", path.join(out, "types")], { stdio: "inherit" });
  await writeFile(path.join(out, "beck-chat.d.ts"), 'export * from "./types/index.js";\n');
}

/** Pages are plain files; a folder with a main.ts is a program, and becomes main.js. */
async function pages(from, out) {
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const source = path.join(from, entry.name);
    if (entry.isDirectory()) await pages(source, path.join(out, entry.name));
    else if (entry.name === "main.ts") await build({ ...common, entryPoints: [source], outfile: path.join(out, "main.js") });
    else if (!entry.name.endsWith(".ts")) {
      await mkdir(out, { recursive: true });
      await cp(source, path.join(out, entry.name));
    }
  }
}

const [out] = process.argv.slice(2);
if (!out) {
  console.error("usage: node build.mjs OUT | --package");
  process.exit(2);
}
if (out === "--package") {
  await rm(at("client/dist"), { recursive: true, force: true });
  await client("index.ts", at("client/dist"), false); // bundlers make it small; errors name its lines
  await cp(at("../LICENSE"), at("client/LICENSE"));
} else {
  for (const part of ["client", "console"]) await rm(path.join(out, part), { recursive: true, force: true });
  await client("served.ts", path.join(out, "client"));
  await writeDocs(web, path.join(out, "client/docs"));
  const served = { "beck-chat": at("client/src/served.ts") };
  const elements = { entryPoints: [at("console/chat/elements.ts")], outfile: path.join(out, "client/beck-chat-elements.js") };
  await build({ ...common, ...elements, alias: served });
  await pages(at("console"), path.join(out, "console"));
}
