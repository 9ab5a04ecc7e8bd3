// docs/architecture.d2 → docs/architecture.svg, with colours for light and dark pages; `make picture` calls it.
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { D2 } from "@terrastruct/d2";

const source = readFileSync(new URL("architecture.d2", import.meta.url), "utf8");
const d2 = new D2();
const drawn = await d2.compile(source, { layout: "elk", themeID: 0, darkThemeID: 200, pad: 20, noXMLTag: true });
const svg = await d2.render(drawn.diagram, drawn.renderOptions);
// A test compares this with the source, so that the picture cannot fall behind it.
const digest = createHash("sha256").update(source).digest("hex");
writeFileSync(new URL("architecture.svg", import.meta.url), `<!-- architecture.d2 ${digest} -->\n${svg}\n`);
process.exit(0); // its worker would keep the process alive
