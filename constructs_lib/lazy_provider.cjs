// Preloaded into the Node process of jsii, see lazy_provider.py. The provider's package has two entries that export the
// same names: index.js requires 2,100 modules at once, lazy-index.js each when it is first used.
"use strict";
const Module = require("node:module");
const fs = require("node:fs");
const path = require("node:path");

const entry = path.join("@cdktf", "provider-aws");
const resolve = Module._resolveFilename;

Module._resolveFilename = function (...args) {
  const file = resolve.apply(this, args);
  if (path.basename(file) !== "index.js" || path.basename(path.dirname(file)) !== "lib") return file;
  const root = path.dirname(path.dirname(file));
  const lazy = path.join(path.dirname(file), "lazy-index.js");
  return root.endsWith(entry) && fs.existsSync(lazy) ? lazy : file;
};
