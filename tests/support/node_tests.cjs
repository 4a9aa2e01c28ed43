/* Runs test files under Node and ends with "N passed, N failed". A file that does not end by itself has left something running: it is ended,
 * and counts as failed. */
const { execFileSync } = require("node:child_process");
const fs = require("node:fs");
const path = require("node:path");
const { run } = require("node:test");

const web = path.resolve(__dirname, "../../web");
const out = path.resolve(__dirname, "../../build/web-test");

/** The browser client as the server serves it, and `inside` (a file) beside it. */
exports.buildClient = (inside) => {
  execFileSync(process.execPath, [path.join(web, "build.mjs"), out], { stdio: "inherit" });
  const { buildSync } = require(path.join(web, "node_modules/esbuild"));
  buildSync({ entryPoints: [inside], outfile: path.join(out, "inside.js"), bundle: true, format: "esm", tsconfig: path.join(web, "tsconfig.json"), logLevel: "warning" });
  // beckd serves it as a module; so does this folder.
  fs.writeFileSync(path.join(out, "package.json"), '{ "type": "module" }\n');
};

/** `wanted`: names of files without ".test.mjs"; none: all of the folder. `first`: names of long ones, so that nothing waits for them in the
 * end. In the environment, VERBOSE=1 lists all tests and ONLY=REGEX picks some. */
exports.runFiles = (folder, wanted, { concurrency, fileMs, first = [] }) => {
  const rank = (f) => (first.includes(f.replace(".test.mjs", "")) ? 0 : 1);
  const names = fs.readdirSync(folder).filter((f) => f.endsWith(".test.mjs") && (wanted.length === 0 || wanted.includes(f.replace(".test.mjs", ""))));
  let passed = 0;
  let failed = 0;
  const stream = run({ files: names.sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1)).map((f) => path.join(folder, f)), concurrency, timeout: fileMs, ...(process.env.ONLY && { testNamePatterns: [process.env.ONLY] }) });
  // Some versions of Node report each file as a test too; and every failure of a file that has not said which of its tests failed.
  const isFile = (d) => /\.test\.mjs$/.test(d.name);
  stream.on("test:pass", (d) => {
    if (isFile(d) || d.skip || d.details?.type === "suite") return;
    passed++;
    if (process.env.VERBOSE) console.log(`ok ${d.name} ${Math.round(d.details.duration_ms)} ms`);
  });
  stream.on("test:fail", (d) => {
    const cause = d.details?.error?.cause ?? d.details?.error;
    if (isFile(d) && d.details?.error?.failureType === "subtestsFailed") return;
    failed++;
    console.log(`FAILED ${path.basename(d.file ?? "")} ${d.name} ${Math.round(d.details?.duration_ms ?? 0)} ms\n${String(cause?.stack ?? cause).replace(/\n[^\n]*\x1b\[2m[^\n]*/g, "")}\n`);
  });
  stream.on("test:stderr", (d) => process.stdout.write(d.message));
  stream.on("test:stdout", (d) => process.stdout.write(d.message));
  stream.on("end", () => {
    console.log(`${passed} passed, ${failed} failed`);
    process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
  });
  stream.resume();
};
