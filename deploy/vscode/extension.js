// Starts `cds lsp` for the YAML files of a folder of rules, and stops it. All else is the server's.
const {workspace} = require("vscode");
const {LanguageClient} = require("vscode-languageclient/node");

let client;

exports.activate = () => {
  const settings = workspace.getConfiguration("thirdline");
  const [command, ...args] = settings.get("command");
  client = new LanguageClient(
    "thirdline",
    "Thirdline rules",
    {command, args},
    {
      documentSelector: [{scheme: "file", language: "yaml"}],
      initializationOptions: {decideCases: settings.get("decideCases")},
      synchronize: {fileEvents: workspace.createFileSystemWatcher("**/*.{yaml,csv,lock}")},
    },
  );
  return client.start();
};

exports.deactivate = () => client && client.stop();
