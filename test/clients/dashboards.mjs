/*
 * test/clients/dashboards.mjs - whether dashboards are what Grafana's own schema
 * says
 *
 * dashboards.mjs FILE...
 *
 * Grafana publishes its schema as types.  Each file becomes a TypeScript program
 * in which it has to satisfy them; what the compiler says is written out.  Exits
 * with 1 if it says anything.
 */

import fs from 'fs';
import path from 'path';
import ts from 'typescript';

const here = path.dirname(new URL(import.meta.url).pathname);

/* where the options of each kind of panel are, and whether it has fields of its own */
const kinds = {
	bargauge: ['bargauge', 'BarGauge', false],
	stat: ['stat', 'Stat', false],
	'state-timeline': ['statetimeline', 'StateTimeline', true],
	table: ['table', 'Table', true],
	timeseries: ['timeseries', 'TimeSeries', true],
};

/* JSON has the text of an enum's member in its place */
const head = `
import type { Dashboard } from '@grafana/schema';
type Json<T> = T extends string ? \`\${T}\` : T extends object ? { [K in keyof T]: Json<T[K]> } : T;
type Some<T> = Json<Partial<T>>;
${Object.values(kinds).map(([folder, name]) => `import type * as ${name}
	from '@grafana/schema/dist/esm/raw/composable/${folder}/panelcfg/x/${name}PanelCfg_types.gen.d.ts';`).join('\n')}
`;

function panelProgram(panel)
{
	const [, name, fields] = kinds[panel.type];
	const { options, fieldConfig } = panel;

	return `(${JSON.stringify(options)}) satisfies Some<${name}.Options>;\n` +
		`(${JSON.stringify(fieldConfig.defaults.custom)}) satisfies Some<${fields ? `${name}.FieldConfig` : '{}'}>;\n`;
}

const program = json => `${head}
(${json}) satisfies Json<Dashboard>;
${JSON.parse(json).panels.map(panelProgram).join('')}`;
const sources = new Map(process.argv.slice(2).map((file) =>
	[path.join(here, `${path.basename(file)}.ts`), program(fs.readFileSync(file, 'utf8'))]));
const options = {
	noEmit: true,
	strict: true,
	skipLibCheck: true,
	module: ts.ModuleKind.NodeNext,
	moduleResolution: ts.ModuleResolutionKind.NodeNext,
	target: ts.ScriptTarget.ES2022,
	types: [],
};
const host = ts.createCompilerHost(options);
const { getSourceFile } = host;

host.getSourceFile = (name, ...more) => sources.has(name) ?
	ts.createSourceFile(name, sources.get(name), ts.ScriptTarget.ES2022) :
	getSourceFile.call(host, name, ...more);
const found = ts.getPreEmitDiagnostics(ts.createProgram([...sources.keys()], options, host));

process.stdout.write(ts.formatDiagnostics(found, host));
process.exit(found.length > 0 || sources.size === 0 ? 1 : 0);
