/*
 * test/clients/validate.js NAME - are requests as a receiver documents it?
 *
 * Each line of standard input is a request of receiver.js, whose body is to be
 * valid by the schema NAME of schemas.json.  Prints "valid", or what is wrong.
 */

'use strict';

const readline = require('readline');
const Ajv = require('ajv');
const addFormats = require('ajv-formats');
const schemas = require('./schemas.json');

const ajv = new Ajv({ allErrors: true });

addFormats(ajv);
const validate = ajv.compile(schemas[process.argv[2]]);

readline.createInterface({ input: process.stdin }).on('line', (line) =>
{
	const body = JSON.parse(line).body;

	console.log(validate(JSON.parse(body)) ? 'valid' :
		ajv.errorsText(validate.errors));
});
