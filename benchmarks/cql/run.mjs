// cql-execution on request files.  node run.mjs NODE_MODULES FOLDER LIBRARY SECONDS REQUEST...
// One line of JSON each: CPU milliseconds from bytes to answer, and the answer. The library, the value sets and the
// patient source are made once and kept, which is the best this engine can be given.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";

const [modules, folder, library, seconds, ...requests] = process.argv.slice(2);
const require = createRequire(join(resolve(modules), "x.js"));
const cql = require("cql-execution"), fhir = require("cql-exec-fhir");
const read = (name) => JSON.parse(readFileSync(join(folder, `${name}.json`), "utf8"));
const sets = Object.fromEntries(Object.entries(read("valuesets")).map(([url, codes]) =>
  [url, { "": codes.map(([system, code]) => ({ code, system, version: "" })) }]));
const compiled = new cql.Library(read(library), new cql.Repository({ FHIRHelpers: read("FHIRHelpers") }));
const executor = new cql.Executor(compiled, new cql.CodeService(sets));
const source = fhir.PatientSource.FHIRv401();

async function decide(body) {
  const { patient, ...bundles } = JSON.parse(body).prefetch;
  const entry = [{ resource: patient }];
  for (const bundle of Object.values(bundles)) for (const { resource } of bundle.entry) entry.push({ resource });
  source.reset();
  source.loadBundles([{ resourceType: "Bundle", type: "collection", entry }]);
  return Object.values((await executor.exec(source)).patientResults)[0];
}

const cpu = () => { const { user, system } = process.cpuUsage(); return (user + system) / 1000; };
for (const request of requests) {
  const body = readFileSync(request, "utf8");
  let answer = await decide(body);
  const times = [], until = performance.now() + 1000 * seconds;
  while (times.length < 2 || performance.now() < until) {
    const before = cpu();
    answer = await decide(body);
    times.push(cpu() - before);
  }
  times.sort((a, b) => a - b);
  console.log(JSON.stringify({ request, best: times[0], median: times[times.length >> 1], outcome: answer.Outcome,
    mb: process.memoryUsage().rss / 1e6 }));
}
