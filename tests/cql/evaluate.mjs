// CQL text and the parameters of each case → what every expression comes out as, by the reference translator and engine.
//   node evaluate.mjs MODULES < {"library": "…", "cases": [{"name": value}]} > [{"name": value}]
// A list of two texts is a closed interval of dates; null is unknown.
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { readFileSync } from "node:fs";

const modules = resolve(process.argv[2]);
const require = createRequire(join(modules, "x.js"));
globalThis.require = require; // the translator's bundle asks for it
const load = (path) => import(pathToFileURL(join(modules, path)).href);
const { NamespaceManager, SystemModelInfoProvider } = await load("@cqframework/cql/cql.mjs");
const translator = await load("@cqframework/cql/cql-to-elm.mjs");
const cql = require("cql-execution");

function translate(text) {
  const models = new translator.ModelManager(new NamespaceManager());
  models.modelInfoLoader.registerModelInfoProvider(new SystemModelInfoProvider());
  const ucum = translator.createUcumService((v) => v, () => null, (a) => a, (a) => a); // no units are converted
  const libraries = new translator.LibraryManager(models, undefined, undefined, ucum);
  const translated = translator.CqlTranslator.fromText(text, libraries);
  const errors = translated.errors.asJsReadonlyArrayView();
  if (errors.length) throw new Error(errors.map((error) => error.message).join("\n"));
  return JSON.parse(translated.toJson());
}

const date = (text) => cql.Date.parse(text);
const value = (given) =>
  Array.isArray(given)
    ? given.map(([first, last]) => new cql.Interval(date(first), date(last)))
    : given;
const plain = (found) => {
  if (found === undefined || found === null) return null;
  if (Array.isArray(found)) return found.map(plain);
  if (found.isInterval) return [found.low.toString(), found.high.toString()];
  return found;
};

const { library, cases } = JSON.parse(readFileSync(0, "utf8"));
const elm = new cql.Library(translate(library));
const answers = [];
for (const one of cases) {
  const parameters = Object.fromEntries(Object.entries(one).map(([name, given]) => [name, value(given)]));
  const executor = new cql.Executor(elm, new cql.CodeService({}), parameters);
  const results = await executor.exec({ currentPatient: () => undefined, nextPatient: () => undefined });
  answers.push(Object.fromEntries(Object.entries(results.unfilteredResults).map(([name, found]) => [name, plain(found)])));
}
process.stdout.write(JSON.stringify(answers));
