import manifest from '../../package.json' with { type: 'json' };
import { openApiDocument } from './openapi.ts';

/** Prints the document for generators of clients. */
process.stdout.write(`${JSON.stringify(openApiDocument(manifest.version), null, 2)}\n`);
