// Writes the JSON schemas of a dashboard, and of the options and fields of each kind of panel, from the types that Grafana itself publishes:
// `node schemas.mjs FOLDER`, beside node_modules. Tests validate the dashboards in deploy/grafana/dashboards against them.
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createGenerator } from "ts-json-schema-generator";

const into = process.argv[2];
const types = join("node_modules", "@grafana", "schema", "dist", "esm", "raw");

function write(name, folder, type) {
  const path = join(folder, readdirSync(folder).find((file) => file.endsWith(".d.ts")));
  const generator = createGenerator({ path, type, skipTypeCheck: true, additionalProperties: false });
  writeFileSync(join(into, `${name}.json`), JSON.stringify(generator.createSchema(type)));
}

mkdirSync(into, { recursive: true });
write("dashboard", join(types, "dashboard", "x"), "Dashboard");
for (const kind of ["bargauge", "stat", "table", "timeseries"]) {
  write(`${kind}-options`, join(types, "composable", kind, "panelcfg", "x"), "Options");
}
