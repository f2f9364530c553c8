// CQL → ELM with the reference translator from npm.  node translate.mjs NODE_MODULES FOLDER NAME...
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

globalThis.require = createRequire(import.meta.url);
const [modules, folder, ...names] = process.argv.slice(2);
const load = (path) => import(pathToFileURL(join(resolve(modules), path)).href);
const { NamespaceManager, SystemModelInfoProvider } = await load("@cqframework/cql/cql.mjs");
const t = await load("@cqframework/cql/cql-to-elm.mjs");
const fhir = readFileSync(join(modules, "cql-exec-fhir/lib/modelInfos/fhir-modelinfo-4.0.1.xml"), "utf8");
const text = (name) => readFileSync(join(folder, `${name}.cql`), "utf8");
const ucum = t.createUcumService((v) => v, () => null, (a) => a, (a) => a); // no units are converted
for (const name of names) {
  const models = new t.ModelManager(new NamespaceManager());
  models.modelInfoLoader.registerModelInfoProvider(new SystemModelInfoProvider());
  models.modelInfoLoader.registerModelInfoProvider(
    t.createModelInfoProvider((id) => (id === "FHIR" ? t.stringAsSource(fhir) : null)));
  const libraries = new t.LibraryManager(models, undefined, undefined, ucum);
  libraries.librarySourceLoader.registerProvider(
    t.createLibrarySourceProvider((id) => (id === "FHIRHelpers" ? t.stringAsSource(text("FHIRHelpers")) : null)));
  const made = t.CqlTranslator.fromText(text(name), libraries);
  const errors = made.errors.asJsReadonlyArrayView();
  if (errors.length) throw new Error(`${name}: ${errors.map((e) => e.message).join("\n")}`);
  writeFileSync(join(folder, `${name}.json`), made.toJson());
}
