// A page per call of the browser client, made from its sources: signature and text are the code's, the example is compiled with it.
// beckd serves them below /beck/client/docs/, so that they are always of the version that it serves.
import ts from "typescript";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";

const CLASSES = ["BeckChat", "Channel", "ChannelList"];
const OBJECT = { BeckChat: "chat", Channel: "channel", ChannelList: "list" };

const escape = (s) => s.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
const prose = (s) => escape(s).replace(/`([^`]+)`/g, "<code>$1</code>");

function program(web) {
  const config = ts.getParsedCommandLineOfConfigFile(path.join(web, "tsconfig.json"), {}, { ...ts.sys, onUnRecoverableConfigFileDiagnostic: (d) => { throw new Error(String(d.messageText)); } });
  return ts.createProgram(config.fileNames, config.options);
}

const isPublic = (m) => {
  const flags = ts.getCombinedModifierFlags(m);
  return !(flags & (ts.ModifierFlags.Private | ts.ModifierFlags.Protected)) && !ts.getJSDocTags(m).some((t) => t.tagName.text === "internal");
};

/** Text without the body, and without what only the compiler needs. */
function signature(node, file) {
  if (ts.isGetAccessor(node)) return `readonly ${node.name.getText(file)}: ${node.type.getText(file)}`;
  if (ts.isPropertyDeclaration(node)) return `readonly ${node.name.getText(file)}: ${node.type?.getText(file) ?? "boolean"}`;
  if (!node.body) return node.getText(file).replace(/\bexport (declare )?/, "");
  return file.text.slice(node.getStart(file), node.body.getStart(file)).trim().replace(/^(export |public |async |get |static )+/, "");
}

const textOf = (symbol, checker) => ts.displayPartsToString(symbol.getDocumentationComment(checker));

function collect(web) {
  const all = program(web);
  const checker = all.getTypeChecker();
  const index = all.getSourceFile(path.join(web, "client/src/index.ts"));
  const exported = checker.getExportsOfModule(checker.getSymbolAtLocation(index));
  const calls = [];
  const types = [];
  for (const alias of exported) {
    const symbol = alias.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(alias) : alias;
    const node = symbol.declarations[0];
    const file = node.getSourceFile();
    const name = alias.name;
    if (CLASSES.includes(name)) {
      for (const m of node.members.filter(isPublic)) {
        if (!(ts.isMethodDeclaration(m) || ts.isGetAccessor(m) || ts.isPropertyDeclaration(m) || ts.isConstructorDeclaration(m))) continue;
        const isNew = ts.isConstructorDeclaration(m);
        const member = isNew ? "constructor" : m.name.getText(file);
        const isStatic = (ts.getCombinedModifierFlags(m) & ts.ModifierFlags.Static) !== 0;
        const doc = isNew ? ts.displayPartsToString(checker.getSignatureFromDeclaration(m).getDocumentationComment(checker)) : textOf(checker.getSymbolAtLocation(m.name), checker);
        const title = isNew ? `new ${name}` : `${isStatic ? name : OBJECT[name]}.${member}`;
        calls.push({ key: `${name}.${member}`, group: name, title, doc, code: isNew ? signature(m, file).replace("constructor", `new ${name}`) : signature(m, file) });
      }
    } else if (ts.isFunctionDeclaration(node) || name === "BeckError") {
      const code = ts.isFunctionDeclaration(node) ? signature(node, file) : node.members.filter((m) => ts.isPropertyDeclaration(m)).map((m) => m.getFullText(file).trimEnd()).join("");
      calls.push({ key: name, group: "Beside", title: name, doc: textOf(symbol, checker) || (name === "BeckError" ? "What every call rejects with." : ""), code });
    } else {
      types.push({ name, doc: textOf(symbol, checker), code: node.getText(file).replace(/^export /, "") });
    }
  }
  return { calls, types };
}

async function examples(web) {
  const text = await readFile(path.join(web, "client/examples/calls.ts"), "utf8");
  const found = new Map();
  for (const [, names, code] of text.matchAll(/^ {2}\/\/ shows: (.+)\n([\s\S]*?)^ {2}\/\/ end$/gm))
    for (const name of names.split(" ")) found.set(name, code.replace(/^ {2}/gm, "").trimEnd());
  return found;
}

const page = (title, up, body) => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escape(title)}</title>
<link rel="icon" href="${up}console/mark.svg" type="image/svg+xml">
<link rel="stylesheet" href="${up}console/console.css">
</head>
<body class="text">
<header><h1>${escape(title)}</h1></header>
<main>
${body}
</main>
</body>
</html>
`;

export async function writeDocs(web, out) {
  const { calls, types } = collect(web);
  const shown = await examples(web);
  const unknown = [...shown.keys()].filter((k) => !calls.some((c) => c.key === k));
  const missing = calls.filter((c) => !c.doc).map((c) => c.key);
  if (unknown.length + missing.length > 0) throw new Error(`docs of the browser client: examples for nothing: ${unknown}; calls without a word: ${missing}`);
  await mkdir(out, { recursive: true });
  const names = new Set(types.map((t) => t.name));
  const linked = (code) => escape(code).replace(/\b[A-Z]\w+\b/g, (w) => (names.has(w) ? `<a href="types.html#${w}">${w}</a>` : w));
  for (const c of calls) {
    const example = shown.get(c.key);
    const body = `${c.doc ? `<p>${prose(c.doc)}</p>\n` : ""}<h2>Signature</h2>\n<pre tabindex="0"><code>${linked(c.code)}</code></pre>${
      example ? `\n<h2>Example</h2>\n<pre tabindex="0"><code>${escape(example)}</code></pre>` : ""
    }\n<p><a href="./">All calls</a> · <a href="types.html">Types</a></p>`;
    await writeFile(path.join(out, `${c.key}.html`), page(c.title, "../../../", body));
  }
  const list = (group) =>
    calls
      .filter((c) => c.group === group)
      .map((c) => `<li><a href="${c.key}.html">${escape(c.title)}</a> ${prose(c.doc.split(/(?<=\.)\s/)[0] ?? "")}</li>`)
      .join("\n");
  const groups = [...CLASSES, "Beside"].map((g) => `<h2>${g}</h2>\n<ul>\n${list(g)}\n</ul>`).join("\n");
  await writeFile(path.join(out, "index.html"), page("The browser client, call by call", "../../../", `${groups}\n<p><a href="types.html">Types</a></p>`));
  const body = types.map((t) => `<h2 id="${t.name}">${t.name}</h2>${t.doc ? `\n<p>${prose(t.doc)}</p>` : ""}\n<pre tabindex="0"><code>${linked(t.code)}</code></pre>`).join("\n");
  await writeFile(path.join(out, "types.html"), page("Types of the browser client", "../../../", body));
}
