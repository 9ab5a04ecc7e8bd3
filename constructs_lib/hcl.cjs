// Preloaded into the Node process of jsii, see node_preload.py. `cdktf synth --hcl` of cdktf 0.21 writes files that Terraform
// does not read: it escapes no quotes in strings that hold a reference, as policies do, and of settings in the terraform
// block it writes the names in place of the values. Nobody mends cdktf any more, see docs/adr/0006.
"use strict";
const Module = require("node:module");
const path = require("node:path");

const place = path.join("cdktf", "lib", "hcl", "render.js");

const escapes = { '"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t" };

// A string as HCL quotes it. What is between ${ and its } is an expression, which stays as it is; $${ begins none.
function quoted(text) {
  let result = "";
  for (let at = 0; at < text.length; ) {
    if (text.startsWith("$${", at)) {
      result += "$${";
      at += 3;
    } else if (text.startsWith("${", at)) {
      const end = endOfExpression(text, at + 2);
      result += text.slice(at, end);
      at = end;
    } else {
      result += escapes[text[at]] ?? text[at];
      at += 1;
    }
  }
  return result;
}

function endOfExpression(text, from) {
  let depth = 1;
  let string = false;
  for (let at = from; at < text.length; at += 1) {
    if (string && text[at] === "\\") at += 1;
    else if (text[at] === '"') string = !string;
    else if (!string && text[at] === "{") depth += 1;
    else if (!string && text[at] === "}") depth -= 1;
    if (depth === 0) return at + 1;
  }
  return text.length;
}

const repairs = [
  ["function escapeQuotes(str) {", "function escapeQuotes(str) { return globalThis.dropbatchQuoted(str);"],
  ['return `"${jsonExpression}"`;', 'return `"${escapeQuotes(jsonExpression)}"`;'],
  [
    "renderSimpleAttributes(otherAttributes)",
    "renderSimpleAttributes(Object.fromEntries(otherAttributes.map((key) => [key, terraform[key]])))",
  ],
];

const compile = Module.prototype._compile;

function compileRepaired(content, file, ...rest) {
  if (!file.endsWith(place)) return compile.call(this, content, file, ...rest);
  let repaired = content;
  for (const [old, better] of repairs) {
    if (!repaired.includes(old)) throw new Error(`${file} is not that of cdktf 0.21.0: ${old} is missing`);
    repaired = repaired.replace(old, () => better);
  }
  return compile.call(this, repaired, file, ...rest);
}

// A process may preload this twice: from a checkout, and from the checkout whose tests started it.
if (globalThis.dropbatchQuoted === undefined) {
  globalThis.dropbatchQuoted = quoted;
  Module.prototype._compile = compileRepaired;
}
