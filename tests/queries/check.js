// Holds a KQL query against Microsoft's own parser and analyser of the language (the npm package
// @kusto/language-service-next): prints what it objects to, and the columns of the result.
//
//     node check.js QUERY TABLE
//
// TABLE is a table as a `datatable` declares it: NAME(COLUMN:TYPE, ...).

const fs = require("fs");

// Bridge.NET, which it was translated with, wants to be global.
require("@kusto/language-service-next/bridge.js");
require("@kusto/language-service-next/Kusto.Language.Bridge.js");

const [file, table] = process.argv.slice(2);
const [name, columns] = table.split(/(?=\()/);
const declared = `let ${name} = datatable${columns}[];\n`;
const query = declared + fs.readFileSync(file, "utf8");

const { KustoCode, GlobalState } = Kusto.Language;
const code = KustoCode.ParseAndAnalyze(query, GlobalState.Default);
const problems = Bridge.toArray(code.GetDiagnostics()).map((found) => {
    const line = query.slice(0, found.Start).split("\n").length - 1;
    return `${found.Severity} in line ${line}: ${found.Message}`;
});
const columnsOf = Bridge.toArray(code.ResultType.Columns);
const result = columnsOf.map((column) => `${column.Name}:${column.Type.Name}`);
console.log(JSON.stringify({ problems, result }));
